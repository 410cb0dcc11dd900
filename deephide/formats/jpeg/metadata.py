"""JPEG files without what they say besides what the image looks like."""

from __future__ import annotations

import io
import struct

from PIL import Image

from deephide.formats.exif import ORIENTATION, orientation_alone
from deephide.formats.jpeg.segments import parse

__all__ = ["without_metadata"]


def without_metadata(raw: bytes) -> bytes:
    """Return a file without EXIF data, texts, thumbnails, further images and unknown segments.

    What the image looks like stays: JFIF and Adobe segments, colour profile and orientation.
    """
    out = bytearray(raw[:2])
    turned = _orientation(raw)
    for start, end in parse(raw).pieces:
        marker, data = raw[start + 1], raw[start + 4 : end]
        if marker == 0xE1 and turned != 1 and data.startswith(b"Exif\0\0"):
            out += _exif(turned)
            turned = 1
        elif marker == 0xE0 and data.startswith(b"JFIF\0"):
            # Without the thumbnail, which shows what the image was before it was edited.
            out += b"\xff\xe0\x00\x10" + data[:12] + b"\0\0"
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE) or data.startswith(
            (b"ICC_PROFILE\0", b"Adobe")
        ):
            out += raw[start:end]
    return bytes(out) + b"\xff\xd9"


def _orientation(raw: bytes) -> int:
    try:
        with Image.open(io.BytesIO(raw), formats=("JPEG",)) as image:
            found = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data is common, and no reason to stop
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _exif(orientation: int) -> bytes:
    """Return a segment that says the orientation alone."""
    tiff = orientation_alone(orientation)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
