"""History of an image: whether it was a JPEG file before, or scaled up.

Decompressed JPEG images have 8 x 8 DCT coefficients near multiples of the old quantisation steps.
A steganalyser recompresses, compares, and sees every sample that was touched.

Interpolated samples are a fixed mixture of their neighbours, so their second differences are
small, in a pattern that repeats with the scale (Gallagher, "Detection of linear and cubic
interpolation in JPEG compressed images", CRV 2005).  A sample that steps out of such a pattern is
easy to find.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["looks_decompressed", "looks_upscaled"]

_MAX_BLOCKS = 8192
_MIN_COEFFICIENTS = 100
_THRESHOLD = 0.5
_LUMA = np.array([0.299, 0.587, 0.114])
# Low frequencies (row, column), where ordinary images have coefficients beyond one step.
_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))

_MAX_SIDE = 1024
_MIN_SIDE = 64
# Times the median of the spectrum: ordinary photos stay below 10.3, and every one of forty
# enlarged by 1.25 to 4 times is above 14 (docs/threat-model.md).
_PEAK = 13.0
_REPEATED = 0.9


def looks_decompressed(samples: NDArray[np.uint8]) -> bool:
    """Tell whether the image's luminance still shows the steps of a JPEG quantisation.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where the image is small or its grid was moved by cropping
    """
    height, width, channels = samples.shape
    rows, columns = height // 8, width // 8
    count = rows * columns
    if count == 0:
        return False
    # Blocks spread evenly over the image in raster order.
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


def looks_upscaled(samples: NDArray[np.uint8]) -> bool:
    """Tell whether rows or columns show the pattern of interpolation.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where the image is small
    """
    height, width, _ = samples.shape
    if min(height, width) < _MIN_SIDE:
        return False
    top, left = max(0, height - _MAX_SIDE) // 2, max(0, width - _MAX_SIDE) // 2
    middle = samples[top : top + _MAX_SIDE, left : left + _MAX_SIDE]
    green = middle[:, :, middle.shape[2] // 2].astype(np.int16)
    return any(_repeats(lines) or _has_period(lines) for lines in (green, green.T))


def _repeats(lines: NDArray[np.int16]) -> bool:
    """Look for samples that were doubled, tripled and so on."""
    equal = (np.diff(lines, axis=1) == 0).mean(axis=0)
    for scale in range(2, 9):
        phases = [float(equal[phase::scale].mean()) for phase in range(scale)]
        lowest = min(phases)
        if sum(phases) - lowest > _REPEATED * (scale - 1) and lowest < 0.5:
            return True
    return False


def _has_period(lines: NDArray[np.int16]) -> bool:
    """Look for a peak in the spectrum of the mean difference of each column to its neighbours.

    The first difference is there for enlargement to twice the size, whose second differences
    have one and the same mean everywhere.
    """
    first = np.abs(lines[:, 1:] - lines[:, :-1])
    second = np.abs(2 * lines[:, 1:-1] - lines[:, :-2] - lines[:, 2:])
    return _prominence(first) > _PEAK or _prominence(second) > _PEAK


def _prominence(differences: NDArray[np.int16]) -> float:
    """Return how far the highest peak rises above the spectrum, the grid of JPEG left out."""
    # Edges would drown the pattern, and flat areas have none.
    mean = np.minimum(differences, 16).mean(axis=0)
    # What the image itself does from column to column is slow.
    residual = mean - np.convolve(np.pad(mean, 4, mode="edge"), np.full(9, 1 / 9), "valid")
    spectrum = np.abs(np.fft.rfft(residual * np.hanning(residual.size))).astype(np.float64)
    frequency = np.fft.rfftfreq(residual.size).astype(np.float64)
    floor = float(np.median(spectrum[frequency > 0.1])) + 1e-9
    # The grid of a JPEG image, which has a warning of its own, peaks at multiples of 1/8.
    on_grid = np.abs(frequency * 8 - np.rint(frequency * 8)) < 24 / residual.size
    highest = float(spectrum[(frequency > 0.1) & ~on_grid].max(initial=0.0))
    eighths = max(_peak_at(spectrum, frequency, k / 8) for k in (1, 3))
    quarters = max(_peak_at(spectrum, frequency, k / 4) for k in (1, 2))
    if quarters > 2 * eighths:
        highest = max(highest, quarters)
    return highest / floor


def _peak_at(spectrum: NDArray[np.float64], frequency: NDArray[np.float64], at: float) -> float:
    return float(spectrum[np.abs(frequency - at) < 2.5 / (2 * frequency.size)].max(initial=0.0))
