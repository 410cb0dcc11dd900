"""Blocks of a decoded JPEG file: a lattice of DCT coefficients in luma.

On the grid of the file, the 8 x 8 DCT coefficients of decoded samples lie near multiples of the
quantisation steps; rounding to samples spreads them by 0.29.  Even at quality 100, where all steps
are 1, the mean of cos(2 pi coefficient) is then exp(-pi**2 / 6) = 0.19 instead of 0.

What a coefficient's distribution does by itself looks the same on all 64 positions of the grid.
So each position is compared with the median of all: the image was a JPEG file if one of them
stands out.  This finds files that were cropped, too, and asks for no threshold of blockiness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.covers.history.places import spread_evenly
from deephide.covers.values import median

__all__ = ["looks_decompressed"]

_MAX_BLOCKS = 512
_MIN_BLOCKS = 16
_LUMA = np.array([0.299, 0.587, 0.114])
_STEPS = np.array([*range(1, 21), 22, 24, 26, 28, 30, 33, 36, 40, 44, 48, 52, 56, 60])
_BINS = 4  # for each unit of a coefficient
_LARGEST = 128
# Photos without such a past stay below 0.09, of 256 x 256 samples below 0.05, and below 5.5.
_EXCESS = 0.12
_DEVIATIONS = 8.0
_ALONE = 0.25


def looks_decompressed(samples: NDArray[np.uint8]) -> bool:
    """Tell whether an image was a JPEG file, by its luma.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where an image is tiny or has next to no texture
    """
    windows = _windows(samples)
    if len(windows) < _MIN_BLOCKS:
        return False
    periodicity = _periodicity(windows)
    excess = periodicity - median(periodicity)
    # The best step of each coefficient, and step 1 for all, which is quality 100.
    for found in (excess.max(axis=2).mean(axis=1), excess[:, :, 0].mean(axis=1)):
        *others, second, best = np.sort(found)
        above = float(best - median(np.array(others)))
        # Patterns with a smaller period, which are none of JPEG, are the same on several positions.
        if best - second < _ALONE * above:
            continue
        if above > _EXCESS or best - np.mean(others) > _DEVIATIONS * np.std(others):
            return True
    return False


def _windows(samples: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 15, 15) luma windows, each with one block for every position of the grid."""
    height, width, channels = samples.shape
    rows, columns = (height - 7) // 8, (width - 7) // 8
    if rows < 1 or columns < 1:
        return np.empty((0, 15, 15), np.float32)
    top, left = np.divmod(spread_evenly(rows * columns, 4 * _MAX_BLOCKS), columns)
    windows = np.lib.stride_tricks.sliding_window_view(samples, (15, 15), axis=(0, 1))
    chosen = windows[top * 8, left * 8]
    # Clipped samples are off the lattice, and flat ones are on any.
    lowest, highest = chosen.min(axis=(1, 2, 3)), chosen.max(axis=(1, 2, 3))
    chosen = chosen[(lowest > 0) & (highest < 255) & (highest - lowest > 1)]
    chosen = chosen[:: -(-len(chosen) // _MAX_BLOCKS) or 1].astype(np.float32)
    if channels == 1:
        return np.asarray(chosen[:, 0])
    luma = np.tensordot(chosen, _LUMA.astype(np.float32), axes=(1, 0))
    return np.asarray(np.rint(luma))


def _periodicity(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of cos(2 pi coefficient / step): (64 positions, 63 coefficients, steps)."""
    basis = _dct_basis()
    bins = 2 * _BINS * _LARGEST
    values = (np.arange(bins) - bins // 2) / _BINS
    waves = np.cos(2 * np.pi * values[:, None] / _STEPS).astype(np.float32)
    first = np.arange(63) * bins
    found = np.empty((64, 63, _STEPS.size), np.float32)
    for y in range(8):
        columns = basis @ windows[:, y : y + 8]
        for x in range(8):
            blocks = columns[:, :, x : x + 8] @ basis.T
            coefficients = blocks.reshape(-1, 64)[:, 1:] * np.float32(_BINS)
            binned = np.rint(coefficients).clip(-bins // 2, bins // 2 - 1).astype(np.int64)
            counts = np.bincount(
                (binned + (first + bins // 2)).reshape(-1), minlength=63 * bins
            ).reshape(63, bins)
            found[8 * y + x] = counts.astype(np.float32) @ waves / np.float32(len(windows))
    return found


def _dct_basis() -> NDArray[np.float32]:
    k, x = np.mgrid[0:8, 0:8]
    basis = 0.5 * np.cos((2 * x + 1) * k * np.pi / 16)
    basis[0] /= np.sqrt(2.0)
    return np.asarray(basis, dtype=np.float32)
