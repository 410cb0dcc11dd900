import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephide.container import crypto, keystream
from deephide.container.crypto import keystream_bytes


def oracle(key, n):
    """The specification with Python integers."""
    stream = keystream_bytes(key, 8 * n)
    words = []
    for index in range(n):
        word = int.from_bytes(stream[8 * index : 8 * index + 8], "little")
        words.append(word >> 28 << 28 | index)
    return [word & (1 << 28) - 1 for word in sorted(words)]


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 300))
def test_the_order_is_a_permutation_and_follows_the_specification(key, n):
    order = keystream.keyed_order(key, n)
    assert order.dtype == np.int64
    assert order.tolist() == oracle(key, n)
    assert sorted(order.tolist()) == list(range(n))


def test_the_public_order_is_keyed_by_the_number_of_elements():
    key = hashlib.sha256(b"deephide/1 public order\x00" + (77).to_bytes(8, "little")).digest()
    assert keystream.public_order(77).tolist() == keystream.keyed_order(key, 77).tolist()


def test_orders_are_frozen():
    order = keystream.keyed_order(bytes(range(32)), 100_000)
    assert hashlib.sha256(order.astype("<u4").tobytes()).hexdigest() == FROZEN


FROZEN = "4fd4142b13f2e32423e656517edaa7740e0312f3a8206b442f85d959840fd306"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300), st.integers(0, 400))
def test_the_beginning_of_an_order_is_that_of_the_whole(n, first):
    whole = keystream.keyed_order(bytes(32), n)
    assert keystream.keyed_order(bytes(32), n, first).tolist() == whole[:first].tolist()
    assert keystream.public_order(n, first).tolist() == keystream.public_order(n)[:first].tolist()


@pytest.mark.parametrize("n", [-1, (1 << 28) + 1])
def test_impossible_sizes_are_refused(n):
    with pytest.raises(ValueError, match="n: got"):
        keystream.keyed_order(bytes(32), n)


def test_pieces_make_no_difference(monkeypatch):
    whole = keystream.keyed_order(bytes(32), 1000)
    stream = keystream_bytes(bytes(32), 1001)
    monkeypatch.setattr(crypto, "_CHUNK", 192)
    monkeypatch.setattr(keystream, "_CHUNK", 7)
    assert keystream_bytes(bytes(32), 1001) == stream
    assert keystream.keyed_order(bytes(32), 1000).tolist() == whole.tolist()


def test_a_long_order_is_a_permutation():
    order = keystream.keyed_order(bytes(32), 300_001)
    assert np.array_equal(np.sort(order), np.arange(300_001))
