"""Chunks of a PNG file: new samples inside the file that held the old ones.

Pillow would drop most ancillary chunks and write its own filter and IDAT pattern, which tells
anyone that the file passed through Pillow.  Here every chunk but IDAT stays byte for byte, and
`png_encoder` finds out how the old image data was written and writes the new data that way.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from deephide.formats.exif import orientation, orientation_alone
from deephide.formats.png import encoder as png_encoder
from deephide.formats.png.chunks import (
    LOOKS,
    SIGNATURE,
    PngFormatError,
    chunk,
    chunks,
    is_ancillary,
    is_sound,
)
from deephide.formats.png.encoder import Rows

__all__ = [
    "PngFile",
    "new_file",
    "parse",
    "read_size",
    "replace_samples",
    "study",
    "without_metadata",
]

_log = logging.getLogger(__name__)

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
_LIBPNG_PIECE = 8192  # bytes in each of libpng's IDAT chunks but the last


@dataclass(frozen=True)
class PngFile:
    """A PNG file taken apart.

    `before` and `after` are the raw bytes on either side of the IDAT chunks, `data` the zlib
    stream they carry and `sizes` how it was cut.  `flawed` are the names of ancillary chunks with
    a wrong checksum.
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
    flawed: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """Samples per pixel, alpha included; 1 for palette files."""
        return _CHANNELS.get(self.colour_type, 1)


def read_size(stream: BinaryIO) -> tuple[int, int] | None:
    """Return width and height by the header of an open file; None where there is no such header."""
    head = stream.read(24)
    if not head.startswith(SIGNATURE) or len(head) < 24:
        return None
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def parse(raw: bytes, *, whole: bool = True) -> PngFile:
    """Take a PNG file apart and check its chunk structure and checksums.

    Parameters
    ----------
    raw : the file
    whole : copy its bytes too; without them nothing can be written

    Raises
    ------
    PngFormatError : not PNG, truncated or damaged
    """
    if not raw.startswith(SIGNATURE):
        raise PngFormatError("not a PNG file")
    header: tuple[int, ...] | None = None
    data: list[memoryview] = []
    view = memoryview(raw)
    first = last = 0
    animated = False
    flawed = []
    for start, kind, length in chunks(raw):
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise PngFormatError("the first chunk is not a header")
            header = struct.unpack_from(">IIBBBBB", raw, start + 8)
        animated |= kind == b"acTL"
        if is_ancillary(kind) and not is_sound(raw, start, start + 12 + length):
            flawed.append(kind.decode("latin-1"))
        if kind == b"IDAT":
            if data and start != last:
                raise PngFormatError("the image data is not in one piece")
            first = first or start
            last = start + 12 + length
            data.append(view[start + 8 : start + 8 + length])
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
        raw[:first] if whole else b"",
        b"".join(data) if whole else b"",
        tuple(len(piece) for piece in data),
        raw[last:] if whole else b"",
        tuple(flawed),
    )


def without_metadata(file: PngFile) -> PngFile:
    """Return the file without texts, times, EXIF data, unknown chunks and trailing bytes.

    Of EXIF data the orientation stays, without which the image would be shown turned.
    """
    kept = {b"before": bytearray(SIGNATURE), b"after": bytearray()}
    raw = file.before + file.after
    side = b"before"
    for start, kind, length in chunks(raw):
        if start == len(file.before):
            side = b"after"
        if kind in LOOKS:
            kept[side] += raw[start : start + 12 + length]
        elif kind == b"eXIf":
            turned = orientation(raw[start + 8 : start + 8 + length])
            kept[side] += chunk(b"eXIf", orientation_alone(turned)) if turned != 1 else b""
    return replace(file, before=bytes(kept[b"before"]), after=bytes(kept[b"after"]))


def study(file: PngFile, original: NDArray[np.uint8]) -> png_encoder.Encoder:
    """Find out how the image data was written; this takes as long as writing it a few times.

    Parameters
    ----------
    file : 8 bits per sample, gray, RGB or RGBA
    original : (H, W, C) uint8, C including alpha; what the file holds

    Raises
    ------
    PngFormatError : the image data cannot be read
    """
    _check_shape(file, original)
    old = _inflate(file)
    types = _filter_types(file, old)
    return png_encoder.identify(list(_passes(file, original)), types, old, file.data)


def replace_samples(
    file: PngFile,
    original: NDArray[np.uint8],
    samples: NDArray[np.uint8],
    encoder: png_encoder.Encoder | None = None,
) -> bytes:
    """Return the file with new samples and nothing else changed.

    The program that wrote the file is imitated: filters by its rule where it follows one that
    is known, and each row's own otherwise; the compressor and its settings.

    Parameters
    ----------
    file : 8 bits per sample, gray, RGB or RGBA
    original, samples : (H, W, C) uint8, C including alpha; what the file holds and shall hold
    encoder : what `study` returned, if it was asked before

    Raises
    ------
    PngFormatError : the old image data cannot be read
    """
    _check_shape(file, samples)
    encoder = study(file, original) if encoder is None else encoder
    if not encoder.exact:
        _log.warning(
            "the program that wrote the PNG file cannot be imitated: comparing the compressed "
            "data with that program's own shows that the file was written again"
        )
    stream = _encode(file, list(_passes(file, samples)), encoder)
    before = file.before if stream == file.data else _without_pointers(file.before)
    return before + _idat(stream, file.sizes) + file.after


