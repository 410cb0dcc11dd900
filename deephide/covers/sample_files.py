"""Accepted files of samples (PNG, BMP, TIFF, WebP), errors for the rest, and writing them again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import output
from deephide.errors import InputImageError, OutputError
from deephide.formats import bmp, images, webp
from deephide.formats.limits import MAX_PIXELS
from deephide.formats.png import file as png
from deephide.formats.png.chunks import PngFormatError
from deephide.formats.png.encoder import Encoder
from deephide.formats.refusals import damaged, hint_for, too_many_pixels
from deephide.formats.tiff.directories import (
    TiffFewValuesError,
    TiffFormatError,
    TiffUnsupportedError,
    is_tiff,
)

if TYPE_CHECKING:
    # With two more compressors: no other file needs it.
    from deephide.formats.tiff import file as tiff

__all__ = [
    "CHANNELS",
    "HINT",
    "Decoded",
    "FileParts",
    "check_suffix",
    "decode_checked",
    "decoded",
    "encode_png",
    "is_plain",
    "open_checked",
    "own_suffixes",
    "replace_plain",
    "study",
]

PlainFile: TypeAlias = "bmp.BmpFile | tiff.TiffFile | webp.WebpFile"
FileParts: TypeAlias = "png.PngFile | PlainFile"

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}  # of each mode
HINT = "use an 8-bit gray, RGB or RGBA image in PNG, BMP, TIFF or lossless WebP format, or a JPEG"

# Pillow knows many more formats; what they need of code, time and outside programs (Ghostscript
# for EPS) is not put in the way of hostile files.  Some of these cannot be carriers: they are here
# to be named.
_NAMED = ("PNG", "BMP", "WEBP", "AVIF", "GIF", "JPEG2000", "PPM", "DIB")
_CARRIERS = {"PNG", "BMP", "WEBP"}
_COPIES = {"GIF", "PPM"}  # formats that a stego may come back in without a change of any pixel
_SUFFIXES = {"BmpFile": output.BMP, "TiffFile": output.TIFF, "WebpFile": output.WEBP}
_MODE_NAMES = {
    "1": "a black-and-white image",
    "P": "a palette image",
    "PA": "a palette image",
    "LA": "a gray image with transparency",
    "CMYK": "a CMYK image",
    "I": "an image with more than 8 bits per sample",
    "I;16": "a 16-bit image",
    "I;16B": "a 16-bit image",
    "F": "an image of floating-point samples",
}
_MAX_SAMPLES = 4 * MAX_PIXELS
# What programs that make files smaller turn a stego into, without a change of any pixel.
_SAME_PIXELS = {"P", "PA", "LA", "1"}

Samples: TypeAlias = NDArray[np.uint8]

_log = logging.getLogger(__name__)


def decode_checked(image: Image.Image, role: str) -> Image.Image:
    """Decode an image in memory that can carry a message.

    Raises
    ------
    InputImageError : not 8-bit gray, RGB or RGBA (a stego may also have a palette, or alpha besides
        gray), too large, or damaged
    """
    if image.mode not in CHANNELS and not (role == "stego" and image.mode in _SAME_PIXELS):
        name = _MODE_NAMES.get(image.mode, f"of mode {image.mode}")
        raise InputImageError(f"the {role} is {name}", hint=hint_for(name, HINT))
    images.check_pixels(image.width, image.height, role)
    images.decode(image, role)
    return image


@dataclass(frozen=True, eq=False)
class Decoded:
    """What counts of an image: samples (H, W, 1 or 3) uint8, and what goes with them.

    `alpha` is (H, W) uint8 or None, `key` the colour that stands for "transparent", as Pillow has
    it, `parts` the file taken apart.  Of a stego, which is not written again, samples alone.
    """

    samples: Samples
    alpha: Samples | None = None
    key: object = None
    icc_profile: bytes | None = None
    parts: FileParts | None = None


def decoded(
    image: Image.Image, role: str, parts: FileParts | None = None, *, release: bool = False
) -> Decoded:
    """Return what counts of an image that Pillow has decoded.

    Parameters
    ----------
    image : of 8 bits per sample
    role : "carrier" or "stego"
    parts : of its file
    release : drop the pixels of the image afterwards
    """
    profile, key = image.info.get("icc_profile"), image.info.get("transparency")
    mode = image.mode
    if role == "stego":  # alpha holds nothing, and takes memory
        mode = "L" if mode in ("L", "LA", "1") else "RGB"
    samples, alpha = images.to_arrays(image, mode, release=release)
    if role == "stego":
        return Decoded(samples)
    profile = profile if isinstance(profile, bytes) else None
    return Decoded(samples, alpha, key, profile, parts)


def open_checked(raw: bytes, role: str) -> Decoded:
    """Open and decode a file that can carry a message.

    Parameters
    ----------
    raw : the file
    role : "carrier" or "stego", as messages call it

    Raises
    ------
    InputImageError : unreadable, damaged, too large, animated, of another format, lossy, or not of
        8 bits per sample
    """
    if is_tiff(raw):
        return _open_tiff(raw, role)
    image, several = images.open_file(raw, role, _NAMED, HINT)
    kind = str(image.format)
    parts = _png_parts(raw, role, whole=False) if kind == "PNG" else None
    if several or (parts is not None and parts.animated):
        raise _several(role)
    if kind not in _CARRIERS and not (role == "stego" and kind in _COPIES):
        article = "an" if kind[0] in "AEIO" else "a"
        raise InputImageError(f"the {role} is {article} {kind} file", hint=HINT)
    if kind == "WEBP":
        webp_file = _webp_parts(raw, role)
        if image.width * image.height > webp.MAX_PIXELS:
            size = f" for a WebP file ({image.width} x {image.height})"
            raise too_many_pixels(role, size, webp.MAX_PIXELS)
        images.decode(image, role)
        return decoded(image, role, webp_file, release=True)
    _check_depth(image, _depths(image, parts, raw), role)
    if parts is not None and parts.flawed and role == "carrier":
        _log.warning(
            "a checksum in the carrier is wrong (chunk %s); it stays as it is",
            ", ".join(parts.flawed),
        )
    # `locate` looks at what decoding takes away.
    bitmap = bmp.locate(image, raw) if parts is None else None
    if role == "stego" and bitmap is not None:
        return Decoded(bmp.decode(bitmap))
    images.decode(image, role)
    found = decoded(image, role, bitmap, release=True)
    if role == "stego" or parts is None:
        return found
    # Not before: the copy of the file would be there beside the pixels that Pillow has.
    return replace(found, parts=_png_parts(raw, role, whole=True))


def _several(role: str) -> InputImageError:
    return InputImageError(
        f"the {role} is animated or has several pages", hint="use an image with one frame"
    )


def _open_tiff(raw: bytes, role: str) -> Decoded:
    from deephide.formats.tiff import file as tiff

    try:
        file = tiff.parse(raw)
        images.check_pixels(file.width, file.height, role)
        if file.width * file.height * file.samples > _MAX_SAMPLES:
            raise TiffUnsupportedError("a TIFF file of too many samples")
        if file.several:
            raise _several(role)
        array = tiff.decode(file, only_colours=role == "stego")
    except TiffUnsupportedError as error:
        if role == "stego" and isinstance(error, TiffFewValuesError):
            image, _ = images.open_file(raw, role, ("TIFF",), HINT)
            return decoded(decode_checked(image, role), role, release=True)
        raise InputImageError(f"the {role} is {error}", hint=hint_for(str(error), HINT)) from error
    except TiffFormatError as error:
        raise damaged(role) from error
    if role == "stego":
        return Decoded(array)
    alpha = np.ascontiguousarray(array[:, :, file.channels]) if file.alpha else None
    samples = np.ascontiguousarray(array[:, :, : file.channels])
    return Decoded(samples, alpha, None, file.profile, file)


def _webp_parts(raw: bytes, role: str) -> webp.WebpFile:
    try:
        return webp.parse(raw)
    except webp.WebpUnsupportedError as error:
        raise InputImageError(f"the {role} is {error}", hint=HINT) from error
    except webp.WebpFormatError as error:
        raise damaged(role) from error


def _png_parts(raw: bytes, role: str, *, whole: bool) -> png.PngFile:
    try:
        return png.parse(raw, whole=whole)
    except PngFormatError as error:
        raise damaged(role) from error


def _depths(image: Image.Image, parts: png.PngFile | None, raw: bytes) -> set[int]:
    """Return the bits per sample of a file, which Pillow's modes do not always tell."""
    if parts is not None:
        return {parts.bit_depth}
    if image.format == "BMP" and raw[14:18] != b"\x0c\x00\x00\x00" and image.mode in CHANNELS:
        return {8 if int.from_bytes(raw[28:30], "little") in (8, 24, 32) else 5}
    return {8}


