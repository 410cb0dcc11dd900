"""Borders: which row or column stands in for one beyond the image."""

import numpy as np
import numpy.typing as npt

__all__ = ["mirror"]


def mirror(size: int, before: int, after: int) -> npt.NDArray[np.int64]:
    """Return (before + size + after,) positions in 0..size-1, mirrored with the edge repeated.

    Borders wider than the image mirror again at its other end: size 3 goes on as
    ``0 1 2 | 2 1 0 0 1 2 2 ...``.
    """
    position = np.arange(-before, size + after) % (2 * size)
    return np.where(position < size, position, 2 * size - 1 - position)
