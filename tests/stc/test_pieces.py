"""Covers that come in pieces: the same stego as of the whole cover, and few elements in memory."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import stc

ACROSS = st.sampled_from([0.1, 0.6, 0.97])


def problem(seed, n, m, wet):
    rng = np.random.default_rng(seed)
    cover = rng.integers(-40, 40, n).astype(np.int16)
    message = rng.integers(0, 2, m)
    up = rng.random(n)
    up[rng.random(n) < wet] = np.inf
    down = np.where(rng.random(n) < 0.1, np.inf, up * rng.uniform(0.5, 2.0, n))
    return cover, message, up, down


def in_pieces(cover, message, up, down, height, threads=1):
    """Embed by way of the list; return the whole stego and what was asked for."""
    index = np.flatnonzero((up < np.inf) | (down < np.inf))
    asked = []

    def read(start, stop):
        asked.append((start, stop))
        near = index[(index >= start) & (index < stop)]
        return cover[start:stop], near - start

    new = stc.embed_ternary_from(
        read, cover.size, message, lambda: (up[index], down[index]), height, threads=threads
    )
    stego = cover.copy()
    stego[index] = new
    return stego, asked


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), half=st.integers(1, 60), wet=ACROSS, height=st.integers(6, 8))
@example(seed=88, half=60, wet=0.97, height=7)  # blocks in which crossing is all there is
def test_the_changes_are_those_of_the_whole(seed, half, wet, height):
    cover, message, up, down = problem(seed, 5000, 2 * half, wet)
    try:
        whole = stc.embed_ternary(cover, message, up, down, height, split="even")
    except stc.PayloadTooLargeError:
        with pytest.raises(stc.PayloadTooLargeError):
            in_pieces(cover, message, up, down, height)
        return
    stego, asked = in_pieces(cover, message, up, down, height)
    assert np.array_equal(stego, whole)
    assert np.array_equal(stc.extract_ternary(stego, 2 * half, height, split="even"), message)
    assert [start for start, _ in asked] == [0, *(stop for _, stop in asked[:-1])]
    assert asked[-1][1] == cover.size


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_wider_than_there_are_columns(threads):
    cover, message, up, down = problem(3, 40_000, 8, 0.8)
    whole = stc.embed_ternary(cover, message, up, down, 6, split="even")
    assert np.array_equal(in_pieces(cover, message, up, down, 6, threads)[0], whole)


def test_a_frozen_share_is_the_same(rng):
    """Enough elements for a plan that leaves most of them out."""
    cover, message, up, down = problem(4, 60_000, 600, 0.3)
    up, down = up**6, down**6
    whole = stc.embed_ternary(cover, message, up, down, 10, split="even")
    assert np.array_equal(in_pieces(cover, message, up, down, 10)[0], whole)


@pytest.mark.parametrize("bits", [0, 3, 202])
def test_other_lengths_are_refused(bits):
    with pytest.raises(ValueError, match="message_bits: got"):
        in_pieces(*problem(1, 100, bits, 0.1), 6)


def test_too_few_dry_elements_are_no_solution():
    with pytest.raises(stc.PayloadTooLargeError, match="of 3000 elements"):
        in_pieces(*problem(1, 3000, 600, 0.99), 6)
