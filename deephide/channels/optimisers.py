"""Forecast of which coefficients of one step an optimising encoder keeps.

mozjpeg drops a coefficient where the bits that this saves are worth more than the error that it
makes (its trellis quantisation, `quantize_trellis` of its jcdctmgr.c).  Here one coefficient at a
time is looked at, with the standard code, and the others as they are: a forecast and no more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.channels.tables import mozjpeg_table
from deephide.formats.jpeg.segments import ZIGZAG

__all__ = ["bits_gained"]

_EMPHASIS, _CALM = 2.0**14.75, 2.0**16.5  # weight of errors, and the energy at which it is half
_UNITS = 8  # of mozjpeg's transform, that are one level

# Bits of the standard code of luma (ITU-T T.81, table K.5): runs 0 to 15 of zeros, sizes 1 to 10.
_LENGTHS = np.array([
    (2, 2, 3, 4, 5, 7, 8, 10, 16, 16), (4, 5, 7, 9, 11, 16, 16, 16, 16, 16),
    (5, 8, 10, 12, 16, 16, 16, 16, 16, 16), (6, 9, 12, 16, 16, 16, 16, 16, 16, 16),
    (6, 10, 16, 16, 16, 16, 16, 16, 16, 16), (7, 11, 16, 16, 16, 16, 16, 16, 16, 16),
    (7, 12, 16, 16, 16, 16, 16, 16, 16, 16), (8, 12, 16, 16, 16, 16, 16, 16, 16, 16),
    (9, 15, 16, 16, 16, 16, 16, 16, 16, 16), (9, 16, 16, 16, 16, 16, 16, 16, 16, 16),
    (9, 16, 16, 16, 16, 16, 16, 16, 16, 16), (10, 16, 16, 16, 16, 16, 16, 16, 16, 16),
    (10, 16, 16, 16, 16, 16, 16, 16, 16, 16), (11, 16, 16, 16, 16, 16, 16, 16, 16, 16),
    (16, 16, 16, 16, 16, 16, 16, 16, 16, 16), (16, 16, 16, 16, 16, 16, 16, 16, 16, 16),
])  # fmt: skip
_SIXTEEN_ZEROS = 11


def _code(run: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bits of a coefficient behind a run of zeros, its own included."""
    return np.asarray(_SIXTEEN_ZEROS * (run // 16) + _LENGTHS[run % 16, size - 1] + size)


def _size(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of bits of values that are not 0, and 1 for those that are."""
    return np.maximum(np.frexp(np.abs(values).astype(np.float64))[1], 1).astype(np.int64)


def bits_gained(
    values: NDArray[np.int16], table: NDArray[np.int64], quality: int = 75
) -> NDArray[np.float64]:
    """Return what each coefficient's being one step, instead of nothing, is worth to mozjpeg.

    Parameters
    ----------
    values : (R, C, 64) quantised coefficients of luma, row by row of a block
    table : (64,) their steps
    quality : mozjpeg's, from 50 to 99

    Returns
    -------
    (R, C, 64) float64, bits; what has less than none is dropped.  That of DC says nothing.
    """
    levels = (values * table)[:, :, ZIGZAG].astype(np.float64)
    steps, own = mozjpeg_table(quality)[ZIGZAG].astype(np.float64), table[ZIGZAG].astype(np.float64)
    found = np.rint(levels / steps).astype(np.int64)
    found[:, :, 0] = 1  # the first run begins there
    # The places of the coefficients that are not 0 before and behind each; 64 is the end.
    at = np.arange(64)
    before, after = np.zeros_like(found), np.full_like(found, 64)
    before[:, :, 1:] = np.maximum.accumulate(np.where(found != 0, at, 0), axis=2)[:, :, :-1]
    filled = np.where(found != 0, at, 64)[:, :, ::-1]
    after[:, :, :-1] = np.minimum.accumulate(filled, axis=2)[:, :, ::-1][:, :, 1:]
    one = np.maximum(np.rint(own / steps), 1).astype(np.int64)
    rate = _code(np.maximum(at - before - 1, 0), np.broadcast_to(_size(one), found.shape))
    # A run of zeros becomes two.
    next_size = np.take_along_axis(_size(found), np.minimum(after, 63), axis=2)
    joined, split = (_code(np.clip(after - each - 1, 0, 63), next_size) for each in (before, at))
    rate += np.where(after < 64, split - joined, 0)
    energy = _UNITS**2 * np.square(levels[:, :, 1:]).sum(axis=2, keepdims=True) / 63
    saved = _UNITS**2 * (np.square(own) - np.square(own - one * steps)) / np.square(steps)
    gained = np.empty(found.shape)
    gained[:, :, ZIGZAG] = _EMPHASIS / (_CALM + energy) * saved - rate
    return gained
