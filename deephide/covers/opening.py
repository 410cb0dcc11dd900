"""Opening of covers and stegos: any source to a cover of its kind."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from deephide import output
from deephide.covers import kinds, samples
from deephide.covers.base import Cover
from deephide.formats.files import ImageSource, first_bytes, read_source

__all__ = ["is_compiled", "is_read_by_compiled_code", "open_cover", "safe_suffixes", "suffixes"]


def open_cover(source: ImageSource | bytes, role: str = "carrier") -> Cover:
    """Read a cover or a stego in its own domain.

    Parameters
    ----------
    source : PIL image of mode L, RGB or RGBA, or a PNG, BMP, TIFF or JPEG file, by its path or
        as bytes.  A PIL image is taken for its samples, wherever it came from
    role : "carrier" or "stego", as messages call it

    Raises
    ------
    InputImageError : it cannot be read, or cannot carry a message
    ExtractionError : a stego too small to hold anything
    """
    if isinstance(source, Image.Image):
        return samples.from_image(source, role)
    raw = read_source(source, role)
    return kinds.find(raw).open(raw, role)


def is_compiled(source: ImageSource | bytes) -> bool:
    """Return whether a carrier can be read and written at once, without compiling for it."""
    check = _kind(source).is_compiled
    if check is None or isinstance(source, Image.Image):
        return True
    return check(read_source(source, "carrier"))


def is_read_by_compiled_code(source: ImageSource | bytes) -> bool:
    """Return whether a carrier cannot even be read before something is compiled."""
    return _kind(source).is_compiled is not None


def suffixes(source: ImageSource | bytes) -> tuple[str, ...]:
    """Return what the name of a carrier's stego may end in, beginning with what it ends in by rule.

    A stego is a file of the carrier's format; of a BMP or TIFF file it may be a PNG file too.  An
    image in memory and a file of no such format get PNG.
    """
    kind = _kind(source)
    if kind.named_alike and isinstance(source, str | os.PathLike):
        own = Path(source).suffix.lower()
        return tuple(sorted(kind.suffixes, key=lambda each: each != own))
    return kind.suffixes


def safe_suffixes(source: ImageSource | bytes) -> tuple[str, ...]:
    """Return what the name of a carrier's stego may end in whatever the file is like inside."""
    allowed = _kind(source).suffixes
    return tuple(each for each in allowed if each in output.PNG) or allowed


def _kind(source: ImageSource | bytes) -> kinds.Kind:
    """Return the kind of a source; that of PNG files for images in memory and unreadable files."""
    return kinds.find(first_bytes(source, kinds.FIRST_BYTES))
