"""Samples of 16 bits in a PNG file; of colours, Pillow keeps the upper eight bits alone."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from deephide.formats.png.chunks import PngFormatError
from deephide.formats.png.file import PngFile
from stc.jit import jit

__all__ = ["decode"]


def decode(file: PngFile) -> NDArray[np.uint16]:
    """Return the samples of a file of 16 bits per sample that is not interlaced.

    Parameters
    ----------
    file : what `parse` returned

    Returns
    -------
    samples : (H, W, C) uint16, alpha included

    Raises
    ------
    PngFormatError : the image data is damaged
    """
    pixel = 2 * file.channels
    row = 1 + pixel * file.width
    decoder = zlib.decompressobj()
    try:
        data = decoder.decompress(file.data, row * file.height)
    except zlib.error as error:
        raise PngFormatError("the image data is damaged") from error
    if len(data) < row * file.height:
        raise PngFormatError("the image data ends in the middle")
    rows = np.frombuffer(data, np.uint8).reshape(file.height, row)
    types = np.ascontiguousarray(rows[:, 0])
    if int(types.max()) > 4:
        raise PngFormatError("a row has an unknown filter")
    plain = np.ascontiguousarray(rows[:, 1:])
    _undo_filters(plain, types, pixel)
    wide = plain.view(">u2").astype(np.uint16)
    return wide.reshape(file.height, file.width, file.channels)


@jit
def _undo_filters(rows: NDArray[np.uint8], types: NDArray[np.uint8], pixel: int) -> None:
    """Undo the filters 0 to 4 of the PNG specification, section 9, in place."""
    height, width = rows.shape
    for y in range(height):
        kind = types[y]
        if kind == 0:
            continue
        for x in range(width):
            left = int(rows[y, x - pixel]) if x >= pixel else 0
            above = int(rows[y - 1, x]) if y else 0
            corner = int(rows[y - 1, x - pixel]) if y and x >= pixel else 0
            if kind == 1:
                predicted = left
            elif kind == 2:
                predicted = above
            elif kind == 3:
                predicted = (left + above) // 2
            else:
                near = left + above - corner
                a, b, c = abs(near - left), abs(near - above), abs(near - corner)
                predicted = left if a <= b and a <= c else above if b <= c else corner
            rows[y, x] = (int(rows[y, x]) + predicted) & 255
