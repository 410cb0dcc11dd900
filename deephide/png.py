"""PNG at the level of chunks: new samples inside the cover's own file.

Pillow would drop most ancillary chunks and write its own filter and IDAT pattern, which tells
anyone that the file passed through Pillow.  Here every chunk but IDAT stays byte for byte, each
row keeps the filter type it had, and the zlib level and the IDAT sizes follow the cover.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PngFile", "PngFormatError", "parse", "replace_samples"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
# Start and stride of the seven passes of an interlaced file: x0, y0, dx, dy.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
# What the two level bits of a zlib header can stand for.
_LEVELS = {0: (1, 0), 1: (2, 3, 4, 5), 2: (6,), 3: (9, 7)}
_PROBE_BYTES = 1 << 18


class PngFormatError(ValueError):
    """The bytes are not a complete, sound PNG file; the message says what is wrong."""


@dataclass(frozen=True)
class PngFile:
    """A PNG file taken apart.

    `before` and `after` are the raw bytes on either side of the IDAT chunks, `data` the zlib
    stream they carry and `sizes` how it was cut.
    """

    width: int
    height: int
    bit_depth: int
    colour_type: int
    interlaced: bool
    animated: bool
    before: bytes
    data: bytes
    sizes: tuple[int, ...]
    after: bytes

    @property
    def channels(self) -> int:
        """Samples per pixel, alpha included; 1 for palette files."""
        return _CHANNELS.get(self.colour_type, 1)


def _chunks(raw: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield (start, type, length of the data) of each chunk up to and with IEND."""
    position = len(SIGNATURE)
    while True:
        if position + 12 > len(raw):
            raise PngFormatError("the file ends in the middle")
        length, kind = struct.unpack_from(">I4s", raw, position)
        end = position + 12 + length
        if end > len(raw):
            raise PngFormatError("the file ends in the middle")
        (crc,) = struct.unpack_from(">I", raw, end - 4)
        if zlib.crc32(raw[position + 4 : end - 4]) != crc:
            raise PngFormatError("a checksum is wrong")
        yield position, kind, length
        if kind == b"IEND":
            return
        position = end


def parse(raw: bytes) -> PngFile:
    """Take a PNG file apart and check its chunk structure and checksums.

    Raises
    ------
    PngFormatError : not PNG, truncated or damaged
    """
    if not raw.startswith(SIGNATURE):
        raise PngFormatError("not a PNG file")
    header: tuple[int, ...] | None = None
    data: list[bytes] = []
    first = last = 0
    animated = False
    for start, kind, length in _chunks(raw):
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise PngFormatError("the first chunk is not a header")
            header = struct.unpack_from(">IIBBBBB", raw, start + 8)
        animated |= kind == b"acTL"
        if kind == b"IDAT":
            if data and start != last:
                raise PngFormatError("the image data is not in one piece")
            first = first or start
            last = start + 12 + length
            data.append(raw[start + 8 : start + 8 + length])
    if header is None or not data:
        raise PngFormatError("there is no image data")
    width, height, depth, colour, _, _, interlace = header
    return PngFile(
        width,
        height,
        depth,
        colour,
        bool(interlace),
        animated,
        raw[:first],
        b"".join(data),
        tuple(len(piece) for piece in data),
        raw[last:],
    )


def replace_samples(file: PngFile, samples: NDArray[np.uint8]) -> bytes:
    """Return the file with new samples and nothing else changed.

    Parameters
    ----------
    file : 8 bits per sample, gray, RGB or RGBA
    samples : (H, W, C) uint8, C including alpha

    Raises
    ------
    PngFormatError : the old image data cannot be read
    """
    if file.bit_depth != 8 or samples.shape != (file.height, file.width, file.channels):
        raise ValueError(f"samples: got {samples.shape}, which does not fit the file")
    old = _inflate(file)
    new = bytearray()
    for rows, picked in _passes(file, samples):
        stride = 1 + rows.shape[1]
        types = np.frombuffer(old, np.uint8, rows.shape[0] * stride, len(new))[::stride]
        if types.max(initial=0) > 4:
            raise PngFormatError("a row has an unknown filter")
        new += _filter_rows(rows, types, picked)
    return file.before + _idat(_deflate(file, old, bytes(new)), file.sizes) + file.after