def _without_pointers(before: bytes) -> bytes:
    """Return the chunks before the image data but Apple's iDOT, which says where its middle is.

    Apple's decoders begin there with a second thread: in other image data, in the wrong place.
    """
    at = len(SIGNATURE)
    while at < len(before):
        end = at + 12 + int.from_bytes(before[at : at + 4], "big")
        if before[at + 4 : at + 8] == b"iDOT":
            _log.warning("the chunk iDOT, which points into the old image data, is left out")
            return before[:at] + before[end:]
        at = end
    return before


def _check_shape(file: PngFile, array: NDArray[np.uint8]) -> None:
    if file.bit_depth != 8 or array.shape != (file.height, file.width, file.channels):
        raise ValueError(f"samples: got {array.shape}, which does not fit the file")


def _encode(file: PngFile, passes: list[Rows], encoder: png_encoder.Encoder) -> bytes:
    rule = encoder.rule
    if encoder.pillow is not None:
        return png_encoder.pillow_stream(*passes[0], encoder.pillow, rule == "pillow-optimize")
    if rule is None:
        types = _filter_types(file, _inflate(file))
    else:
        types = [png_encoder.choose_filters(rows, pixel, rule) for rows, pixel in passes]
    filtered = [
        png_encoder.apply_filters(rows, used, pixel)
        for (rows, pixel), used in zip(passes, types, strict=True)
    ]
    return encoder.compressor.compress(filtered[0] if len(filtered) == 1 else b"".join(filtered))


def _filter_types(file: PngFile, old: bytes) -> list[NDArray[np.uint8]]:
    """Return the filter of each row of each pass."""
    found, at = [], 0
    for height, width in _pass_shapes(file):
        types = np.frombuffer(old, np.uint8, height * (1 + width), at)[:: 1 + width]
        if types.max(initial=0) > 4:
            raise PngFormatError("a row has an unknown filter")
        found.append(types)
        at += height * (1 + width)
    return found


def _grid(file: PngFile) -> tuple[tuple[int, int, int, int], ...]:
    return _ADAM7 if file.interlaced else ((0, 0, 1, 1),)


def _passes(file: PngFile, samples: NDArray[np.uint8]) -> Iterator[Rows]:
    """Yield the rows of each (reduced) image as (rows, bytes), with the bytes per pixel."""
    for x0, y0, dx, dy in _grid(file):
        part = samples[y0::dy, x0::dx]
        if part.size:
            yield np.ascontiguousarray(part).reshape(part.shape[0], -1), file.channels


def _pass_shapes(file: PngFile) -> Iterator[tuple[int, int]]:
    """Yield height and bytes per row, without the filter, of each (reduced) image."""
    for x0, y0, dx, dy in _grid(file):
        height, width = -(-(file.height - y0) // dy), -(-(file.width - x0) // dx)
        if height > 0 and width > 0:
            yield height, width * file.channels


def _inflate(file: PngFile) -> bytes:
    expected = sum(height * (1 + width) for height, width in _pass_shapes(file))
    decoder = zlib.decompressobj()
    try:
        old = decoder.decompress(file.data, expected)
    except zlib.error as error:
        raise PngFormatError("the image data is damaged") from error
    if len(old) < expected:
        raise PngFormatError("the image data ends in the middle")
    return old


def _idat(stream: bytes, sizes: tuple[int, ...]) -> bytes:
    """Cut the stream as the old one was: its pieces had one size, but for the last."""
    out = bytearray()
    if len(stream) == sum(sizes):
        at = 0
        for size in sizes:
            out += chunk(b"IDAT", stream[at : at + size])
            at += size
        return bytes(out)
    piece = max(sizes) if len(sizes) > 1 else max(len(stream), 1)
    for start in range(0, len(stream), piece):
        out += chunk(b"IDAT", stream[start : start + piece])
    return bytes(out)


def new_file(samples: NDArray[np.uint8], icc_profile: bytes | None = None) -> bytes:
    """Return a PNG file as libpng writes it by default, the most common look of such a file.

    Parameters
    ----------
    samples : (H, W, C) uint8 with 1, 3 or 4 channels
    icc_profile : colour profile to go with them
    """
    height, width, channels = samples.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = [SIGNATURE, chunk(b"IHDR", header)]
    if icc_profile is not None:
        parts.append(chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc_profile)))
    rows, encoder = samples.reshape(height, -1), png_encoder.LIBPNG
    types = png_encoder.choose_filters(rows, channels, "libpng")
    stream = encoder.compressor.compress(png_encoder.apply_filters(rows, types, channels))
    return b"".join((*parts, _idat(stream, (_LIBPNG_PIECE, 0)), chunk(b"IEND", b"")))
