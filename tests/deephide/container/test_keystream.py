import hashlib
import sys
from types import SimpleNamespace

import format_oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephide.container import crypto, keystream, permuting
from deephide.container.crypto import keystream_bytes
from deephide.container.keystream import Order, public_order
from deephide.container.layout import Zones
from deephide.container.zones import keyed_zones, public_zone, stanza_zone


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 300))
def test_the_order_is_a_permutation_and_follows_the_specification(key, n):
    order = Order(key, n).places(0, n)
    assert order.dtype == np.uint32
    assert order.tolist() == format_oracle.order(key, n)
    assert sorted(order.tolist()) == list(range(n))


def test_the_public_order_is_keyed_by_the_number_of_elements():
    key = hashlib.sha256(b"deephide/2 public order\x00" + (77).to_bytes(8, "little")).digest()
    assert public_order(77).places(0, 77).tolist() == Order(key, 77).places(0, 77).tolist()


def test_orders_are_frozen():
    order = Order(bytes(range(32)), 100_000).places(0, 100_000)
    assert hashlib.sha256(order.astype("<u4").tobytes()).hexdigest() == FROZEN


FROZEN = "49e04b3cdfcbf294b2f7d8898a3ccbf387fa59180735a0edc50950c492610d81"


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.data())
def test_a_piece_of_an_order_is_that_of_the_whole(n, data):
    order = Order(bytes(32), n)
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    assert order.places(start, stop).tolist() == order.places(0, n)[start:stop].tolist()


@pytest.mark.parametrize("n", [1, 63, 64, 65, 300_001, 1 << 28])
def test_an_order_is_the_same_without_a_compiler(monkeypatch, n):
    order = Order(bytes(range(32)), n)
    starts = {0, n // 3, max(0, n - 1000)}
    compiled = [order.places(k, min(n, k + 1000)).tolist() for k in starts]
    monkeypatch.setattr(permuting, "permute", SimpleNamespace(is_loaded=False))
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    assert [order.places(k, min(n, k + 1000)).tolist() for k in starts] == compiled


@pytest.mark.parametrize("n", [-1, 0, (1 << 28) + 1])
def test_impossible_sizes_are_refused(n):
    with pytest.raises(ValueError, match="n: got"):
        Order(bytes(32), n)


def test_pieces_make_no_difference(monkeypatch):
    whole = Order(bytes(32), 1000).places(0, 1000)
    stream = keystream_bytes(bytes(32), 1001)
    monkeypatch.setattr(crypto, "_CHUNK", 192)
    monkeypatch.setattr(keystream, "PIECE", 7)
    assert keystream_bytes(bytes(32), 1001) == stream
    assert Order(bytes(32), 1000).places(0, 1000).tolist() == whole.tolist()


@pytest.mark.parametrize("n", [300_001, 1 << 20])
def test_a_long_order_is_a_permutation(n):
    order = Order(bytes(32), n).places(0, n)
    assert np.array_equal(np.sort(order), np.arange(n))


def test_the_largest_order_is_one_to_one_where_one_looks():
    order = Order(bytes(32), 1 << 28)
    found = np.concatenate([order.places(k, k + 50_000) for k in (0, 1 << 27, (1 << 28) - 50_000)])
    assert np.unique(found).size == found.size == 150_000
    assert found.max() < 1 << 28


def test_orders_of_other_keys_have_nothing_in_common():
    n = 1 << 16
    one, other = (Order(bytes([k]) * 32, n).places(0, n).astype(float) for k in (1, 2))
    # 4 standard deviations of the correlation of independent orders.
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / n**0.5
    assert abs(np.corrcoef(one, np.arange(n))[0, 1]) < 4 / n**0.5
    # Neighbours in the order are no neighbours in the image.
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 4 / n**0.5
    # A fixed point is as rare as in any permutation: about one.
    assert np.count_nonzero(one == np.arange(n)) < 10


@settings(max_examples=60, deadline=None)
@given(st.integers(4096, 1 << 16), st.sampled_from([16, 32]))
def test_zones_are_disjoint_and_complete(n, opening_bytes):
    zones = Zones(n, opening_bytes)
    length, body = keyed_zones(zones, bytes(32))
    places = [zone.places() for zone in (public_zone(zones), length, body)]
    assert np.array_equal(np.sort(np.concatenate(places)), np.arange(n))
    stanza = stanza_zone(zones, bytes([1]) * 32).places()
    assert np.unique(stanza).size == stanza.size == zones.stanza
    assert not np.isin(stanza, places[0]).any()
