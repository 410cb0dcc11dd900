"""JPEG files without what they say besides what the image looks like."""

from __future__ import annotations

import io
import struct

from PIL import Image

from deephide.formats.jpeg.segments import parse

__all__ = ["without_metadata"]

_ORIENTATION = 0x0112


def without_metadata(raw: bytes) -> bytes:
    """Return a file without EXIF data, texts, thumbnails, unknown segments and trailing bytes.

    What the picture looks like stays: JFIF and Adobe segments, colour profile and orientation.
    """
    file = parse(raw)
    out = bytearray(raw[:2])
    turned = _orientation(raw)
    at = 2
    while True:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            return bytes(out) + raw[at : at + 2]
        end = at + 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
        data = raw[at + 4 : end]
        scan = next((scan for scan in file.scans if scan.start == end), None)
        if marker == 0xE1 and turned != 1 and data.startswith(b"Exif\0\0"):
            out += _exif(turned)
            turned = 1
        elif marker == 0xE0 and data.startswith(b"JFIF\0"):
            # Without the thumbnail, which shows what the picture was before it was edited.
            out += b"\xff\xe0\x00\x10" + data[:12] + b"\0\0"
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE) or data.startswith(
            (b"ICC_PROFILE\0", b"Adobe")
        ):
            out += raw[at : end if scan is None else scan.end]
        at = end if scan is None else scan.end


def _orientation(raw: bytes) -> int:
    try:
        with Image.open(io.BytesIO(raw), formats=("JPEG",)) as image:
            found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data is common, and no reason to stop
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _exif(orientation: int) -> bytes:
    """Return a segment that says the orientation alone."""
    tag = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + tag + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
