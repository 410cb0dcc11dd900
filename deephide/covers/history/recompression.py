"""Recompressed JPEG files: gaps and peaks in the histograms of coefficients.

Where a file was decoded and compressed again with smaller steps, some values of a coefficient
occur more often than both their neighbours and others hardly ever.  The same coefficient of blocks
that lie across the grid never was quantised before: cut from the decoded image four samples
further, they show what its histogram would be otherwise (Fridrich, "Steganalysis of JPEG images:
breaking the F5 algorithm", 2002).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.covers.history.places import spread_evenly

__all__ = ["looks_recompressed"]

_MAX_BLOCKS = 4096
_LARGEST = 40
_MIN_COUNT = 12  # of a value, to be looked at
_MIN_VALUES = 12
_ROUGHNESS = 0.6  # of the logarithms of counts, more than across the grid
_MISSING = 0.12  # share of values that occur less than 0.3 times as often as across the grid
_MODES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0))


def looks_recompressed(plane: NDArray[np.int16], table: NDArray[np.integer]) -> bool:
    """Tell whether luma was quantised with larger steps before.

    Parameters
    ----------
    plane : (rows, columns, 8, 8) int16, its coefficients
    table : (8, 8), its steps

    Returns
    -------
    bool; False also for a second compression with larger steps than the first
    """
    rows, columns = plane.shape[0] - 1, plane.shape[1] - 1
    if rows < 1 or columns < 1:
        return False
    row, column = np.divmod(spread_evenly(rows * columns, _MAX_BLOCKS), columns)
    across = _across(plane, row, column, table.astype(np.float32))
    own = plane[row, column]
    rough = usual = 0.0
    values = missing = looked_at = 0
    for u, v in _MODES:
        counts = _counts(own[:, u, v])
        expected = _counts(np.rint(across[:, u, v]))
        frequent = expected >= _MIN_COUNT
        looked_at += int(frequent.sum())
        missing += int((counts < 0.3 * expected)[frequent].sum())
        # From 2 on: zeros and ones are what quantisation itself changes most.
        inner = frequent[1:-2] & frequent[2:-1] & frequent[3:]
        values += int(inner.sum())
        rough += float(_roughness(counts)[inner].sum())
        usual += float(_roughness(expected)[inner].sum())
    if looked_at >= _MIN_VALUES and missing > _MISSING * looked_at:
        return True
    return values >= _MIN_VALUES and rough - usual > _ROUGHNESS * values


def _across(
    plane: NDArray[np.int16],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    table: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the coefficients of blocks four samples to the right and below."""
    k, x = np.mgrid[0:8, 0:8]
    basis = 0.5 * np.cos((2 * x + 1) * k * np.pi / 16)
    basis[0] /= np.sqrt(2.0)
    basis = basis.astype(np.float32)
    total = np.zeros((row.size, 8, 8), np.float32)
    # Half of a block above the cut, half of one below: both transforms in one matrix.
    parts = [basis[:, :4] @ basis[:, 4:].T, basis[:, 4:] @ basis[:, :4].T]
    for down, vertical in enumerate(parts):
        for right, horizontal in enumerate(parts):
            blocks = plane[row + down, column + right].astype(np.float32) * table
            total += vertical @ blocks @ horizontal.T
    return total / table


def _counts(values: NDArray[np.number]) -> NDArray[np.int64]:
    """Return how often each magnitude occurs."""
    magnitude = np.abs(values).astype(np.int64).clip(0, _LARGEST)
    return np.bincount(magnitude, minlength=_LARGEST + 1)[:_LARGEST]


def _roughness(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the second difference of the logarithms, for magnitudes from 2 on."""
    logarithm = np.log(counts + 1.0)
    return np.asarray(np.abs(logarithm[1:-2] + logarithm[3:] - 2 * logarithm[2:-1]))
