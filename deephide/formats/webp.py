"""Lossless WebP files: other samples in the place of the old ones, every other chunk as it was.

WebP container specification (RFC 9649), section 2.  The image data is written by libwebp through
Pillow, with the settings that reproduce the cover's own data where some do.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.formats.exif import orientation, orientation_alone

__all__ = [
    "MAX_PIXELS",
    "WebpFile",
    "WebpFormatError",
    "WebpUnsupportedError",
    "is_webp",
    "parse",
    "replace_samples",
    "without_metadata",
]

_log = logging.getLogger(__name__)

# Pillow reads WebP files with a decoder for animations, which takes 16 bytes for a pixel: this many
# take less than 600 MiB.
MAX_PIXELS = 30_000_000
# Effort (`quality`) and method of libwebp: Pillow's, cwebp's and others' defaults, the best.
_SETTINGS = ((80, 4), (75, 4), (100, 4), (75, 6))
_MOST_STUDIED = 1 << 18  # pixels: each setting takes seconds on a large image
_LOOKS = (b"VP8X", b"VP8L", b"ICCP")
_HAS_METADATA = 0x0C  # the flags of EXIF data and XMP in VP8X


class WebpFormatError(ValueError):
    """The bytes are not a sound WebP file; the message says what is wrong."""


class WebpUnsupportedError(ValueError):
    """A WebP file that cannot be a carrier; the message completes "the carrier is"."""


@dataclass(frozen=True)
class WebpFile:
    """A WebP file taken apart: `chunks` are (name, begin, end), padding included."""

    raw: bytes = field(repr=False)
    chunks: tuple[tuple[bytes, int, int], ...]

    def data(self, name: bytes) -> bytes:
        """Return what the first chunk of a name holds; nothing if there is none."""
        for each, start, _ in self.chunks:
            if each == name:
                return _content(self.raw, start)
        return b""


def _content(raw: bytes, start: int) -> bytes:
    size = int.from_bytes(raw[start + 4 : start + 8], "little")
    return raw[start + 8 : start + 8 + size]


def is_webp(raw: bytes) -> bool:
    """Tell a WebP file by its first bytes."""
    return raw[:4] == b"RIFF" and raw[8:12] == b"WEBP"


def parse(raw: bytes) -> WebpFile:
    """Take a WebP file apart; no image data is decoded.

    Raises
    ------
    WebpFormatError : damaged
    WebpUnsupportedError : lossy or animated
    """
    if not is_webp(raw):
        raise WebpFormatError("not a WebP file")
    at, chunks = 12, []
    end = min(len(raw), 8 + int.from_bytes(raw[4:8], "little"))
    while at + 8 <= end:
        size = int.from_bytes(raw[at + 4 : at + 8], "little")
        stop = at + 8 + size
        if stop > len(raw):
            raise WebpFormatError("the file ends in the middle")
        stop = min(stop + size % 2, len(raw))
        chunks.append((raw[at : at + 4], at, stop))
        at = stop
    names = [name for name, _, _ in chunks]
    if b"ANIM" in names or b"ANMF" in names:
        raise WebpUnsupportedError("an animated WebP file")
    if b"VP8 " in names:
        raise WebpUnsupportedError("a lossy WebP file")
    if names.count(b"VP8L") != 1:
        raise WebpFormatError("there is no image data")
    return WebpFile(raw, tuple(chunks))


def replace_samples(file: WebpFile, samples: NDArray[np.uint8]) -> bytes:
    """Return the file with new samples and no other chunk changed.

    Parameters
    ----------
    file : what `parse` returned
    samples : (H, W, 3) uint8; alpha stays as it is

    Raises
    ------
    WebpFormatError : libwebp cannot write these samples without loss
    """
    with Image.open(io.BytesIO(file.raw), formats=("WEBP",)) as image:
        original = np.asarray(image)
    new_samples = original.copy()
    new_samples[:, :, :3] = samples
    old = file.data(b"VP8L")
    quality, method = _SETTINGS[0]
    exact = False
    if original.shape[0] * original.shape[1] <= _MOST_STUDIED:
        for settings in _SETTINGS:
            if _written(original, *settings) == old:
                (quality, method), exact = settings, True
                break
    if not exact:
        _log.warning(
            "the program that wrote the WebP file cannot be imitated: comparing its compressed "
            "data with that program's own shows that the file was written again"
        )
    new = _written(new_samples, quality, method)
    out = bytearray(file.raw[:12])
    for name, start, end in file.chunks:
        if name == b"VP8L":
            out += b"VP8L" + len(new).to_bytes(4, "little") + new + bytes(len(new) % 2)
        else:
            out += file.raw[start:end]
    behind = file.raw[file.chunks[-1][2] :]
    out[4:8] = (len(out) - 8).to_bytes(4, "little")
    return bytes(out) + behind


def _written(samples: NDArray[np.uint8], quality: int, method: int) -> bytes:
    buffer = io.BytesIO()
    try:
        Image.fromarray(samples).save(
            buffer, "WEBP", lossless=True, exact=True, quality=quality, method=method
        )
        return parse(buffer.getvalue()).data(b"VP8L")
    except (OSError, ValueError) as error:
        raise WebpFormatError("the image cannot be written as lossless WebP") from error


def without_metadata(file: WebpFile) -> bytes:
    """Return the file without EXIF data, XMP and unknown chunks, but with its orientation."""
    turned = orientation(file.data(b"EXIF"))
    out = bytearray(file.raw[:12])
    for name, start, end in file.chunks:
        if name == b"VP8X":
            chunk = bytearray(file.raw[start:end])
            chunk[8] &= 0xFF ^ _HAS_METADATA
            chunk[8] |= 0x08 if turned != 1 else 0
            out += chunk
        elif name in _LOOKS:
            out += file.raw[start:end]
    if turned != 1 and any(name == b"VP8X" for name, _, _ in file.chunks):
        exif = orientation_alone(turned)
        out += b"EXIF" + len(exif).to_bytes(4, "little") + exif + bytes(len(exif) % 2)
    out[4:8] = (len(out) - 8).to_bytes(4, "little")
    return bytes(out)
