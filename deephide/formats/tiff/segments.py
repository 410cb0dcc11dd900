"""Strips and tiles of a TIFF file: how they are compressed, and the samples in them."""

from __future__ import annotations

import io
import lzma
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
import zstandard
from numpy.typing import NDArray

from deephide.formats import deflate
from deephide.formats.tiff.directories import TiffFormatError, TiffUnsupportedError

__all__ = [
    "LOSSY",
    "Grid",
    "Layout",
    "Packing",
    "check",
    "difference",
    "packed",
    "replace_width",
    "study",
    "summed",
    "unpacked",
]

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD, LZMA = 1, 5, 8, 32946, 32773, 50000, 34925
_KNOWN = {NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD, LZMA}
LOSSY = {6: "jpeg", 7: "jpeg", 34712: "jpeg2000", 34887: "lerc", 50001: "webp", 50002: "jpeg-xl"}
LOSSY |= {33003: "jpeg2000", 33005: "jpeg2000", 34892: "jpeg"}
_MAX_WINDOW = 1 << 27
_MAX_LZMA_BYTES = 1 << 27
# As libtiff has it.
_LZMA_FILTERS = ({"id": lzma.FILTER_DELTA, "dist": 1}, {"id": lzma.FILTER_LZMA2, "preset": 6})
_SLACK = 1 << 16
_PIECE = 1 << 24
_REVERSED = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)
_ZSTD_LEVELS = (9, 3, *range(1, 23))


