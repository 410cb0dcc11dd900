"""EXIF data: the orientation out of it, and such data that says the orientation alone."""

from __future__ import annotations

import struct

from PIL import Image

__all__ = ["ORIENTATION", "orientation", "orientation_alone"]

ORIENTATION = 0x0112


def orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that EXIF data states; 1 where it states none.

    Parameters
    ----------
    exif : TIFF structure, with or without the header that JPEG files put in front
    """
    found = Image.Exif()
    try:
        found.load(exif)
        value = found.get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data is common, and no reason to stop
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def orientation_alone(value: int) -> bytes:
    """Return EXIF data, without any header, that says the orientation and nothing else."""
    tag = struct.pack(">HHIHH", ORIENTATION, 3, 1, value, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + tag + bytes(4)
