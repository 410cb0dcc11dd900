"""Encoders of PNG files: the settings that an image was written with, for other samples.

A PNG encoder shows in three ways: in the rule by which it picks a filter for each row, in the
settings of its deflate compressor, and in the compressor itself.  All three are tried out on the
old samples: whatever reproduces the data in the file reproduces the encoder.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["LIBPNG", "Encoder", "Rows", "apply_filters", "choose_filters", "identify"]

Bytes: TypeAlias = NDArray[np.uint8]
# The rows of a picture, (height, bytes per row), and the bytes per pixel.
Rows: TypeAlias = tuple[Bytes, int]

# What the two level bits of a zlib header can stand for, the likeliest first.
_LEVELS = {0: (1, 0), 1: (2, 3, 4, 5), 2: (6,), 3: (9, 7, 8)}
_STRATEGIES = (
    zlib.Z_FILTERED,
    zlib.Z_DEFAULT_STRATEGY,
    zlib.Z_RLE,
    zlib.Z_HUFFMAN_ONLY,
    zlib.Z_FIXED,
)
_PROBE_BYTES = 1 << 17
_BLOCK_BYTES = 1 << 21

# The order in which filters are tried; a later one must be strictly better.  libpng tries all
# five in the order of their numbers; Pillow begins with "up", and leaves "average" to `optimize`.
_RULES: dict[str, tuple[int, ...]] = {
    "libpng": (0, 1, 2, 3, 4),
    "pillow": (0, 2, 1, 4),
    "pillow-optimize": (0, 2, 1, 3, 4),
}
_LAZY_RULES = {"pillow", "pillow-optimize"}  # these stop at a row that has become all zero


@dataclass(frozen=True)
class Encoder:
    """How rows become a zlib stream.

    `rule` names the choice of filters, None keeps each row's own.  `pillow` is the level of
    Pillow's own compressor, or None for zlib with the settings that follow.  `exact` tells
    whether all of the old stream came out the same.
    """

    rule: str | None = None
    pillow: int | None = None
    level: int = 6
    window: int = 15
    memory: int = 8
    strategy: int = zlib.Z_FILTERED
    exact: bool = False

    def compress(self, filtered: bytes, header: bytes = b"") -> bytes:
        """Return the zlib stream of filtered rows, with the two bytes of `header` in front."""
        coder = zlib.compressobj(self.level, zlib.DEFLATED, self.window, self.memory, self.strategy)
        stream = coder.compress(filtered) + coder.flush()
        # libpng names a smaller window where the picture is small enough for it.
        small = header and len(filtered) <= 1 << (8 + (header[0] >> 4))
        return header + stream[2:] if small else stream


# What libpng does if nobody tells it otherwise.
LIBPNG = Encoder("libpng")


def apply_filters(rows: Bytes, types: Bytes, pixel: int) -> bytes:
    """Apply to each row the filter its type names (PNG specification, section 9)."""
    height, width = rows.shape
    out = np.empty((height, 1 + width), dtype=np.uint8)
    out[:, 0] = types
    for kind in range(5):
        # A block of rows at a time keeps the wide intermediates small.
        places = np.flatnonzero(types == kind)
        for chunk in np.array_split(places, max(1, places.size * width // _BLOCK_BYTES)):
            if chunk.size:
                out[chunk, 1:] = _filtered(_around(rows, chunk, pixel), kind)
    return out.tobytes()


def _around(rows: Bytes, places: NDArray[np.int64], pixel: int) -> tuple[Bytes, ...]:
    """Return the rows at `places`, what is left of them, above, and above to the left."""
    current = rows[places]
    above = np.where((places > 0)[:, None], rows[np.maximum(places - 1, 0)], np.uint8(0))
    left, corner = np.zeros_like(current), np.zeros_like(current)
    left[:, pixel:] = current[:, :-pixel]
    corner[:, pixel:] = above[:, :-pixel]
    return current, left, above, corner


def _filtered(around: tuple[Bytes, ...], kind: int) -> Bytes:
    current, left, above, corner = around
    if kind == 0:
        return current
    if kind == 1:
        return current - left
    if kind == 2:
        return current - above
    if kind == 3:  # the mean of the two, rounded down, without a wider type
        return current - ((left & above) + ((left ^ above) >> 1))
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    # |p - a|, |p - b|, |p - c| with p = a + b - c.
    da, db, dc = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where((da <= db) & (da <= dc), left, np.where(db <= dc, above, corner))
    return current - nearest


def choose_filters(rows: Bytes, pixel: int, rule: str) -> Bytes:
    """Return the filter that a rule picks for each row: the least sum of distances from zero."""
    height, width = rows.shape
    types = np.zeros(height, np.uint8)
    for chunk in np.array_split(np.arange(height), max(1, height * width // _BLOCK_BYTES)):
        around = _around(rows, chunk, pixel)
        best = np.full(chunk.size, np.iinfo(np.int64).max)
        for kind in _RULES[rule]:
            away = np.abs(_filtered(around, kind).view(np.int8).astype(np.int16))
            total = away.sum(axis=1, dtype=np.int64)
            better = total < best
            if rule in _LAZY_RULES:
                better &= best > 0
            types[chunk[better]] = kind
            best = np.where(better, total, best)
    return types


def identify(passes: list[Rows], types: list[Bytes], old: bytes, stream: bytes) -> Encoder:
    """Find the encoder that made a stream out of known samples.

    Parameters
    ----------
    passes : the rows of the picture, or of each pass of an interlaced one
    types : the filter of each of these rows
    old : the filtered rows as the stream has them
    stream : the old zlib stream

    Returns
    -------
    Encoder; with `exact` set if it writes the same stream again, the nearest one otherwise
    """
    rules = [rule for rule in _RULES if _follows(passes, types, rule)]
    if len(passes) == 1:
        for rule in rules:
            found = _as_pillow(passes[0], rule, stream)
            if found is not None:
                return found
    first = next(iter(rules), None)
    probe = old[:_PROBE_BYTES]
    target = stream[: len(stream) * len(probe) // len(old)]
    ranked: list[tuple[tuple[int, int], Encoder]] = []
    for candidate in _candidates(stream, first):
        mismatch = _mismatch(candidate.compress(probe, stream[:2]), target)
        ranked.append((mismatch, candidate))
        # The last blocks of a probe are cut otherwise than in the middle of a stream.
        if -mismatch[0] >= max(len(target) // 4, 1) and _reproduces(candidate, old, stream):
            return _settled(candidate)
    best = min(ranked, key=lambda each: each[0])[1]
    return _settled(best) if _reproduces(best, old, stream) else best


def _reproduces(encoder: Encoder, old: bytes, stream: bytes) -> bool:
    return encoder.compress(old, stream[:2]) == stream


def _settled(encoder: Encoder) -> Encoder:
    return replace(encoder, exact=True)


def _follows(passes: list[Rows], types: list[Bytes], rule: str) -> bool:
    """Tell whether all rows have the filter that the rule picks; a sample first, to save time."""
    for (rows, pixel), used in zip(passes, types, strict=True):
        if not np.array_equal(choose_filters(rows[:16], pixel, rule), used[:16]):
            return False
    return all(
        np.array_equal(choose_filters(rows, pixel, rule), used)
        for (rows, pixel), used in zip(passes, types, strict=True)
    )


def _candidates(stream: bytes, rule: str | None) -> Iterator[Encoder]:
    window = max(9, 8 + (stream[0] >> 4))
    for level in _LEVELS[stream[1] >> 6]:
        for strategy in _STRATEGIES if level else _STRATEGIES[:1]:
            for memory in (8, 9):
                for bits in dict.fromkeys((window, 15)):
                    yield Encoder(rule, None, level, bits, memory, strategy)


def _as_pillow(picture: Rows, rule: str, stream: bytes) -> Encoder | None:
    """Return Pillow's encoder if it writes this stream; its compressor is one of its own."""
    if rule not in _LAZY_RULES:
        return None
    rows, pixel = picture
    few = max(1, min(len(rows), _PROBE_BYTES // rows.shape[1]))
    for level in _LEVELS[stream[1] >> 6]:
        optimize = rule == "pillow-optimize"
        if optimize and level != 9:
            continue
        probe = pillow_stream(rows[:few], pixel, level, optimize)
        agreed = -_mismatch(probe, stream)[0]
        if agreed < min(len(probe), len(stream)) // 2:
            continue
        if pillow_stream(rows, pixel, level, optimize) == stream:
            return Encoder(rule, pillow=level, exact=True)
    return None


def pillow_stream(rows: Bytes, pixel: int, level: int, optimize: bool) -> bytes:
    """Return the zlib stream that Pillow itself writes for these rows."""
    shape = (rows.shape[0], rows.shape[1] // pixel, pixel)
    buffer = io.BytesIO()
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixel]
    image = Image.frombytes(mode, (shape[1], shape[0]), rows.tobytes())
    image.save(buffer, "PNG", compress_level=level, optimize=optimize)
    raw, out, at = buffer.getvalue(), bytearray(), 8
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        if raw[at + 4 : at + 8] == b"IDAT":
            out += raw[at + 8 : at + 8 + length]
        at += 12 + length
    return bytes(out)


def _mismatch(stream: bytes, target: bytes) -> tuple[int, int]:
    """Rank settings: the longest common beginning first, then the nearest size."""
    size = min(len(stream), len(target))
    differs = np.frombuffer(stream, np.uint8, size) != np.frombuffer(target, np.uint8, size)
    agreed = int(differs.argmax()) if differs.any() else size
    return -agreed, abs(len(stream) - len(target))
