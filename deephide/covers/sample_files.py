"""Accepted files of samples (PNG, BMP, TIFF), errors for the rest, and writing them again."""

from __future__ import annotations

from typing import TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import output
from deephide.errors import InputImageError, OutputError
from deephide.formats import bmp_tiff, images
from deephide.formats.png import file as png
from deephide.formats.png.encoder import Encoder
from deephide.formats.refusals import damaged

__all__ = [
    "CHANNELS",
    "HINT",
    "FileParts",
    "check_suffix",
    "decode_checked",
    "encode_png",
    "is_plain",
    "open_checked",
    "replace_plain",
    "study",
]

FileParts: TypeAlias = "png.PngFile | bmp_tiff.PlainFile"

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}  # of each mode
HINT = "use an 8-bit gray, RGB or RGBA picture in PNG, BMP or TIFF format, or a JPEG file"

# Pillow knows many more formats; what they need of code, time and outside programs (Ghostscript
# for EPS) is not put in the way of hostile files.  Some of these cannot be carriers: they are here
# to be named.
_NAMED = ("PNG", "BMP", "TIFF", "WEBP", "AVIF", "GIF", "JPEG2000", "PPM", "DIB")
_CARRIERS = {"PNG", "BMP", "TIFF"}
_LOSSY_TIFF = {"jpeg", "tiff_jpeg", "webp", "lerc", "jpeg2000"}
_MODE_NAMES = {
    "1": "a black-and-white picture",
    "P": "a palette picture",
    "PA": "a palette picture",
    "LA": "a gray picture with transparency",
    "CMYK": "a CMYK picture",
    "I": "a picture with more than 8 bits per sample",
    "I;16": "a 16-bit picture",
    "I;16B": "a 16-bit picture",
    "F": "a picture of floating-point samples",
}
_BITS_PER_SAMPLE = 258

Samples = NDArray[np.uint8]


def decode_checked(image: Image.Image, role: str) -> Image.Image:
    """Decode an image in memory that can carry a message.

    Raises
    ------
    InputImageError : not 8-bit gray, RGB or RGBA, too large, or damaged
    """
    if image.mode not in CHANNELS:
        name = _MODE_NAMES.get(image.mode, f"of mode {image.mode}")
        raise InputImageError(f"the {role} is {name}", hint=HINT)
    images.check_pixels(image.width, image.height, role)
    images.decode(image, role)
    return image


def open_checked(raw: bytes, role: str) -> tuple[Image.Image, FileParts | None]:
    """Open and decode a file that can carry a message.

    Parameters
    ----------
    raw : the file
    role : "carrier" or "stego", as messages call it

    Returns
    -------
    the image, and the parts that `png.parse` or `bmp_tiff.locate` finds

    Raises
    ------
    InputImageError : unreadable, damaged, too large, animated, of another format, lossy, or not of
        8 bits per sample
    """
    image, several = images.open_file(raw, role, _NAMED, HINT)
    kind = str(image.format)
    parts = _png_parts(raw, role) if kind == "PNG" else None
    if several or (parts is not None and parts.animated):
        raise InputImageError(
            f"the {role} is animated or has several pages", hint="use a picture with one frame"
        )
    if kind not in _CARRIERS:
        raise InputImageError(f"the {role} is a {kind} file", hint=HINT)
    compression = image.info.get("compression")
    if kind == "TIFF" and compression in _LOSSY_TIFF:
        raise InputImageError(
            f"the {role} is a TIFF file with lossy compression ({compression})",
            hint="use a JPEG file, or a picture that was never compressed with loss",
        )
    _check_depth(image, _depths(image, parts, raw), role)
    found = parts or bmp_tiff.locate(image, raw)  # which looks at what decoding takes away
    images.decode(image, role)
    return image, found


def _png_parts(raw: bytes, role: str) -> png.PngFile:
    try:
        return png.parse(raw)
    except png.PngFormatError as error:
        raise damaged(role) from error


def _depths(image: Image.Image, parts: png.PngFile | None, raw: bytes) -> set[int]:
    """Return the bits per sample of a file, which Pillow's modes do not always tell."""
    if parts is not None:
        return {parts.bit_depth}
    if image.format == "TIFF":
        return set(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (1,)))
    if raw[14:18] != b"\x0c\x00\x00\x00" and image.mode in CHANNELS:
        return {8 if int.from_bytes(raw[28:30], "little") in (8, 24, 32) else 5}
    return {8}


def _check_depth(image: Image.Image, depths: set[int], role: str) -> None:
    if image.mode in CHANNELS and depths == {8}:
        return
    name = f"a picture of {max(depths)} bits per sample"
    if image.mode not in CHANNELS:
        name = _MODE_NAMES.get(image.mode, name)
    raise InputImageError(f"the {role} is {name}", hint=HINT)


def check_suffix(parts: FileParts | None, suffix: str) -> None:
    """Refuse a name other than that of a PNG file for a file that `bmp_tiff` cannot write.

    Raises
    ------
    OutputError : a BMP file whose samples are compressed
    """
    if suffix not in output.PNG and not isinstance(parts, bmp_tiff.PlainFile):
        raise OutputError(
            f"the carrier is of a rare kind that cannot be written as {suffix}",
            hint="use an output that ends in .png",
        )


def is_plain(parts: FileParts | None, suffix: str | None) -> TypeGuard[bmp_tiff.PlainFile]:
    """Tell whether a stego is to be a BMP or TIFF file as its cover was."""
    return isinstance(parts, bmp_tiff.PlainFile) and suffix in parts.kind


def replace_plain(file: bmp_tiff.PlainFile, samples: Samples, *, strip_metadata: bool) -> bytes:
    """Return a BMP or TIFF file with other samples.

    Raises
    ------
    InputImageError : a TIFF file that libtiff cannot write again
    """
    try:
        return bmp_tiff.replace_samples(file, samples, strip_metadata=strip_metadata)
    except bmp_tiff.UnwritableError as error:
        raise InputImageError(
            f"the carrier is {error}", hint="use an output that ends in .png"
        ) from error


def study(parts: FileParts | None, samples: Samples, suffix: str | None) -> Encoder | None:
    """Find out which program wrote a PNG file; None for other files, and of what is not one.

    Raises
    ------
    InputImageError : the image data is damaged in a way that its decoder overlooked
    """
    if suffix not in output.PNG or not isinstance(parts, png.PngFile):
        return None
    try:
        return png.study(parts, samples)
    except png.PngFormatError as error:
        raise damaged("carrier") from error


def encode_png(
    parts: FileParts | None,
    before: Samples,
    after: Samples,
    encoder: Encoder | None = None,
    *,
    icc_profile: bytes | None = None,
    strip_metadata: bool = False,
) -> bytes:
    """Return a PNG file with other samples.

    Parameters
    ----------
    parts : the cover's file
    before, after : the samples of cover and stego, alpha included
    encoder : what `study` returned, if it was asked before
    icc_profile : for a cover that was no PNG file
    strip_metadata : leave out texts, times, EXIF data and what is unknown

    Raises
    ------
    InputImageError : the image data of the cover is damaged in a way that its decoder overlooked
    """
    if not isinstance(parts, png.PngFile):
        return png.new_file(after, icc_profile)
    try:
        source = png.without_metadata(parts) if strip_metadata else parts
        return png.replace_samples(source, before, after, encoder)
    except png.PngFormatError as error:
        raise damaged("carrier") from error
