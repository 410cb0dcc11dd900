"""Interpolated samples: images that were enlarged, and mosaics of colour filters filled in.

Interpolated samples are a fixed mixture of their neighbours, so their second differences are
small, in a pattern that repeats with the scale (Gallagher, "Detection of linear and cubic
interpolation in JPEG compressed images", CRV 2005).  Where the scale is a simple one, the mixture
can be computed, by least squares: it predicts samples to within their rounding, and one that was
changed by 1 is the worst of all.

A sensor sees one colour at a pixel.  The simplest way to fill in green is the mean of the four
neighbours, which every second sample then is exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.covers.values import median

__all__ = ["looks_demosaiced", "looks_predictable", "looks_upscaled"]

_MAX_SIDE = 1024
_MIN_SIDE = 64
# Times the median of the spectrum (docs/threat-model.md).
_PEAK = 15.0
_REPEATED = 0.9

_PERIODS = (3, 4, 5)  # 1 and 2 are among them
_TAPS = 6  # on each side
_ROUGH = 6  # a second difference
_MAX_FITTED, _MIN_FITTED = 3_000, 400
# Median of the absolute residual: ordinary photos have 0.9 at least, enlarged ones 0.35 at most.
_RESIDUAL = 0.55
_COPY, _MIN_COPIES = 0.95, 0.05

# Share of samples that are the mean of their neighbours, on one colour of a chessboard, and by how
# much the other colour has fewer: photos stay below 0.024.
_MEANS, _MEANS_GAP = 0.95, 0.05


def _middle(samples: NDArray[np.uint8], side: int = _MAX_SIDE) -> NDArray[np.int16]:
    """Return the green of the middle of an image."""
    height, width, channels = samples.shape
    top, left = max(0, height - side) // 2, max(0, width - side) // 2
    part = samples[top : top + side, left : left + side, channels // 2]
    return part.astype(np.int16)


def looks_demosaiced(samples: NDArray[np.uint8]) -> bool:
    """Tell whether every second sample of green is the mean of its four neighbours.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also for what cameras do, which is far less simple
    """
    if samples.shape[2] != 3 or min(samples.shape[:2]) < _MIN_SIDE:
        return False
    green = _middle(samples)
    around = green[:-2, 1:-1] + green[2:, 1:-1] + green[1:-1, :-2] + green[1:-1, 2:]
    is_mean = np.abs(4 * green[1:-1, 1:-1] - around) < 4
    black = np.add.outer(np.arange(is_mean.shape[0]), np.arange(is_mean.shape[1])) % 2 == 0
    shares = float(is_mean[black].mean()), float(is_mean[~black].mean())
    return max(shares) > _MEANS and max(shares) - min(shares) > _MEANS_GAP


def looks_predictable(samples: NDArray[np.uint8]) -> bool:
    """Tell whether samples in rough areas follow from their neighbours in a row or column.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where the image is small or has next to no texture
    """
    if min(samples.shape[:2]) < _MIN_SIDE:
        return False
    green = _middle(samples, _MAX_SIDE // 2)
    for lines in (green, np.ascontiguousarray(green.T)):
        if _has_copies(lines):
            return True
        rough = _rough(lines)
        if any(_residual(lines, rough, period) < _RESIDUAL for period in _PERIODS):
            return True
    return False


def _has_copies(lines: NDArray[np.int16]) -> bool:
    """Look for columns that are copies of their neighbours, between others that are not."""
    equal = (np.diff(lines, axis=1) == 0).mean(axis=0)
    copies = (equal[1:-1] > _COPY) & (np.maximum(equal[:-2], equal[2:]) < 1 - _COPY / 2)
    return bool(copies.mean() > _MIN_COPIES)


def _rough(lines: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Tell of each window of 2 * _TAPS + 1 samples in a line whether its middle is rough."""
    second = np.abs(np.diff(lines[:, _TAPS - 2 : 2 - _TAPS], 2, axis=1))
    return np.maximum(np.maximum(second[:, :-2], second[:, 1:-1]), second[:, 2:]) >= _ROUGH


def _residual(lines: NDArray[np.int16], rough: NDArray[np.bool_], period: int) -> float:
    """Return how far samples are from their prediction, for that of `period` phases which is best.

    Parameters
    ----------
    lines : (H, W) int16
    rough : (H, W - 2 * _TAPS), what `_rough` returned
    period : samples after which the mixture repeats
    """
    size = 2 * _TAPS + 1
    windows = np.lib.stride_tricks.sliding_window_view(lines, size, axis=1)
    best = np.inf
    for phase in range(period):
        part = windows[:, phase::period]
        step = max(1, part.shape[0] * part.shape[1] // (5 * _MAX_FITTED))
        places = np.arange(0, part.shape[0] * part.shape[1], step)
        near = _unclipped(part, places[rough[:, phase::period].reshape(-1)[places]])
        if len(near) < _MIN_FITTED:
            continue
        known = np.delete(near, _TAPS, axis=1).astype(np.float64)
        wanted = near[:, _TAPS].astype(np.float64)
        mean = wanted.mean()
        known, wanted = known - mean, wanted - mean
        weights = np.linalg.solve(known.T @ known + np.eye(2 * _TAPS), known.T @ wanted)
        best = min(best, float(median(np.abs(wanted - known @ weights))))
    return best


def _unclipped(windows: NDArray[np.int16], places: NDArray[np.intp]) -> NDArray[np.int16]:
    """Return the first _MAX_FITTED windows at such places in which no sample is clipped."""
    found: list[NDArray[np.int16]] = []
    missing = _MAX_FITTED
    while missing > 0 and places.size:
        near = windows[np.divmod(places[:missing], windows.shape[1])]
        found.append(near[(near.min(axis=1) > 0) & (near.max(axis=1) < 255)])
        places, missing = places[missing:], missing - len(found[-1])
    return np.concatenate(found) if found else windows[0, :0]


def looks_upscaled(samples: NDArray[np.uint8]) -> bool:
    """Tell whether rows or columns show the pattern of enlargement.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where the image is small
    """
    if min(samples.shape[:2]) < _MIN_SIDE:
        return False
    green = _middle(samples)
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
    floor = float(median(spectrum[frequency > 0.1])) + 1e-9
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