def _check_depth(image: Image.Image, depths: set[int], role: str) -> None:
    if image.mode in CHANNELS and depths == {8}:
        return
    if role == "stego" and image.mode in (*_SAME_PIXELS, "L") and max(depths) <= 8:
        return
    name = f"an image of {max(depths)} bits per sample"
    if image.mode not in CHANNELS:
        name = _MODE_NAMES.get(image.mode, name)
    raise InputImageError(f"the {role} is {name}", hint=hint_for(name, HINT))


def check_suffix(parts: FileParts | None, suffix: str) -> None:
    """Reject a name other than that of a PNG file for a file that cannot be written again.

    Raises
    ------
    OutputError : a BMP file whose samples are compressed
    """
    if suffix not in output.PNG and not is_plain(parts, suffix):
        raise OutputError(
            f"the carrier is of a rare kind that cannot be written as {suffix}",
            hint="use an output that ends in .png",
        )


def own_suffixes(parts: FileParts | None) -> tuple[str, ...]:
    """Return the suffixes of a file that is not written as PNG; none for others."""
    return _SUFFIXES.get(type(parts).__name__, ())


def is_plain(parts: FileParts | None, suffix: str | None) -> TypeGuard[PlainFile]:
    """Tell whether a stego is to be a BMP, TIFF or WebP file as its cover was."""
    return suffix in own_suffixes(parts)


def replace_plain(file: PlainFile, samples: Samples, *, strip_metadata: bool) -> bytes:
    """Return a BMP, TIFF or WebP file with other samples.

    Raises
    ------
    InputImageError : a file that cannot be written again as it was
    """
    try:
        if isinstance(file, bmp.BmpFile):  # which has no metadata
            return bmp.replace_samples(file, samples)
        if isinstance(file, webp.WebpFile):
            raw = webp.replace_samples(file, samples[:, :, :3])
            return webp.without_metadata(webp.parse(raw)) if strip_metadata else raw
        from deephide.formats.tiff import file as tiff

        raw = tiff.replace_samples(file, samples[:, :, : file.channels])
        return tiff.without_metadata(tiff.parse(raw)) if strip_metadata else raw
    except (TiffUnsupportedError, TiffFormatError, webp.WebpFormatError) as error:
        raise InputImageError(
            f"the carrier cannot be written with other samples: {error}",
            hint="use an output that ends in .png",
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
    except PngFormatError as error:
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
    except PngFormatError as error:
        raise damaged("carrier") from error
