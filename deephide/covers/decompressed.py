"""Was this picture a JPEG file before?  Then changes of single samples stand out.

Decompressed JPEG pictures have 8 x 8 DCT coefficients near multiples of the old quantisation
steps.  A steganalyser recompresses, compares, and sees every sample that was touched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["looks_decompressed"]

_MAX_BLOCKS = 8192
_MIN_COEFFICIENTS = 100
_THRESHOLD = 0.5
_LUMA = np.array([0.299, 0.587, 0.114])
# Low frequencies (row, column), where ordinary pictures have coefficients beyond one step.
_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))


def looks_decompressed(samples: NDArray[np.uint8]) -> bool:
    """Tell whether the picture's luminance still shows the steps of a JPEG quantisation.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where the picture is small or its grid was moved by cropping
    """
    height, width, channels = samples.shape
    rows, columns = height // 8, width // 8
    count = rows * columns
    if count == 0:
        return False
    # Blocks spread evenly over the picture in raster order.
    picked = np.unique(np.linspace(0, count - 1, min(count, _MAX_BLOCKS)).astype(np.int64))
    blocks = samples[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8, channels)
    chosen = blocks.transpose(0, 2, 1, 3, 4)[picked // columns, picked % columns]
    luma = chosen @ _LUMA if channels == 3 else chosen[..., 0].astype(np.float64)
    basis = _dct_basis()
    coefficients = basis @ (luma - 128.0) @ basis.T
    hits = sum(_is_stepped(coefficients[:, u, v]) for u, v in _FREQUENCIES)
    return hits >= 3


def _dct_basis() -> NDArray[np.float64]:
    k, x = np.mgrid[0:8, 0:8]
    basis = 0.5 * np.cos((2 * x + 1) * k * np.pi / 16)
    basis[0] /= np.sqrt(2.0)
    return np.asarray(basis)


def _is_stepped(values: NDArray[np.float64]) -> bool:
    """Look for a period in the coefficients of one frequency."""
    magnitude = np.abs(values)
    for step in range(2, 41):
        beyond = magnitude[magnitude > 0.75 * step]
        # Smooth distributions look periodic to steps wider than themselves.
        if beyond.size < _MIN_COEFFICIENTS or beyond.mean() < 1.75 * step:
            break
        phases = np.exp(2j * np.pi / step * beyond)
        if abs(phases.mean()) > _THRESHOLD and phases.mean().real > 0:
            return True
    return False
