"""Files of several JPEG images: the index that says where they are, after the first has changed.

Phones put a gain map, a depth map or a preview behind the end of the photo.  All of it is copied;
only the index (MPF, CIPA DC-007, 5.2) counts bytes from a place in front of the first image's
data, and so has to follow its size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from deephide.formats.jpeg.segments import JpegFile, JpegFormatError

__all__ = ["numbers", "with_index_moved"]

_ENTRIES = 0xB002
_ENTRY_BYTES = 16
_MAX_IMAGES = 256


def with_index_moved(file: JpegFile, raw: bytes) -> bytes:
    """Return a new version of a file with the sizes and places that its index should have now.

    Parameters
    ----------
    file : as it was
    raw : the file with other image data; what lies in front of it has its old length

    Raises
    ------
    JpegFormatError : a place does not fit into its field
    """
    delta = len(raw) - len(file.raw)
    out = bytearray(raw)
    for at, order, value, moves in _fields(file):
        if moves:
            try:
                struct.pack_into(order + "I", out, at, value + delta)
            except struct.error:
                raise JpegFormatError("the index of images has no room") from None
    return bytes(out)


def numbers(file: JpegFile) -> list[tuple[int, int]]:
    """Return begin and end of all numbers in the index that follow the size of the first image."""
    return [(at, at + 4) for at, _, _, moves in _fields(file) if moves]


def _fields(file: JpegFile) -> Iterator[tuple[int, str, int, bool]]:
    """Yield place, byte order, value and whether it moves of all sizes and places in the index.

    Nothing is yielded of an index that cannot be read: a reader cannot use it either.
    """
    if file.index is None:
        return
    start, end = file.index
    data = file.raw[start:end]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 10:
        return
    (directory,) = struct.unpack_from(order + "I", data, 4)
    if directory + 2 > len(data):
        return
    (count,) = struct.unpack_from(order + "H", data, directory)
    if directory + 2 + 12 * count > len(data):
        return
    for j in range(count):
        tag, _, size, at = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * j)
        images = size // _ENTRY_BYTES
        if tag != _ENTRIES or images > _MAX_IMAGES or at + _ENTRY_BYTES * images > len(data):
            continue
        for image in range(images):
            place = at + _ENTRY_BYTES * image
            length, offset = struct.unpack_from(order + "II", data, place + 4)
            # The first image is the one that changes; its own offset is 0 by definition.
            first = offset == 0
            yield start + place + 4, order, length, first and length != 0
            yield start + place + 8, order, offset, not first and start + offset >= file.end
