"""Quantisation tables, scaled as libjpeg scales them: JPEG's (ITU-T T.81, Annex K), mozjpeg's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["chroma_table", "luma_table", "mozjpeg_table"]

_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)
# Number 3 of mozjpeg's tables, its own default, of N. Robidoux.
_MOZJPEG = (
    *(16, 16, 16, 18, 25, 37, 56, 85, 16, 17, 20, 27, 34, 40, 53, 75),
    *(16, 20, 24, 31, 43, 62, 91, 135, 18, 27, 31, 40, 53, 74, 106, 156),
    *(25, 34, 43, 53, 69, 94, 131, 189, 37, 40, 62, 74, 94, 124, 169, 238),
    *(56, 53, 91, 106, 131, 169, 226, 311, 85, 75, 135, 156, 189, 238, 311, 418),
)


def luma_table(quality: int) -> NDArray[np.int64]:
    """Return the (64,) steps of luma, row by row, for a quality of 1 to 100."""
    return _scaled(_LUMA, quality)


def chroma_table(quality: int) -> NDArray[np.int64]:
    """Return the (64,) steps of chroma, row by row, for a quality of 1 to 100."""
    return _scaled(_CHROMA, quality)


def mozjpeg_table(quality: int) -> NDArray[np.int64]:
    """Return the (64,) steps of mozjpeg's own table, row by row, for a quality of 1 to 100."""
    return _scaled(_MOZJPEG, quality)


def _scaled(base: tuple[int, ...], quality: int) -> NDArray[np.int64]:
    if not 1 <= quality <= 100:
        raise ValueError(f"quality: got {quality}, allowed 1..100")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((np.array(base, np.int64) * percent + 50) // 100, 1, 255)
