"""PNG encoders: which of them wrote this image data, and other samples written the same way.

A PNG encoder shows in three ways: in the rule by which it picks a filter for each row, in the
settings of its deflate compressor, and in the compressor itself.  All three are tried out on the
cover: whatever reproduces the cover's own data reproduces the encoder.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from deephide.formats import deflate
from deephide.formats.deflate import Compressor, Zlib
from deephide.formats.png.filters import (
    LAZY_RULES,
    RULES,
    Bytes,
    Rows,
    apply_filters,
    choose_filters,
    follows,
    seems_to_follow,
)

__all__ = ["LIBPNG", "Encoder", "Rows", "apply_filters", "choose_filters", "identify"]

# Bytes of a stream that are compared.  Whatever else a program does, by strips or in threads, shows
# long before, and to write a stream of 12 megapixels once more takes a second.
_ENOUGH = 1 << 22
# What the two level bits of a zlib header can stand for, the likeliest first.
_LEVELS = {0: (1, 0), 1: (2, 3, 4, 5), 2: (6,), 3: (9, 7, 8)}


@dataclass(frozen=True)
class Encoder:
    """How rows become a zlib stream.

    `rule` names the choice of filters, None keeps each row's own.  `pillow` is the level of
    Pillow's own compressor, or None for `compressor`.  `exact` tells whether the cover's
    stream came out the same, of a long one the beginning.
    """

    rule: str | None = None
    pillow: int | None = None
    compressor: Compressor = field(default_factory=Zlib)
    exact: bool = False


# What libpng does if nobody tells it otherwise.
LIBPNG = Encoder("libpng")


def identify(passes: list[Rows], types: list[Bytes], old: bytes, stream: bytes) -> Encoder:
    """Find the encoder that made a stream out of known samples.

    Parameters
    ----------
    passes : the rows of the image, or of each pass of an interlaced one
    types : the filter of each of these rows
    old : the filtered rows as the stream has them
    stream : the cover's zlib stream

    Returns
    -------
    Encoder; with `exact` set if it writes the same stream again, the nearest one otherwise
    """
    for rule in LAZY_RULES if len(passes) == 1 else ():
        # The stream tells of the remaining rows too.
        if seems_to_follow(passes, types, rule):
            level = _pillow_level(passes[0], rule, stream)
            if level is not None:
                return Encoder(rule, pillow=level, exact=True)
    compressor, exact = deflate.identify(old, stream, 1 + passes[0][0].shape[1], _ENOUGH)
    followed = next((rule for rule in RULES if follows(passes, types, rule)), None)
    return Encoder(followed, None, compressor, exact)


def _pillow_level(picture: Rows, rule: str, stream: bytes) -> int | None:
    """Return the level at which Pillow writes this stream; its compressor is one of its own."""
    optimize = rule == "pillow-optimize"
    for level in (9,) if optimize else _LEVELS[stream[1] >> 6]:
        written = _Comparison(stream)
        try:
            _save(picture, level, optimize, written)
        except _DiffersError:
            continue
        except _EnoughError:
            return level
        if written.data == stream:
            return level
    return None


def pillow_stream(rows: Bytes, pixel: int, level: int, optimize: bool) -> bytes:
    """Return the zlib stream that Pillow itself writes for these rows."""
    written = _Comparison(None)
    _save((rows, pixel), level, optimize, written)
    return bytes(written.data)


def _save(picture: Rows, level: int, optimize: bool, target: Any) -> None:
    rows, pixel = picture
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixel]
    size = rows.shape[1] // pixel, rows.shape[0]
    image = Image.frombuffer(mode, size, rows, "raw", mode, 0, 1)
    image.save(target, "PNG", compress_level=level, optimize=optimize)


class _DiffersError(Exception):
    """The stream that is written is another one; no need to go on."""


class _EnoughError(Exception):
    """So much of the stream is the same that the rest will be."""


class _Comparison(io.RawIOBase):
    """A file that keeps the image data written to it, and stops where that tells enough.

    That is at the first byte that differs from a known stream, or after `_ENOUGH` that do not.

    Pillow writes a chunk in three pieces: length and name, data, checksum.
    """

    def __init__(self, stream: bytes | None) -> None:
        super().__init__()
        self._stream = stream
        self._expected = False
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        if self._expected:
            start = len(self.data)
            self.data += piece
            if self._stream is not None:
                if self._stream[start : start + len(piece)] != piece:
                    raise _DiffersError
                if len(self.data) >= _ENOUGH:
                    raise _EnoughError
        self._expected = len(piece) == 8 and bytes(piece[4:]) == b"IDAT"
        return len(piece)
