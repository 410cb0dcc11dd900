"""Error correction: what is put right, what is not, and headers that always lead somewhere."""

import itertools

import numpy as np
import pytest

from deephide.channels import coding, kernels
from deephide.channels.coding import Framing, Plan


def damaged(stream, places):
    out = bytearray(stream)
    for place in places:
        out[place] ^= 0x5A
    return bytes(out)


@pytest.mark.parametrize(("length", "parity"), [(50, 8), (300, 24), (300, 110), (1000, 32)])
def test_half_of_the_parity_of_every_codeword_is_put_right(length, parity):
    framing = Framing(length, parity)
    data = np.random.default_rng(1).bytes(length)
    stream = framing.encode(data)
    assert len(stream) == framing.stream_bytes
    wrong = range(framing.codewords * (parity // 2))  # neighbours belong to different codewords
    assert framing.decode(damaged(stream, wrong)) == (data, len(wrong))
    assert framing.worst(damaged(stream, wrong), stream) == parity // 2


def test_what_cannot_be_put_right_stays_as_it_is():
    framing = Framing(60, 8)
    stream = damaged(framing.encode(bytes(60)), range(30))
    assert framing.decode(stream) == (stream[:60], 0)


def test_doubtful_bytes_are_erased_where_errors_alone_are_too_many():
    framing = Framing(60, 8)
    stream = framing.encode(bytes(range(60)))
    wrong = [3, 20, 40, 55, 61]
    assert framing.decode(damaged(stream, wrong))[0] != bytes(range(60))
    assert framing.decode(damaged(stream, wrong), [3, 20, 40])[0] == bytes(range(60))


def test_neighbouring_bytes_are_of_different_codewords():
    framing = Framing(600, 24)
    owners = [framing._owner(at) for at in range(framing.stream_bytes)]
    assert framing.codewords == 3
    assert all(a != b for a, b in itertools.pairwise(owners[:600]))


def test_a_length_that_is_not_that_of_the_data_is_rejected():
    with pytest.raises(ValueError, match="got 3 bytes, expected 4"):
        Framing(4, 8).encode(bytes(3))


def test_plans_survive_ten_wrong_bytes_of_their_header():
    pad, plan = b"abcd", Plan(333, 48, 4)
    stream = coding.pack_plan(plan, 50, pad)
    assert len(stream) == coding.HEADER_STREAM
    found = coding.unpack_plan(damaged(stream, range(5, 15)), 50, 1000, pad)
    assert found == (plan, True)


def test_any_header_leads_to_a_body_that_can_be_read():
    rng = np.random.default_rng(2)
    for _ in range(100):
        plan, _ = coding.unpack_plan(rng.bytes(coding.HEADER_STREAM), 50, 200, bytes(4))
        assert 50 <= plan.length <= 200
        assert 8 <= plan.parity <= 128
        assert plan.framing.codewords >= 1


def test_elements_of_a_plan():
    assert Plan(100, 24).elements(5000) == 5000
    assert Plan(100, 24, 2).elements(50_000) == 64 * 124
    assert Plan(100, 24, 255).elements(5000) == 5000


def test_bytes_that_elements_near_an_edge_touch():
    edges = np.ones(6400)
    edges[[100, 3200]] = 0.1, 0.05
    found = coding.doubtful_bytes(edges, 80, 12, 0.2)
    assert found[0] == 3200 * 640 // 6400 // 8
    assert 100 * 640 // 6400 // 8 in found
    assert len(found) <= 6


@pytest.mark.parametrize("parity", [8, 24, 110])
def test_words_that_cannot_be_put_right_are_known_at_once(parity):
    rng = np.random.default_rng(parity)
    framing = coding.Framing(100, parity)
    for wrong in (0, 1, parity // 2, parity // 2 + 1, parity):
        word = bytearray(framing.encode(rng.bytes(100)))
        for at in rng.choice(len(word), wrong, replace=False):
            word[at] ^= int(rng.integers(1, 256))
        assert coding.is_near_codeword(bytes(word), parity) == (wrong <= parity // 2)


def test_both_ways_to_tell_whether_a_word_can_be_put_right_agree():
    rng, answers = np.random.default_rng(3), []
    for _ in range(60):
        parity = int(rng.integers(8, 129))
        word = bytearray(Framing(length := int(rng.integers(1, 256 - parity)), parity).encode(
            rng.bytes(length)
        ))  # fmt: skip
        for at in rng.integers(0, len(word), int(rng.integers(0, parity))):
            word[at] = int(rng.integers(256))
        answers.append(coding._is_near_codeword_in_numpy(bytes(word), parity))
        values = np.frombuffer(bytes(word), np.uint8)
        assert kernels.correctable(values, parity, coding._EXP, coding._LOG) == answers[-1]
    assert 10 < sum(answers) < 50


def test_the_worst_bytes_come_first_and_each_of_them_once():
    edges = np.ones(64)
    edges[[3, 40, 41]] = 0.1, 0.0, 0.05
    # 32 bits: elements 40 and 41 begin with bit 20, element 3 with bit 1.
    assert coding.doubtful_bytes(edges, 4, 12, 0.2) == [2, 3, 0, 1]
    assert coding.doubtful_bytes(edges, 4, 12, 0.01) == [2, 3]
    assert coding.doubtful_bytes(edges, 4, 12, 0.0) == []