@dataclass(frozen=True)
class Grid:
    """The rectangles of an image: (plane, top, left) and the rows and columns of each.

    Tiles reach beyond the image; strips are as wide as it is, and the last one is shorter.
    `samples` are those of a pixel in one segment, `width` the bytes of each.
    """

    height: int
    columns: int
    across: int
    down: int
    planes: int
    samples: int
    tiled: bool
    width: int = 1

    @property
    def per_plane(self) -> int:
        """Number of segments of one plane."""
        return -(-self.height // self.down) * -(-self.columns // self.across)

    @property
    def count(self) -> int:
        """Number of all segments."""
        return self.planes * self.per_plane

    def place(self, index: int) -> tuple[int, int, int]:
        """Return plane, top and left of a segment."""
        plane, rest = divmod(index, self.per_plane)
        row, column = divmod(rest, -(-self.columns // self.across))
        return plane, row * self.down, column * self.across

    def rows(self, index: int) -> int:
        """Return the rows of a segment."""
        return self.down if self.tiled else min(self.down, self.height - self.place(index)[1])

    def row_bytes(self) -> int:
        """Return the bytes of a row of a segment."""
        return self.across * self.samples * self.width


def replace_width(grid: Grid, width: int) -> Grid:
    """Return the grid of wider samples."""
    return replace(grid, width=width)


@dataclass(frozen=True)
class Layout:
    """How the samples of a segment become its bytes."""

    compression: int
    predictor: int
    reversed_bits: bool


@dataclass(frozen=True)
class Packing:
    """The settings of the compressor that wrote a file; `exact` if it writes the same again."""

    watch: bool = True
    deflater: deflate.Compressor = field(default_factory=deflate.Zlib)
    zstd: int = 9
    exact: bool = True


def check(layout: Layout) -> None:
    """Reject what cannot be read and written again.

    Raises
    ------
    TiffUnsupportedError : lossy, or of an uncommon kind
    """
    compression = layout.compression
    if compression in LOSSY:
        raise TiffUnsupportedError(f"a TIFF file with lossy compression ({LOSSY[compression]})")
    if compression not in _KNOWN:
        raise TiffUnsupportedError(f"a TIFF file with the uncommon compression {compression}")
    if layout.predictor not in (1, 2):
        raise TiffUnsupportedError(f"a TIFF file with the uncommon predictor {layout.predictor}")


def unpacked(layout: Layout, raw: bytes, size: int) -> bytes:
    """Return the bytes of a segment before the predictor is undone, `size` of them or more.

    Raises
    ------
    TiffFormatError : they cannot be read, or are too few or far too many
    TiffUnsupportedError : LZW of the time before TIFF 6.0
    """
    raw = _turned(layout, raw)
    try:
        out = _decompressed(layout.compression, raw, size)
    except (zlib.error, zstandard.ZstdError, lzma.LZMAError) as error:
        raise TiffFormatError("the image data is damaged") from error
    if len(out) < size:
        raise TiffFormatError("the image data ends in the middle")
    return out


def _turned(layout: Layout, raw: bytes) -> bytes:
    if not layout.reversed_bits:
        return raw
    return _REVERSED[np.frombuffer(raw, np.uint8)].tobytes()


def _decompressed(compression: int, raw: bytes, size: int) -> bytes:
    if compression == NONE:
        return raw
    if compression in (DEFLATE, OLD_DEFLATE):
        return _inflated(raw, size + _SLACK)
    if compression == ZSTD:
        decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        return decoder.stream_reader(io.BytesIO(raw)).read(size + _SLACK)
    if compression == LZMA:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_LZMA_BYTES).decompress(raw, size + _SLACK)
    from deephide.formats.tiff import lzw

    if compression == PACKBITS:
        return lzw.unpackbits(raw, size)
    if raw[:1] == b"\0" and len(raw) > 1 and raw[1] & 1:
        raise TiffUnsupportedError("a TIFF file with LZW of an outdated kind")
    found = lzw.unpack(raw, size)
    if found is None:
        raise TiffFormatError("the image data is damaged")
    return found


def _inflated(raw: bytes, most: int) -> bytes:
    """Return what was deflated; piece by piece, as zlib would hold a long result twice."""
    inflater, out = zlib.decompressobj(), io.BytesIO()
    while not inflater.eof and out.tell() < most:
        piece = inflater.decompress(raw, min(most - out.tell(), _PIECE))
        raw = inflater.unconsumed_tail
        if not piece and not raw:
            break
        out.write(piece)
    if raw:
        raise TiffFormatError("a segment holds more than its samples")
    return out.getvalue()


def packed(layout: Layout, packing: Packing, data: bytes, row: int) -> bytes:
    """Return the bytes of a segment as they are in the file; `row` is the length of its rows."""
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        data = packing.deflater.compress(data)
    elif layout.compression == ZSTD:
        # As a stream, which does not say its size: this is how libtiff writes it.
        coder = zstandard.ZstdCompressor(level=packing.zstd).compressobj()
        data = coder.compress(data) + coder.flush()
    elif layout.compression == LZMA:
        data = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=_LZMA_FILTERS)
    elif layout.compression != NONE:
        from deephide.formats.tiff import lzw

        if layout.compression == PACKBITS:
            data = lzw.packbits(data, row)
        else:
            data = lzw.pack(data, watch=packing.watch)
    return _turned(layout, data)


def study(layout: Layout, segments: list[bytes], data: list[bytes], row: int) -> Packing:
    """Find the settings that the segments were written with.

    Parameters
    ----------
    layout : of the file
    segments, data : a few segments as they are in the file, and what is in them
    row : bytes of a row

    Returns
    -------
    Packing; `exact` tells whether it writes all of these segments again
    """
    pairs = list(zip(segments, data, strict=True))
    choices = [Packing()]
    if layout.compression == LZW:
        choices = [Packing(watch=True), Packing(watch=False)]
    elif layout.compression == ZSTD:
        choices = [Packing(zstd=level) for level in _ZSTD_LEVELS]
    elif layout.compression in (DEFLATE, OLD_DEFLATE):
        # The longest is the one that tells most, an exact match for it most likely the true one.
        segment, plain = max(pairs, key=lambda pair: len(pair[1]))
        choices = [Packing(deflater=deflate.identify(plain, _turned(layout, segment), row)[0])]
    for choice in choices:
        if all(packed(layout, choice, plain, row) == segment for segment, plain in pairs):
            return choice
    return replace(choices[0], exact=False)


def difference(rows: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    """Apply the predictor to (rows, columns, samples)."""
    if layout.predictor == 1:
        return rows
    out = rows.copy()
    out[:, 1:] -= rows[:, :-1]
    return out


def summed(rows: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    """Undo the predictor of (rows, columns, samples)."""
    return rows if layout.predictor == 1 else np.cumsum(rows, axis=1, dtype=rows.dtype)
