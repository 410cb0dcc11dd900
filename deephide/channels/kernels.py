"""Compiled loops of error correction, where the package carries them compiled.

Nothing waits for a compiler: see `coding.is_near_codeword` and `strong.code.decode`, which do the
same in numpy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stc.jit import jit

__all__ = ["correctable", "follow"]

Whole = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_LEAST = -(1 << 62)


@jit
def _syndromes(word: Bytes, exp: Whole, log: Whole, found: Whole) -> None:
    """Fill `found` with the values of a word at the first powers of 2."""
    for i in range(found.size):
        total = np.int64(0)
        for k in range(word.size):
            if total:
                total = exp[log[total] + i]
            total ^= np.int64(word[k])
        found[i] = total


@jit
def _locate(syndromes: Whole, exp: Whole, log: Whole, locator: Whole) -> int:
    """Fill in the locator of Berlekamp and Massey, which comes in as zeros; return its degree."""
    size = locator.size
    before, moved = np.zeros(size, np.int64), np.zeros(size, np.int64)
    locator[0] = before[0] = 1
    last, shift, degree = np.int64(1), 1, 0
    for n in range(syndromes.size):
        gap = np.int64(0)
        for k in range(min(degree, n) + 1):
            if locator[k] and syndromes[n - k]:
                gap ^= exp[log[locator[k]] + log[syndromes[n - k]]]
        if gap:
            factor = (log[gap] - log[last]) % 255
            moved[:] = 0
            for k in range(size - shift):
                if before[k]:
                    moved[k + shift] = exp[factor + log[before[k]]]
            longer = 2 * degree <= n
            for k in range(size):
                if longer:
                    before[k] = locator[k]
                locator[k] ^= moved[k]
            if longer:
                last, degree, shift = gap, n + 1 - degree, 0
        shift += 1
    return degree


@jit
def correctable(word: Bytes, parity: int, exp: Whole, log: Whole) -> bool:
    """Tell whether Berlekamp and Massey's locator has as many roots as its degree.

    Parameters
    ----------
    word : (n,) bytes, n <= 255
    parity : bytes of parity among them
    exp, log : (512,) and (256,), tables of GF(256)
    """
    syndromes = np.empty(parity, np.int64)
    _syndromes(word, exp, log, syndromes)
    locator = np.zeros(parity + 1, np.int64)
    degree = _locate(syndromes, exp, log, locator)
    if degree > parity // 2:
        return False
    roots = 0
    for place in range(word.size):
        total = np.int64(0)
        for k in range(degree + 1):
            if locator[k]:
                total ^= exp[(log[locator[k]] - place * k) % 255]
        roots += total == 0
    return bool(roots == degree)


@jit
def follow(sums: Whole, signs: Whole, bits: Bytes) -> None:
    """Write the bits whose code of rate 1/2 agrees best with sums; of equal ways the first.

    Parameters
    ----------
    sums : (2 t,), positive ones for coded bits of 0
    signs : (2 * 2 * S,) 1 or -1 of the coded bits: of the first one, for each of the S states, on
        both ways that lead to it, and then of the second one
    bits : (t,) what is written; the last state is 0
    """
    states = signs.size >> 2
    half = states >> 1
    best = np.full(states, _LEAST, np.int64)
    reached = np.empty(states, np.int64)
    best[0] = 0
    ways = np.empty((bits.size, states), np.uint8)
    for step in range(bits.size):
        one, other = sums[2 * step], sums[2 * step + 1]
        for new in range(states):
            old = (new & (half - 1)) << 1
            first = best[old] + signs[2 * new] * one + signs[2 * states + 2 * new] * other
            second = (
                best[old + 1] + signs[2 * new + 1] * one + signs[2 * states + 2 * new + 1] * other
            )
            ways[step, new] = second > first
            reached[new] = max(first, second)
        for new in range(states):
            best[new] = reached[new]
    state = np.int64(0)
    for step in range(bits.size - 1, -1, -1):
        bits[step] = state >= half
        state = ((state & (half - 1)) << 1) | np.int64(ways[step, state])
