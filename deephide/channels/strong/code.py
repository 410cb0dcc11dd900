"""Dithered quantisation of elements, and the convolutional code that spreads a stream over them.

::

    stream ── code of rate 1/2 ── every coded bit in several elements, keyed order ── lattice
    stream ── Viterbi ─────────── sum of how sure these elements are ◄─────────────── keyed dither

Without the key the dither makes every element uniform: nothing can be tested.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.channels import kernels
from deephide.channels.strong.grid import SCALE
from deephide.container import layout
from deephide.container.crypto import keystream_bytes

__all__ = ["coded_bits", "decode", "dither", "encode", "softness", "spread", "towards"]

SURE = 64  # softness of an element in the middle of its cell
_MEMORY = 6
_STATES = 1 << _MEMORY
_GENERATORS = (0o171, 0o133)


def _parities(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([int(n).bit_count() & 1 for n in numbers.reshape(-1)]).reshape(numbers.shape)


# Of a new state, the highest bit of which is the bit that came in: both states before it, and the
# signs that the two coded bits have on either way.
_NEW = np.arange(_STATES)[:, None]
_BEFORE = ((_NEW & (_STATES // 2 - 1)) << 1) | np.arange(2)
_SIGNS = [
    1 - 2 * _parities((((_NEW >> (_MEMORY - 1)) << _MEMORY) | _BEFORE) & mask)
    for mask in _GENERATORS
]
_FLAT_SIGNS = np.concatenate([signs.reshape(-1) for signs in _SIGNS])


def coded_bits(n_bytes: int) -> int:
    """Return how many bits so many bytes are coded in."""
    return 2 * (8 * n_bytes + _MEMORY)


def encode(data: bytes) -> NDArray[np.uint8]:
    """Return the coded bits of data; six zeros behind it lead back to the state 0."""
    bits = np.concatenate((layout.to_bits(data), np.zeros(_MEMORY, np.uint8))).tolist()
    state, out = 0, []
    for bit in bits:
        register = bit << _MEMORY | state
        out += [(register & mask).bit_count() & 1 for mask in _GENERATORS]
        state = register >> 1
    return np.array(out, np.uint8)


def decode(sums: NDArray[np.int64]) -> bytes:
    """Return the data whose code agrees best with the sums, positive ones for bits of 0."""
    steps = sums.size // 2
    if not kernels.follow.is_loaded:
        return layout.to_bytes(_best_bits(sums)[: steps - _MEMORY])
    bits = np.empty(steps, np.uint8)
    kernels.follow(np.ascontiguousarray(sums, np.int64), _FLAT_SIGNS, bits)
    return layout.to_bytes(bits[: steps - _MEMORY])


def _best_bits(sums: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return what `kernels.follow` writes, in numpy."""
    steps = sums.size // 2
    pairs = sums.reshape(steps, 2)
    best = np.full(_STATES, np.iinfo(np.int64).min // 2)
    best[0] = 0
    ways = np.empty((steps, _STATES), np.uint8)
    rows = np.arange(_STATES)
    gains = pairs[:, 0, None, None] * _SIGNS[0] + pairs[:, 1, None, None] * _SIGNS[1]
    for step in range(steps):
        both = best[_BEFORE]
        both += gains[step]
        ways[step] = chosen = both[:, 1] > both[:, 0]
        best = both[rows, chosen.view(np.uint8)]
    state, bits = 0, np.empty(steps, np.uint8)
    for step in range(steps - 1, -1, -1):
        bits[step] = state >> (_MEMORY - 1)
        state = int(_BEFORE[state, ways[step, state]])
    return bits


def dither(key: bytes, n: int) -> NDArray[np.int64]:
    """Return the (n,) shifts of the lattice, in 65,536ths of its step."""
    return np.frombuffer(keystream_bytes(key, 2 * n), "<u2").astype(np.int64)


def softness(
    values: NDArray[np.float64], shifts: NDArray[np.int64], step: int
) -> NDArray[np.int64]:
    """Return how surely each element says 0 (SURE) or 1 (-SURE).

    Parameters
    ----------
    values : (n,) elements, what `grid.coefficients` returned
    shifts : (n,), what `dither` returned
    step : of the lattice, in levels, a multiple of 2
    """
    period = step * SCALE
    within = (values.astype(np.int64) - shifts * (period >> 16)) % period
    return np.asarray(np.abs(2 * within - period) // (period >> 7) - SURE)


def towards(
    values: NDArray[np.float64], shifts: NDArray[np.int64], step: int, bits: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return by how many levels each element has to change to say its bit, the least possible."""
    period = step * SCALE
    target = shifts * (period >> 16) + bits.astype(np.int64) * (period >> 1)
    away = (target - values.astype(np.int64) + (period >> 1)) % period - (period >> 1)
    return away / SCALE


def spread(soft: NDArray[np.int64], n_bits: int) -> NDArray[np.int64]:
    """Return the (n_bits,) sums of the elements of each coded bit; element i has bit i mod n."""
    filled = np.zeros(-(-soft.size // n_bits) * n_bits, np.int64)
    filled[: soft.size] = soft
    return np.asarray(filled.reshape(-1, n_bits).sum(axis=0))