def _passes(file: PngFile, samples: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Yield the rows of each (reduced) image as (rows, bytes), with the bytes per pixel."""
    grid = _ADAM7 if file.interlaced else ((0, 0, 1, 1),)
    for x0, y0, dx, dy in grid:
        part = samples[y0::dy, x0::dx]
        if part.size:
            yield part.reshape(part.shape[0], -1), file.channels


def _inflate(file: PngFile) -> bytes:
    probe = np.zeros((file.height, file.width, file.channels), dtype=np.uint8)
    expected = sum(rows.shape[0] * (1 + rows.shape[1]) for rows, _ in _passes(file, probe))
    decoder = zlib.decompressobj()
    try:
        old = decoder.decompress(file.data, expected)
    except zlib.error as error:
        raise PngFormatError("the image data is damaged") from error
    if len(old) < expected:
        raise PngFormatError("the image data ends in the middle")
    return old


def _filter_rows(rows: NDArray[np.uint8], types: NDArray[np.uint8], pixel: int) -> bytes:
    """Apply to each row the filter its type names (PNG specification, section 9)."""
    height, width = rows.shape
    out = np.empty((height, 1 + width), dtype=np.uint8)
    out[:, 0] = types
    for kind in range(5):
        # A block of rows at a time keeps the wide intermediates small.
        places = np.flatnonzero(types == kind)
        for chunk in np.array_split(places, max(1, places.size * width >> 22)):
            if chunk.size:
                out[chunk, 1:] = rows[chunk] - _predict(rows, chunk, kind, pixel)
    return out.tobytes()


def _predict(
    rows: NDArray[np.uint8], places: NDArray[np.int64], kind: int, pixel: int
) -> NDArray[np.uint8]:
    current = rows[places]
    above = np.where((places > 0)[:, None], rows[np.maximum(places - 1, 0)], np.uint8(0))
    left = np.zeros_like(current)
    left[:, pixel:] = current[:, :-pixel]
    if kind == 0:
        return np.zeros_like(current)
    if kind == 1:
        return left
    if kind == 2:
        return above
    a, b = left.astype(np.int16), above.astype(np.int16)
    if kind == 3:
        return ((a + b) // 2).astype(np.uint8)
    corner = np.zeros_like(a)
    corner[:, pixel:] = b[:, :-pixel]
    # |p - a|, |p - b|, |p - c| with p = a + b - c.
    da, db, dc = np.abs(b - corner), np.abs(a - corner), np.abs(a + b - 2 * corner)
    nearest = np.where((da <= db) & (da <= dc), a, np.where(db <= dc, b, corner))
    return nearest.astype(np.uint8)


def _deflate(file: PngFile, old: bytes, new: bytes) -> bytes:
    """Compress with the settings that best reproduce the beginning of the cover's own stream."""
    probe = old[:_PROBE_BYTES]
    target = file.data[: len(file.data) * len(probe) // len(old)]
    candidates = [
        (level, memory, strategy)
        for level in _LEVELS[file.data[1] >> 6]
        for memory in (8, 9)
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED)
    ]
    best = min(candidates, key=lambda each: _mismatch(_compress(probe, *each), target))
    return _compress(new, *best)


def _compress(data: bytes, level: int, memory: int, strategy: int) -> bytes:
    encoder = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, memory, strategy)
    return encoder.compress(data) + encoder.flush()


def _mismatch(stream: bytes, target: bytes) -> tuple[int, int]:
    """Rank settings: the longest common beginning in KiB first, then the nearest size."""
    size = min(len(stream), len(target))
    differs = np.frombuffer(stream, np.uint8, size) != np.frombuffer(target, np.uint8, size)
    agreed = int(differs.argmax()) if differs.any() else size
    return -(agreed >> 10), abs(len(stream) - len(target))


def _idat(stream: bytes, sizes: tuple[int, ...]) -> bytes:
    """Cut the stream as the cover's was: its pieces had one size, but for the last."""
    piece = max(sizes) if len(sizes) > 1 else max(len(stream), 1)
    out = bytearray()
    for start in range(0, len(stream), piece):
        body = b"IDAT" + stream[start : start + piece]
        out += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return bytes(out)
