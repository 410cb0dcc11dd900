"""Deflate compressors: which of them wrote a zlib stream, and the same one for other data.

A stream that a candidate writes again to the bit was written with that candidate's settings.
Candidates compress piece by piece and are dropped at the first byte that differs, so that a wrong
one costs a single block and only the right one costs the whole.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, TypeAlias

__all__ = ["Compressor", "Stored", "Zlib", "candidates", "identify"]

# What the two level bits of a zlib header can stand for, the likeliest first: (level, strategy).
_USUAL = (zlib.Z_FILTERED, zlib.Z_DEFAULT_STRATEGY)
_STRATEGIES_OF = (
    (
        *((1, strategy) for strategy in _USUAL),
        # zlib states the lowest level for these, whatever the level is.
        (1, zlib.Z_RLE),
        (1, zlib.Z_HUFFMAN_ONLY),
        *((level, zlib.Z_FIXED) for level in (6, 9, 1, 3)),
        *((0, strategy) for strategy in _USUAL),
    ),
    tuple((level, strategy) for level in (2, 3, 4, 5) for strategy in _USUAL),
    tuple((6, strategy) for strategy in _USUAL),
    tuple((level, strategy) for level in (9, 7, 8) for strategy in _USUAL),
)
_MEMORY = (8, 9)
_RARE_MEMORY = (7, 6, 5, 4, 3, 2, 1)
_ZLIB_NG = "zlib_ng.zlib_ng"

Data: TypeAlias = "bytes | memoryview[int]"


class Compressor(Protocol):
    """Settings of a compressor."""

    def compress(self, data: Data) -> bytes:
        """Return the zlib stream of the data."""

    def agreement(self, data: bytes, stream: bytes, enough: int) -> int:
        """Return how many bytes of the stream come out the same, at least; all of them or fewer.

        So many as are `enough` stand for all of them.
        """


@dataclass(frozen=True)
class Zlib:
    """zlib, or another library of its interface, with all its settings.

    `header` replaces the first two bytes: libpng names a smaller window there than it used.
    `piece` is how many bytes are handed over at once: zlib writes the same whatever it is, but
    zlib-ng does not.
    """

    level: int = 6
    window: int = 15
    memory: int = 8
    strategy: int = zlib.Z_FILTERED
    header: bytes = b""
    library: str = "zlib"
    piece: int = 1 << 16

    def _coder(self) -> Any:
        library = importlib.import_module(self.library)
        return library.compressobj(
            self.level, zlib.DEFLATED, self.window, self.memory, self.strategy
        )

    def compress(self, data: Data) -> bytes:
        """Return the zlib stream of the data."""
        return b"".join(self._pieces(data))

    def _pieces(self, data: Data) -> Iterator[bytes]:
        coder, view, header = self._coder(), memoryview(data), self.header
        for start in range(0, len(data), self.piece):
            new: bytes = coder.compress(view[start : start + self.piece])
            yield header[: len(new)] + new[len(header) :]
            header = header[len(new) :]
        yield coder.flush()

    def agreement(self, data: bytes, stream: bytes, enough: int) -> int:
        """Return how many bytes of the stream come out the same, up to the first that differs."""
        at = 0
        for new in self._pieces(data):
            if stream[at : at + len(new)] != new:
                return at + _common(stream[at:], new)
            at += len(new)
            if at >= enough:
                return len(stream)
        return at if at == len(stream) else at - 1


@dataclass(frozen=True)
class Stored:
    """No compression: blocks of these sizes, the last one marked in `final`."""

    header: bytes
    sizes: tuple[int, ...]

    def compress(self, data: Data) -> bytes:
        """Return the zlib stream of data as long as the original."""
        out: list[Data] = [self.header]
        at = 0
        for place, size in enumerate(self.sizes):
            last = place == len(self.sizes) - 1
            out.append(bytes([last]) + size.to_bytes(2, "little"))
            out.append((size ^ 0xFFFF).to_bytes(2, "little"))
            out.append(data[at : at + size])
            at += size
        return b"".join((*out, zlib.adler32(data).to_bytes(4, "big")))

    def agreement(self, data: bytes, stream: bytes, enough: int) -> int:
        """Return the length of the stream if the data is written as this stream, else 0."""
        del enough
        same = sum(self.sizes) == len(data) and self.compress(data) == stream
        return len(stream) if same else 0

    @classmethod
    def of(cls, stream: bytes) -> Stored | None:
        """Return the layout of a stream that has no compressed block."""
        at, sizes, last = 2, [], False
        while not last:
            if at + 5 > len(stream) or stream[at] > 1:
                return None
            last = bool(stream[at])
            sizes.append(int.from_bytes(stream[at + 1 : at + 3], "little"))
            at += 5 + sizes[-1]
        return cls(stream[:2], tuple(sizes)) if at + 4 == len(stream) else None


def _has(library: str) -> bool:
    try:
        importlib.import_module(library)
    except ImportError:
        return False
    return True


def _common(one: bytes, other: bytes) -> int:
    """Return the length of the longest common beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def candidates(stream: bytes, row: int = 1 << 16) -> Iterator[Compressor]:
    """Yield the compressors that may have written a stream, the likeliest first.

    Parameters
    ----------
    stream : the whole zlib stream, or its beginning
    row : how many bytes its writer probably compressed at once
    """
    stored = Stored.of(stream)
    if stored is not None:
        yield stored
        return
    header = stream[:2]
    named = max(9, 8 + (header[0] >> 4))
    likely = tuple(dict.fromkeys((named, 15)))
    rare = tuple(bits for bits in range(14, 8, -1) if bits not in likely)
    settings = list(_STRATEGIES_OF[header[1] >> 6])
    for memories, windows in ((_MEMORY, likely), (_RARE_MEMORY, likely), (_MEMORY, rare)):
        for bits, memory, (level, strategy) in product(windows, memories, settings):
            yield Zlib(level, bits, memory, strategy, header)
    if _has(_ZLIB_NG):
        for bits, memory, (level, strategy) in product(likely, _MEMORY, settings):
            yield Zlib(level, bits, memory, strategy, header, _ZLIB_NG, row)


def identify(
    data: bytes, stream: bytes, row: int = 1 << 16, enough: int = sys.maxsize
) -> tuple[Compressor, bool]:
    """Return the compressor that makes this stream of the data, and whether it does so exactly.

    Parameters
    ----------
    data : what the stream holds
    stream : the whole zlib stream
    row : how many bytes its writer probably compressed at once
    enough : bytes of the stream that tell a compressor as well as all of them

    Returns
    -------
    compressor; where none writes the same stream, the one that agrees longest
    """
    best: Compressor = Zlib()
    longest = -1
    for candidate in candidates(stream, row):
        agreed = candidate.agreement(data, stream, enough)
        if agreed == len(stream):
            return candidate, True
        if agreed > longest:
            best, longest = candidate, agreed
    return best, False
