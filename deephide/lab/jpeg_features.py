"""Features of JPEG stegos that know the grid of the blocks: DCTR and GFR, of luma, whole.

Both filter the decoded luma, neither rounded nor clipped, and count magnitudes of the residual
apart by where in its block of 8 x 8 a sample lies; places that mirror one another are one.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from deephide.lab.kernels import SETS, tally
from stc.jit import jit

__all__ = ["DCTR_SIZE", "GFR_SIZE", "dctr", "gfr", "luma"]

Samples = NDArray[np.float64]

DCTR_SIZE = 8000
GFR_SIZE = 17_000

_TOP = 4  # larger residuals count as this many steps
_HALF = 0.5 + 1e-6  # many residuals are an odd number of half steps: they are rounded up
_FOLDED = np.minimum(np.arange(8), 8 - np.arange(8))
_PLACES = 5 * _FOLDED[:, None] + _FOLDED  # 25 of the 64 places in a block

_SCALES = (0.5, 0.75, 1.0, 1.25)
_PHASES = (0.0, np.pi / 2)
_ANGLES = 32
_WAVES_PER_SCALE = 0.56
_ASPECT = 0.5
_LEAST_STEP = 0.2


@functools.cache
def _basis() -> NDArray[np.float64]:
    """Return the orthonormal transform of eight samples, a row for each frequency."""
    k, x = np.mgrid[0:8, 0:8]
    basis = 0.5 * np.cos((2 * x + 1) * k * np.pi / 16)
    basis[0] /= np.sqrt(2.0)
    return np.asarray(basis)


def luma(raw: bytes) -> Samples:
    """Return the luma of a JPEG file as (H, W) about zero, in whole blocks.

    Parameters
    ----------
    raw : the file

    Raises
    ------
    JpegFormatError, JpegUnsupportedError : it cannot be read
    """
    from deephide.formats.jpeg import coder
    from deephide.formats.jpeg.segments import parse

    basis = _basis()
    coefficients = coder.decode(parse(raw))
    blocks = coefficients.planes()[0] * coefficients.file.quantization[0]
    samples = basis.T @ blocks.astype(np.float64) @ basis
    rows, columns = samples.shape[:2]
    return np.asarray(samples.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns))


def _step(quality: int) -> float:
    return max(8 * (2 - quality / 50), 0.2) if quality >= 50 else min(400 / quality, 100)


def dctr(samples: Samples, quality: int) -> NDArray[np.float64]:
    """Return the features of Holub and Fridrich, "Low-Complexity Features for JPEG Steganalysis
    Using Undecimated DCT" (IEEE TIFS 10(2), 2015).

    Parameters
    ----------
    samples : (H, W) about zero
    quality : of the file's tables

    Returns
    -------
    (8000,) float64: 64 modes, 25 places, 5 magnitudes
    """
    step = _step(quality)
    basis = _basis()
    out = np.zeros((64, 25, _TOP + 1))
    for k, down in enumerate(basis):
        half = sum(weight * samples[t : t + samples.shape[0] - 7] for t, weight in enumerate(down))
        for j, across in enumerate(basis):
            _count_row(half, across / step, _PLACES, out[8 * k + j])
    return np.asarray((out / out.sum(axis=2, keepdims=True)).ravel())


@jit
def _count_row(
    half: Samples, across: Samples, places: NDArray[np.intp], counts: NDArray[np.float64]
) -> None:
    """Correlate rows with eight weights and count rounded magnitudes by place in their block."""
    row = np.empty(half.shape[1] - 7)
    for y in range(half.shape[0]):
        for x in range(row.size):
            total = 0.0
            for t in range(8):
                total += across[t] * half[y, x + t]
            row[x] = min(abs(total) + _HALF, _TOP)
        for x in range(row.size):
            counts[places[y % 8, x % 8], int(row[x])] += 1


@functools.cache
def _gabor() -> NDArray[np.float64]:
    """Return the filters: (scales, phases, angles, 8, 8), each without a mean."""
    y, x = np.mgrid[-3.5:4, -3.5:4]
    out = np.empty((len(_SCALES), len(_PHASES), _ANGLES, 8, 8))
    for i, scale in enumerate(_SCALES):
        for j, phase in enumerate(_PHASES):
            for k in range(_ANGLES):
                angle = np.pi * k / _ANGLES
                along = x * np.cos(angle) + y * np.sin(angle)
                across = -x * np.sin(angle) + y * np.cos(angle)
                bell = np.exp(-(along**2 + (_ASPECT * across) ** 2) / (2 * scale**2))
                wave = np.cos(2 * np.pi * along * _WAVES_PER_SCALE / scale + phase)
                out[i, j, k] = bell * wave - (bell * wave).mean()
    return out


def gfr(samples: Samples, quality: int) -> NDArray[np.float64]:
    """Return the features of Song, Liu, Yang, Luo and Zhang, "Steganalysis of Adaptive JPEG
    Steganography Using 2D Gabor Filters" (IH&MMSec 2015).

    Steps of residuals are the authors' at quality 75 (2, 4, 6, 8 for the four scales) and 95 (a
    quarter of that), and linear in the quality elsewhere.

    Parameters
    ----------
    samples : (H, W) about zero
    quality : of the file's tables

    Returns
    -------
    (17000,) float64: 4 scales, 2 phases, 17 angles (a filter and its mirror image are one), 25
    places, 5 magnitudes
    """
    filters = _gabor()
    out = np.zeros((len(_SCALES), len(_PHASES), _ANGLES // 2 + 1, 25, _TOP + 1))
    for i in range(len(_SCALES)):
        step = (i + 1) * max(2 - 1.5 * (quality - 75) / 20, _LEAST_STEP)
        for j in range(len(_PHASES)):
            for k in range(_ANGLES):
                folded = min(k, _ANGLES - k)
                _count_square(samples, filters[i, j, k] / step, _PLACES, out[i, j, folded])
    return np.asarray((out / out.sum(axis=4, keepdims=True)).ravel())


@jit
def _count_square(
    samples: Samples, kernel: Samples, places: NDArray[np.intp], counts: NDArray[np.float64]
) -> None:
    """Correlate with an 8 x 8 kernel and count rounded magnitudes by place in their block."""
    width = samples.shape[1] - 7
    row = np.empty(width)
    starts = np.empty((8, width), np.uint8)
    for a in range(8):
        for x in range(width):
            starts[a, x] = places[a, x % 8] * counts.shape[1]
    numbers = np.empty(width, np.uint8)
    found = np.zeros((SETS, counts.size), np.int64)
    for y in range(samples.shape[0] - 7):
        row[:] = 0.0
        for a in range(8):
            part, weights = samples[y + a], kernel[a]
            w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
            w4, w5, w6, w7 = weights[4], weights[5], weights[6], weights[7]
            for x in range(width):
                # Written out, so that a sum is loaded and stored once for eight products.
                total = row[x]
                total += w0 * part[x]
                total += w1 * part[x + 1]
                total += w2 * part[x + 2]
                total += w3 * part[x + 3]
                total += w4 * part[x + 4]
                total += w5 * part[x + 5]
                total += w6 * part[x + 6]
                total += w7 * part[x + 7]
                row[x] = total
        start = starts[y % 8]
        for x in range(width):
            numbers[x] = start[x] + np.uint8(min(abs(row[x]) + _HALF, _TOP))
        tally(numbers, found)
    counts += found.sum(axis=0).reshape(counts.shape)
