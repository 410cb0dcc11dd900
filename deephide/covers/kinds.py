"""Which files can be carriers of samples, and what is said of those that cannot."""

from __future__ import annotations

from PIL import Image

from deephide.errors import InputImageError
from deephide.formats import bmp_tiff as plain_files
from deephide.formats.png import file as png
from deephide.formats.refusals import damaged

__all__ = ["FORMATS", "HINT", "MODES", "FileParts", "check_file", "check_mode", "unreadable"]

FileParts = png.PngFile | plain_files.PlainFile

# Pillow knows many more formats; what they need of code, time and outside programs (Ghostscript
# for EPS) is not put in the way of hostile files.  Some of these cannot be carriers: they are here
# to be named.
FORMATS = ("PNG", "BMP", "TIFF", "WEBP", "AVIF", "GIF", "JPEG2000", "PPM", "DIB")
MODES = {"L": 1, "RGB": 3, "RGBA": 4}
HINT = "use an 8-bit gray, RGB or RGBA picture in PNG, BMP or TIFF format, or a JPEG file"

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
# Files that Pillow does not open, or that are not to reach it, by what they begin with.
_NAMES = (
    (0, b"\x76\x2f\x31\x01", "an OpenEXR file, an HDR picture"),
    (0, b"#?RADIANCE", "a Radiance file, an HDR picture"),
    (0, b"#?RGBE", "a Radiance file, an HDR picture"),
    (0, b"II\xbc\x01", "a JPEG XR file"),
    (0, b"\xff\x0a", "a JPEG XL file"),
    (4, b"JXL \r\n\x87\n", "a JPEG XL file"),
    (4, b"ftyphei", "a HEIC file"),
    (4, b"ftyphev", "a HEIC file"),
    (4, b"ftypmif1", "a HEIF file"),
)
_BITS_PER_SAMPLE = 258


def unreadable(raw: bytes, role: str) -> InputImageError:
    """Return the error for a file that no decoder here takes."""
    hint = HINT if role != "secret" else "use PNG, JPEG, WebP, BMP or TIFF"
    for offset, start, name in _NAMES:
        if raw.startswith(start, offset):
            return InputImageError(f"the {role} is {name}", hint=hint)
    if raw.startswith((b"II*\0", b"MM\0*")):
        return InputImageError(
            f"the {role} is a TIFF file that is damaged or has samples of an uncommon kind, "
            "such as floating-point colours",
            hint=hint,
        )
    return InputImageError(f"the {role} is not a picture in a format that can be read", hint=hint)


def check_mode(mode: str, role: str) -> None:
    """Refuse a picture in memory of a mode that is not 8-bit gray, RGB or RGBA."""
    if mode not in MODES:
        name = _MODE_NAMES.get(mode, f"of mode {mode}")
        raise InputImageError(f"the {role} is {name}", hint=HINT)


def check_file(image: Image.Image, several: bool, raw: bytes, role: str) -> FileParts | None:
    """Refuse a file that cannot carry a message; return its parts, for writing it again.

    Parameters
    ----------
    image : the file opened but not decoded
    several : whether it holds several pictures
    raw : the file
    role : "carrier" or "stego", as messages call it

    Returns
    -------
    What `png.parse` or `plain_files.locate` finds

    Raises
    ------
    InputImageError : animated, of another format, lossy, or not of 8 bits per sample
    """
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
    return parts or plain_files.locate(image, raw)


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
    if raw[14:18] != b"\x0c\x00\x00\x00" and image.mode in MODES:
        return {8 if int.from_bytes(raw[28:30], "little") in (8, 24, 32) else 5}
    return {8}


def _check_depth(image: Image.Image, depths: set[int], role: str) -> None:
    if image.mode in MODES and depths == {8}:
        return
    name = f"a picture of {max(depths)} bits per sample"
    if image.mode not in MODES:
        name = _MODE_NAMES.get(image.mode, name)
    raise InputImageError(f"the {role} is {name}", hint=HINT)
