"""Means over square windows, by sums that lose nothing."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.costs._mirror import mirror
from stc.jit import jit

__all__ = ["box_mean"]


@jit
def _box(plane: Any, rows: Any, columns: Any, size: int, out: Any) -> None:
    """Sum windows of odd `size`: down the columns, then along the row.

    Each window is added up afresh. A running sum would need a third of the additions, but it
    carries the dust of a large value to all that follow it, and the costs next to flat areas
    are a million times those of their neighbours.
    """
    height, width = out.shape
    line = np.empty(width + size - 1)
    total = np.empty(width)
    for i in range(height):
        first = plane[rows[i]]
        for j in range(width):
            total[j] = first[j]
        for k in range(1, size, 2):
            one = plane[rows[i + k]]
            two = plane[rows[i + k + 1]]
            for j in range(width):
                total[j] += one[j] + two[j]
        for j in range(columns.size):
            line[j] = total[columns[j]]
        sums = out[i]
        for j in range(width):
            sums[j] = line[j]
        for k in range(1, size, 2):
            one = line[k:]
            two = line[k + 1 :]
            for j in range(width):
                sums[j] += one[j] + two[j]
        for j in range(width):
            sums[j] /= size * size


def box_mean(plane: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Return the means over `size` x `size` windows; borders mirrored with the edge repeated.

    Parameters
    ----------
    plane : (H, W) float64, C-contiguous
    size : odd int
        pixels

    Returns
    -------
    mean : (H, W) float64
    """
    reach = size // 2
    out = np.empty(plane.shape)
    rows, columns = (mirror(extent, reach, reach) for extent in plane.shape)
    _box(plane, rows, columns, size, out)
    return out
