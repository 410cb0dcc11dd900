"""Kinds of covers: one line each, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from deephide import output
from deephide.covers import jpeg, samples
from deephide.covers.base import Cover
from deephide.formats.jpeg.segments import is_jpeg
from deephide.formats.png import file as png
from deephide.formats.webp import is_webp

__all__ = ["FIRST_BYTES", "KINDS", "Kind", "find", "read_size"]

FIRST_BYTES = 12  # which tell the kinds apart

Size: TypeAlias = "tuple[int, int]"


@dataclass(frozen=True)
class Kind:
    """One kind of file that can be a cover.

    Parameters
    ----------
    recognise : whether a file is of this kind, by its first bytes
    open : the cover that a file is, and "carrier" or "stego" for messages
    suffixes : what the name of a stego may end in, the usual one first
    named_alike : the carrier's own suffix comes first, where it is one of them
    read_size : width and height of an open file by its header; None where it cannot be told
    is_compiled : whether what reads and writes a file is compiled; None where nothing has to be
    """

    recognise: Callable[[bytes], bool]
    open: Callable[[bytes, str], Cover]
    suffixes: tuple[str, ...]
    named_alike: bool = False
    read_size: Callable[[BinaryIO], Size | None] = lambda stream: None
    is_compiled: Callable[[bytes], bool] | None = None


def _starts(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda raw: raw.startswith(starts)


_BMP, _TIFF, _WEBP = ((*own, *output.PNG) for own in (output.BMP, output.TIFF, output.WEBP))

KINDS = (
    Kind(
        is_jpeg,
        jpeg.open_file,
        output.JPEG,
        read_size=jpeg.read_size,
        is_compiled=jpeg.is_compiled,
    ),
    Kind(_starts(b"BM"), samples.open_file, _BMP),
    Kind(_starts(b"II", b"MM"), samples.open_file, _TIFF, named_alike=True),
    Kind(is_webp, samples.open_file, _WEBP),
    # Of all others, `samples` says what they are.
    Kind(_starts(b""), samples.open_file, output.PNG, read_size=png.read_size),
)


def find(first: bytes) -> Kind:
    """Return the kind of a file by its first bytes."""
    return next(kind for kind in KINDS if kind.recognise(first))


def read_size(stream: BinaryIO) -> Size | None:
    """Return width and height of an open file by its header; None where it cannot be told."""
    kind = find(stream.read(FIRST_BYTES))
    stream.seek(0)
    return kind.read_size(stream)
