"""BMP files with other samples, and the rest of the file as it was.

Nearly all BMP files hold their samples as they are; there they are changed in their places, and no
other byte is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["BmpFile", "decode", "locate", "replace_samples"]

# Bytes of a pixel, and which of them are samples of which channel, by Pillow's names of layouts.
_LAYOUTS: dict[object, tuple[int, tuple[tuple[int, int], ...]]] = {
    "L": (1, ((0, 0),)),
    "BGR": (3, ((2, 0), (1, 1), (0, 2))),
    "RGBX": (4, ((0, 0), (1, 1), (2, 2))),
    "BGRX": (4, ((2, 0), (1, 1), (0, 2))),
    "XBGR": (4, ((3, 0), (2, 1), (1, 2))),
    "RGBA": (4, ((0, 0), (1, 1), (2, 2))),
    "BGRA": (4, ((2, 0), (1, 1), (0, 2))),
    "ABGR": (4, ((3, 0), (2, 1), (1, 2))),
}


# Bytes of the headers: the oldest, whose palettes have three bytes a colour, and the usual one.
_CORE_HEADER, _INFO_HEADER = 12, 40
_BIT_FIELDS = 3

_BAND_ROWS = 64


@dataclass(frozen=True)
class _Part:
    """A rectangle of the image and where in the file it is, from its lowest row if `upward`.

    `row` and `pixel` are distances in bytes; `places` are (byte of the pixel, channel); `layout` is
    Pillow's name of a pixel.
    """

    box: tuple[int, int, int, int]
    offset: int
    row: int
    pixel: int
    places: tuple[tuple[int, int], ...]
    upward: bool
    layout: str


@dataclass(frozen=True, eq=False)
class BmpFile:
    """A BMP file, and where its samples are."""

    raw: bytes = field(repr=False)
    parts: tuple[_Part, ...]
    mode: str
    size: tuple[int, int]


def locate(image: Image.Image, raw: bytes) -> BmpFile | None:
    """Find the samples of a file that Pillow has opened but not yet decoded.

    Returns
    -------
    BmpFile, or None for a file that is compressed, has a palette of fewer than 256 grays, or
    samples that overlap its header: such a file cannot be written with other samples
    """
    parts = [_part(tile) for tile in getattr(image, "tile", ())]
    found = tuple(part for part in parts if part is not None and _is_inside(part, len(raw)))
    ramp = image.mode != "L" or int.from_bytes(raw[46:50], "little") in (0, 256)
    header = int.from_bytes(raw[14:18], "little")
    behind = 12 if header == _INFO_HEADER else 0  # masks of the channels, where there are any
    if image.mode == "L":
        behind = 256 * (3 if header == _CORE_HEADER else 4)
    elif int.from_bytes(raw[30:34], "little") != _BIT_FIELDS:
        behind = 0
    apart = all(part.offset >= 14 + header + behind for part in found)
    if not parts or len(found) < len(parts) or not ramp or not apart:
        return None
    return BmpFile(raw, found, image.mode, image.size)


def _part(tile: tuple[object, ...]) -> _Part | None:
    codec, box, offset, details = tile
    if codec != "raw" or not isinstance(details, tuple) or len(details) != 3:
        return None
    layout, row, direction = details
    if (
        not isinstance(layout, str)
        or layout not in _LAYOUTS
        or not isinstance(box, tuple)
        or not isinstance(offset, int)
    ):
        return None
    pixel, places = _LAYOUTS[layout]
    row = row or pixel * (box[2] - box[0])
    return _Part(box, offset, row, pixel, places, direction < 0, layout)


def _is_inside(part: _Part, size: int) -> bool:
    left, top, right, bottom = part.box
    last = part.offset + (bottom - top - 1) * part.row + (right - left) * part.pixel
    return 0 <= part.offset and last <= size


def decode(file: BmpFile) -> NDArray[np.uint8]:
    """Return the samples, (H, W, 1 or 3) uint8, without alpha.

    Pillow unpacks some rows at a time: of the whole it would make a third copy, of four bytes a
    pixel, beside file and samples.
    """
    width, height = file.size
    colours = 1 if file.mode == "L" else 3
    samples = np.empty((height, width, colours), np.uint8)
    for part in file.parts:
        left, top, right, bottom = part.box
        for first in range(top, bottom, _BAND_ROWS):
            last = min(first + _BAND_ROWS, bottom)
            start = part.offset + part.row * (bottom - last if part.upward else first - top)
            rows = file.raw[start : start + part.row * (last - first)]
            rows = rows.ljust(part.row * (last - first), b"\0")  # where the last row ends early
            size, direction = (right - left, last - first), -1 if part.upward else 1
            band = Image.frombytes(file.mode, size, rows, "raw", part.layout, part.row, direction)
            pixels = np.asarray(band).reshape(last - first, right - left, -1)
            samples[first:last, left:right] = pixels[:, :, :colours]
    return samples


def replace_samples(file: BmpFile, samples: NDArray[np.uint8]) -> bytes:
    """Return the file with other samples.

    Parameters
    ----------
    file : what `locate` returned
    samples : (H, W, C) uint8; alpha stays as it is
    """
    changed = bytearray(file.raw)
    for part in file.parts:
        left, top, right, bottom = part.box
        new = samples[top:bottom, left:right]
        for place, channel in part.places:
            rows = np.ndarray(
                (bottom - top, right - left),
                np.uint8,
                changed,
                part.offset + place,
                (part.row, part.pixel),
            )
            rows[:: -1 if part.upward else 1] = new[:, :, channel]
    return bytes(changed)
