"""Markers of a JPEG file, and the errors of everything that is built on them.

ITU-T T.81, B.1.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["JpegFormatError", "JpegUnsupportedError", "next_marker", "scan_ends", "segment_end"]


class JpegFormatError(ValueError):
    """The bytes are not a complete, sound JPEG file; the message says what is wrong."""


class JpegUnsupportedError(ValueError):
    """A JPEG file of a kind that is not supported; the message completes "the file is"."""


def next_marker(raw: bytes, at: int) -> tuple[int, int]:
    """Return the marker at `at` or later, and the place after it.

    Fill bytes may precede it, and bytes out of place: decoders skip them.
    """
    while True:
        at = raw.find(b"\xff", at)
        if at < 0:
            raise JpegFormatError("the file ends in the middle")
        while raw[at : at + 1] == b"\xff":
            at += 1
        if at >= len(raw):
            raise JpegFormatError("the file ends in the middle")
        if raw[at]:
            return raw[at], at + 1


def segment_end(raw: bytes, at: int) -> int:
    """Return the end of the segment whose length is at `at`."""
    length = int.from_bytes(raw[at : at + 2], "big")
    if at + 2 > len(raw) or length < 2 or at + length > len(raw):
        raise JpegFormatError("the file ends in the middle")
    return at + length


def scan_ends(raw: bytes) -> NDArray[np.int64]:
    """Return all places where entropy-coded data would end: FF before anything but 00 and RST."""
    data = np.frombuffer(raw, np.uint8)
    places = np.flatnonzero(data[:-1] == 0xFF)
    following = data[places + 1]
    return np.asarray(places[(following != 0) & ((following < 0xD0) | (following > 0xD7))])
