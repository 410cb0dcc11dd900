"""Quality of an image against another: PSNR and SSIM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.psnr import psnr as ratio

__all__ = ["psnr", "ssim"]

_SIGMA, _REACH = 1.5, 5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over all samples; inf for equal images."""
    return ratio(float(np.mean((one.astype(np.float64) - two) ** 2)))


def ssim(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Structural similarity, the mean over pixels and channels.

    Wang et al. 2004: Gaussian window of 11 x 11 with sigma 1.5, where it fits.

    Parameters
    ----------
    one, two : (H, W, C) uint8, H and W at least 11
    """
    x, y = one.astype(np.float64), two.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x = _blurred(x * x) - mean_x**2
    var_y = _blurred(y * y) - mean_y**2
    both = _blurred(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return float((light * (2 * both + _C2) / (var_x + var_y + _C2)).mean())


def _blurred(array: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / _SIGMA) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        length = array.shape[axis] - 2 * _REACH
        parts = (
            weight * array.take(range(start, start + length), axis=axis)
            for start, weight in enumerate(weights)
        )
        array = sum(parts, np.zeros(()))
    return array
