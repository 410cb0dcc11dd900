"""Was this picture scaled up, and was it used before?

Interpolated samples are a fixed mixture of their neighbours, so their second differences are
small, in a pattern that repeats with the scale (Gallagher, "Detection of linear and cubic
interpolation in JPEG compressed images", CRV 2005).  A sample that steps out of such a pattern is
easy to find.

Two stegos of one cover differ only where their messages lie.  No record of used covers is kept,
because it would be evidence; a folder that the user names can be searched instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.covers.jpeg import JpegCover
from deephide.covers.samples import ImageSource
from deephide.errors import DeephideError, InputImageError
from deephide.formats.jpeg.segments import (
    JpegFormatError,
    JpegUnsupportedError,
    is_jpeg,
    read_header,
)

if TYPE_CHECKING:
    from deephide.covers.opening import AnyCover

__all__ = ["earlier_uses", "looks_upscaled"]

_MAX_SIDE = 1024
_MIN_SIDE = 64
# Times the median of the spectrum: ordinary photos stay below 10.3, and every one of forty
# enlarged by 1.25 to 4 times is above 14 (docs/threat-model.md).
_PEAK = 13.0
_REPEATED = 0.9

_MAX_FILES = 10_000
_MAX_DECODED = 200
_MAX_DIFFERENT = 0.25
_HEADER_BYTES = 24
_JPEG_HEADER_BYTES = 1 << 18  # EXIF data and profiles come first


def looks_upscaled(samples: NDArray[np.uint8]) -> bool:
    """Tell whether rows or columns show the pattern of interpolation.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where the picture is small
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
    # Edges would drown the pattern, and even areas have none.
    mean = np.minimum(differences, 16).mean(axis=0)
    # What the picture itself does from column to column is slow.
    residual = mean - np.convolve(np.pad(mean, 4, mode="edge"), np.full(9, 1 / 9), "valid")
    spectrum = np.abs(np.fft.rfft(residual * np.hanning(residual.size))).astype(np.float64)
    frequency = np.fft.rfftfreq(residual.size).astype(np.float64)
    floor = float(np.median(spectrum[frequency > 0.1])) + 1e-9
    # The grid of a JPEG picture, which has a warning of its own, peaks at multiples of 1/8.
    on_grid = np.abs(frequency * 8 - np.rint(frequency * 8)) < 24 / residual.size
    highest = float(spectrum[(frequency > 0.1) & ~on_grid].max(initial=0.0))
    eighths = max(_peak_at(spectrum, frequency, k / 8) for k in (1, 3))
    quarters = max(_peak_at(spectrum, frequency, k / 4) for k in (1, 2))
    if quarters > 2 * eighths:
        highest = max(highest, quarters)
    return highest / floor


def _peak_at(spectrum: NDArray[np.float64], frequency: NDArray[np.float64], at: float) -> float:
    return float(spectrum[np.abs(frequency - at) < 2.5 / (2 * frequency.size)].max(initial=0.0))


def earlier_uses(carrier: ImageSource | bytes, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the pictures in a folder that may be stegos of this cover, or the cover itself.

    Parameters
    ----------
    carrier : what is to be used; its own file does not count
    folder : searched without its subfolders; at most 10,000 PNG files, or JPEG files for a
        JPEG carrier, are looked at, and 200 of the right size are read

    Returns
    -------
    paths of pictures of the same shape whose samples or coefficients differ by at most one level,
    in at most a quarter of them

    Raises
    ------
    InputImageError : the carrier cannot be used, or the folder is none
    """
    if not Path(folder).is_dir():
        raise InputImageError(f"the folder to compare with does not exist: {folder}")
    from deephide.covers import opening as covers  # which asks this module about covers

    cover = covers.load(carrier)
    itself = None if isinstance(carrier, Image.Image | bytes) else Path(carrier).resolve()
    width, height, _ = cover.shape
    likely = _same_jpeg_size if isinstance(cover, JpegCover) else _same_size
    found = []
    for path in islice(likely(Path(folder), width, height), _MAX_DECODED):
        if path.resolve() == itself:
            continue
        try:
            other = covers.load(path)
        except DeephideError:
            continue
        if other.associated == cover.associated and _differs_little(cover, other):
            found.append(path)
    return tuple(found)


def _same_size(folder: Path, width: int, height: int) -> Iterator[Path]:
    wanted = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    for path in islice(sorted(folder.glob("*.[pP][nN][gG]")), _MAX_FILES):
        try:
            if not path.is_file():  # to open a named pipe would wait for ever
                continue
            with path.open("rb") as stream:
                header = stream.read(_HEADER_BYTES)
        except OSError:
            continue
        if header[16:24] == wanted:
            yield path


def _same_jpeg_size(folder: Path, width: int, height: int) -> Iterator[Path]:
    for path in islice(sorted(folder.glob("*.[jJ][pPfF]*")), _MAX_FILES):
        try:
            with path.open("rb") as stream:
                head = stream.read(_JPEG_HEADER_BYTES)
            file = read_header(head) if is_jpeg(head) else None
        except (OSError, JpegFormatError, JpegUnsupportedError):
            continue
        if file is not None and (file.width, file.height) == (width, height):
            yield path


def _differs_little(cover: AnyCover, other: AnyCover) -> bool:
    one, two = cover.elements, other.elements
    away = np.maximum(one, two) - np.minimum(one, two)
    return int(away.max(initial=0)) <= 1 and float(away.mean()) <= _MAX_DIFFERENT
