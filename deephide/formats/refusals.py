"""Errors for files and images that cannot be used, whatever their format and role."""

from __future__ import annotations

from deephide.errors import InputImageError

__all__ = ["damaged", "hint_for", "too_long", "too_many_pixels", "unreadable"]

# Files that Pillow does not open, or that are not to reach it, by what they begin with.
_NAMES = (
    (0, b"\x76\x2f\x31\x01", "an OpenEXR file, an HDR image"),
    (0, b"#?RADIANCE", "a Radiance file, an HDR image"),
    (0, b"#?RGBE", "a Radiance file, an HDR image"),
    (0, b"II\xbc\x01", "a JPEG XR file"),
    (0, b"\xff\x0a", "a JPEG XL file"),
    (4, b"JXL \r\n\x87\n", "a JPEG XL file"),
    (4, b"ftyphei", "a HEIC file"),
    (4, b"ftyphev", "a HEIC file"),
    (4, b"ftypmif1", "a HEIF file"),
)

# How to convert what cannot be used, by what messages call it.
_CONVERSIONS = (
    ("a HEIC", "heif-convert photo.heic photo.png; iPhones take JPEG photos with the setting "
     "Camera, Formats, Most Compatible"),
    ("a HEIF", "heif-convert photo.heif photo.png"),
    ("a palette image", "magick old.png PNG24:new.png"),
    ("a gray image with transparency", "magick old.png PNG32:new.png"),
    ("a black-and-white image", "magick old.png -depth 8 PNG24:new.png"),
    ("16-bit", "magick old.png -depth 8 new.png"),
    ("16 bits", "magick old.png -depth 8 new.png"),
    ("floating-point", "magick old.tif -depth 8 new.png"),
    ("arithmetically", "jpegtran -copy all -outfile new.jpg old.jpg (without loss)"),
    ("more scans", "jpegtran -copy all -outfile new.jpg old.jpg (without loss)"),
    ("CMYK or YCCK JPEG", "magick old.jpg -colorspace sRGB new.jpg"),
    ("CMYK", "magick old.tif -colorspace sRGB new.png"),
    ("YCbCr", "magick old.tif -colorspace sRGB new.png"),
    ("CIELab", "magick old.tif -colorspace sRGB new.png"),
)  # fmt: skip


def hint_for(name: str, otherwise: str) -> str:
    """Return how to convert an image that cannot be used.

    Parameters
    ----------
    name : what a message calls it
    otherwise : the hint where nothing more is known
    """
    for part, command in _CONVERSIONS:
        if part in name:
            return f"convert it first: {command}"
    return otherwise


def too_long(role: str, size: int, limit: int) -> InputImageError:
    """Return the error for a file of more bytes than are read."""
    return InputImageError(f"the {role} is a file of {size} bytes, at most {limit} are allowed")


def too_many_pixels(role: str, size: str, limit: int) -> InputImageError:
    """Return the error for an image that would take too much memory."""
    return InputImageError(
        f"the {role} has too many pixels{size}, at most {limit} are allowed",
        hint="scale or crop it before use",
    )


def damaged(role: str) -> InputImageError:
    """Return the error for a file that no decoder should accept."""
    return InputImageError(
        f"the {role} is truncated or damaged", hint="copy or download the file again"
    )


def unreadable(raw: bytes, role: str, hint: str) -> InputImageError:
    """Return the error for a file that no decoder here takes."""
    for offset, start, name in _NAMES:
        if raw.startswith(start, offset):
            return InputImageError(f"the {role} is {name}", hint=hint_for(name, hint))
    if raw.startswith((b"II*\0", b"MM\0*")):
        return InputImageError(
            f"the {role} is a TIFF file that is damaged or has samples of an uncommon kind, "
            "such as floating-point colours",
            hint=hint,
        )
    return InputImageError(f"the {role} is not an image in a format that can be read", hint=hint)
