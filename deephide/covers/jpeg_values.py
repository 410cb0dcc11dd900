"""Values that a DCT coefficient lacks, and changes that would lead to them.

A file that was compressed twice has gaps in the histogram of a coefficient over all blocks, and
strong compression leaves coefficients that are zero everywhere.  A value in a gap, or the only one
beside zero, gives the stego away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["forbid_values", "missing_values"]

_MAX_BLOCKS = 1 << 14
_MIN_BLOCKS = 64
_LARGEST = 126
# A value is missing that occurs this many times less often than its neighbours on both sides.
_RARE = 8
_FREQUENT = 16


def missing_values(plane: NDArray[np.int16]) -> NDArray[np.bool_] | None:
    """Return which values each of the 64 coefficients lacks, for `forbid_values`; None if few tell.

    Parameters
    ----------
    plane : (rows, columns, 8, 8) int16, all blocks
    """
    blocks = plane.reshape(-1, 64)
    if len(blocks) < _MIN_BLOCKS:
        return None
    return _missing(blocks[:: max(1, len(blocks) // _MAX_BLOCKS)])


def forbid_values(
    missing: NDArray[np.bool_] | None,
    plane: NDArray[np.int16],
    cost_p1: NDArray[np.float64],
    cost_m1: NDArray[np.float64],
) -> None:
    """Make changes infinitely costly that lead to values which a coefficient lacks.

    Parameters
    ----------
    missing : what `missing_values` returned
    plane : (rows, columns, 8, 8) int16, any of the blocks
    cost_p1, cost_m1 : like `plane`, changed in place
    """
    if missing is None:
        return
    for mode in np.flatnonzero(missing.any(axis=1)):
        row, column = divmod(int(mode), 8)
        # Index 0 is -_LARGEST - 1, the last one _LARGEST + 1; both stand for all beyond.
        values = plane[:, :, row, column].clip(-_LARGEST - 1, _LARGEST + 1) + (_LARGEST + 1)
        for cost, step in ((cost_p1, 1), (cost_m1, -1)):
            closed = np.roll(missing[mode], -step)
            cost[:, :, row, column][closed[values]] = np.inf


def _missing(blocks: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return which values are missing: (64, 2 * _LARGEST + 3)."""
    size = 2 * _LARGEST + 3
    values = blocks.clip(-_LARGEST - 1, _LARGEST + 1) + np.int16(_LARGEST + 1)
    places = values + np.arange(64, dtype=np.int32) * size
    counts = np.bincount(places.reshape(-1), minlength=64 * size).reshape(64, size)
    padded = np.pad(counts, ((0, 0), (2, 2)))
    below = np.maximum(padded[:, :-4], padded[:, 1:-3])
    above = np.maximum(padded[:, 3:-1], padded[:, 4:])
    expected = np.minimum(below, above)
    missing = (expected >= _FREQUENT) & (counts * _RARE < expected)
    # All beyond are one value here, which says nothing of their neighbours.
    missing[:, [0, 1, -2, -1]] = False
    zero = _LARGEST + 1
    never = counts[:, zero] == len(blocks)
    missing[never, zero - 1] = missing[never, zero + 1] = True
    return np.asarray(missing)
