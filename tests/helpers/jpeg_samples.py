"""Small JPEG files of every kind, made by Pillow's libjpeg and by hand."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms


def photo(height, width, seed=7, contrast=40.0):
    """A seeded scene with smooth and rough parts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.sin(x / 9)[..., None] * np.cos(y / (7, 8, 11)[0])[..., None]
    noise = rng.normal(0, 14, (height, width, 3)) * (x[..., None] > width / 3)
    return (128 + contrast * waves + noise).clip(0, 255).astype(np.uint8)


def encoded(samples, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(samples).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


KINDS = {
    **{
        f"{name} q{quality}": {"subsampling": subsampling, "quality": quality}
        for subsampling, name in ((0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0"))
        for quality in (50, 75, 90, 98)
    },
    "gray": {"mode": "L", "quality": 90},
    "gray progressive": {"mode": "L", "quality": 90, "progressive": True},
    "progressive": {"quality": 90, "progressive": True},
    "progressive 4:4:4": {"quality": 95, "subsampling": 0, "progressive": True},
    "optimised": {"quality": 85, "optimize": True},
    "restarts": {"quality": 85, "restart_marker_blocks": 3},
    "restart rows, optimised": {"quality": 85, "restart_marker_rows": 1, "optimize": True},
    "progressive restarts": {"quality": 85, "restart_marker_blocks": 7, "progressive": True},
}


def with_metadata(raw, **places):
    """Add EXIF data with a thumbnail, a comment, an unknown segment and a trailer."""
    thumbnail = encoded(photo(40, 56, seed=3), quality=60)
    entries = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    first = struct.pack(">IH", 8, 1) + entries + struct.pack(">I", 26)
    second = struct.pack(">H", 2) + struct.pack(">HHII", 0x0201, 4, 1, 26 + 30)
    second += struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    segments = (
        segment(0xE1, b"Exif\0\0MM\0*" + first + second + thumbnail)
        + segment(0xFE, b"a comment")
        + segment(0xEB, bytes(range(256)))
    )
    return raw[:2] + segments + raw[2:] + places.get("trailer", b"what follows")


def segment(marker, data):
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(data)) + data


def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def frame_of(raw):
    """Return the place of the frame header's marker."""
    return next(
        i for i in range(2, len(raw)) if raw[i] == 0xFF and raw[i + 1] in (0xC0, 0xC1, 0xC2)
    )


def patched(raw, offset, value):
    """Change a byte of the frame header; 0 is its marker's second byte."""
    at = frame_of(raw) + 1 + offset
    return raw[:at] + bytes((value,)) + raw[at + 1 :]
