"""BMP and TIFF files with other samples, and the rest of the file as it was.

Where samples lie in the file as they are, which is so in nearly all BMP files and in TIFF files
without compression, they are changed in their places and no other byte is.  A TIFF file that is
compressed, or whose picture is stored turned, is written again by libtiff: upright, with the same
compression and tags; of a compressed one the tables of EXIF and GPS data are lost.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["BMP", "TIFF", "PlainFile", "UnwritableError", "locate", "replace_samples"]

_log = logging.getLogger(__name__)

BMP = (".bmp",)
TIFF = (".tif", ".tiff")

# Bytes of a pixel, and which of them are samples of which channel, by Pillow's names of layouts.
# Those of one letter are planes of a TIFF file that keeps its channels apart.
_LAYOUTS: dict[object, tuple[int, tuple[tuple[int, int], ...]]] = {
    "L": (1, ((0, 0),)),
    "RGB": (3, ((0, 0), (1, 1), (2, 2))),
    "BGR": (3, ((2, 0), (1, 1), (0, 2))),
    "RGBX": (4, ((0, 0), (1, 1), (2, 2))),
    "BGRX": (4, ((2, 0), (1, 1), (0, 2))),
    "XBGR": (4, ((3, 0), (2, 1), (1, 2))),
    "RGBA": (4, ((0, 0), (1, 1), (2, 2))),
    "BGRA": (4, ((2, 0), (1, 1), (0, 2))),
    "ABGR": (4, ((3, 0), (2, 1), (1, 2))),
    "R": (1, ((0, 0),)),
    "G": (1, ((0, 1),)),
    "B": (1, ((0, 2),)),
    "A": (1, ()),
}

# Tags that say how samples are laid out and where they and previews are: the new file says its own.
_LAYOUT_TAGS = (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 322, 323, 324, 325, 330)
_NESTED_TAGS = (34665, 34853)  # tables of tags of their own: EXIF and GPS
_ORIENTATION = 274
_APPEARANCE = (282, 283, 296, 34675)  # resolution and colour profile


class UnwritableError(ValueError):
    """The file cannot be written with other samples."""


@dataclass(frozen=True)
class _Part:
    """A rectangle of the picture and where in the file it is, from its lowest row if `upward`.

    `row` and `pixel` are distances in bytes; `places` are (byte of the pixel, channel).
    """

    box: tuple[int, int, int, int]
    offset: int
    row: int
    pixel: int
    places: tuple[tuple[int, int], ...]
    upward: bool


@dataclass(frozen=True, eq=False)
class PlainFile:
    """A BMP or TIFF file; `parts` is empty where it must be written again."""

    raw: bytes = field(repr=False)
    kind: tuple[str, ...]
    parts: tuple[_Part, ...]


def locate(image: Image.Image, raw: bytes) -> PlainFile | None:
    """Find the samples of a file that Pillow has opened but not yet decoded.

    Returns
    -------
    PlainFile, or None for a BMP file that is compressed or has a palette of fewer than 256 grays:
    such a file cannot be written with other samples
    """
    kind = BMP if image.format == "BMP" else TIFF
    parts = [_part(tile) for tile in getattr(image, "tile", ())]
    found = tuple(part for part in parts if part is not None and _is_inside(part, len(raw)))
    turned = image.getexif().get(_ORIENTATION, 1) != 1  # Pillow sets such a picture upright
    whole = bool(parts) and len(found) == len(parts) and not turned
    if kind == BMP:
        ramp = image.mode != "L" or int.from_bytes(raw[46:50], "little") in (0, 256)
        return PlainFile(raw, kind, found) if whole and ramp else None
    return PlainFile(raw, kind, found if whole else ())


def _part(tile: tuple[object, ...]) -> _Part | None:
    codec, box, offset, details = tile
    if codec != "raw" or not isinstance(details, tuple) or len(details) != 3:
        return None
    layout, row, direction = details
    if layout not in _LAYOUTS or not isinstance(box, tuple) or not isinstance(offset, int):
        return None
    pixel, places = _LAYOUTS[layout]
    return _Part(box, offset, row or pixel * (box[2] - box[0]), pixel, places, direction < 0)


def _is_inside(part: _Part, size: int) -> bool:
    left, top, right, bottom = part.box
    last = part.offset + (bottom - top - 1) * part.row + (right - left) * part.pixel
    return 0 <= part.offset and last <= size


def replace_samples(
    file: PlainFile, samples: NDArray[np.uint8], *, strip_metadata: bool = False
) -> bytes:
    """Return the file with other samples.

    Parameters
    ----------
    file : what `locate` returned
    samples : (H, W, C) uint8; alpha stays as it is
    strip_metadata : of a TIFF file keep resolution and colour profile, and drop all other tags; a
        BMP file has no more than that

    Raises
    ------
    UnwritableError : a TIFF file that libtiff cannot write again
    """
    if strip_metadata and file.kind == TIFF:
        return _written_again(file.raw, samples, strip=True)
    if not file.parts:
        return _written_again(file.raw, samples, strip=False)
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


def _written_again(raw: bytes, samples: NDArray[np.uint8], *, strip: bool) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd tags; what counts is read back
            return _saved(raw, samples, strip)
    except (OSError, RuntimeError, ValueError, TypeError) as error:  # what Pillow says of odd tags
        raise UnwritableError("a TIFF file that cannot be written with other samples") from error


def _saved(raw: bytes, samples: NDArray[np.uint8], strip: bool) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(raw), formats=("TIFF",)) as image:
        compression = image.info.get("compression")
        array = np.asarray(image).reshape(image.height, image.width, -1).copy()
        tags = image.tag_v2  # type: ignore[attr-defined]
        for tag in list(tags):
            if tag in _LAYOUT_TAGS or (strip and tag not in _APPEARANCE):
                del tags[tag]
            elif tag in _NESTED_TAGS and compression == "raw":
                tags[tag] = image.getexif().get_ifd(tag)
            elif tag in _NESTED_TAGS:  # libtiff does not write them
                del tags[tag]
                _log.warning("the EXIF data of the TIFF file is left out of the new one")
        array[:, :, : samples.shape[2]] = samples
        new = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        new.save(buffer, "TIFF", compression=compression, tiffinfo=tags)
    return buffer.getvalue()
