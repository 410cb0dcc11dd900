"""Reuse of a cover: images in a folder that are earlier stegos of it, or the cover itself.

Two stegos of one cover differ only where their messages lie.  No record of used covers is kept,
because it would be evidence; a folder that the user names can be searched instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from deephide.covers import kinds, precovers
from deephide.covers.base import Cover
from deephide.covers.opening import open_cover, safe_suffixes
from deephide.errors import DeephideError, InputImageError
from deephide.formats.files import ImageSource
from deephide.making import Making

__all__ = ["earlier_uses"]

_MAX_FILES = 10_000
_MAX_DECODED = 200
_MAX_DIFFERENT = 0.25


def earlier_uses(
    carrier: ImageSource | bytes, folder: str | os.PathLike[str], making: Making | None = None
) -> tuple[Path, ...]:
    """Return the images in a folder that may be stegos of this cover, or the cover itself.

    Parameters
    ----------
    carrier : what is to be used; its own file does not count
    folder : searched without its subfolders; at most 10,000 PNG files, or JPEG files for a
        JPEG carrier, are looked at, and 200 of the right size are read
    making : what the program makes of the carrier first, or None

    Returns
    -------
    paths of images of the same shape whose samples or coefficients differ by at most one level,
    in at most a quarter of them

    Raises
    ------
    InputImageError : the carrier cannot be used, or the folder is none
    """
    if not Path(folder).is_dir():
        raise InputImageError(f"the folder to compare with does not exist: {folder}")
    cover: Cover
    if making is None:
        cover, named = open_cover(carrier), safe_suffixes(carrier)
    else:
        cover, _ = precovers.make(carrier, making)
        named = precovers.suffixes(carrier, making)
    itself = None if isinstance(carrier, Image.Image | bytes) else Path(carrier).resolve()
    found = []
    likely = _of_size(cover.shape[:2], Path(folder), named)
    for path in islice(likely, _MAX_DECODED):
        if path.resolve() == itself:
            continue
        try:
            other = open_cover(path)
        except DeephideError:
            continue
        if other.associated == cover.associated and _differs_little(cover, other):
            found.append(path)
    return tuple(found)


def _of_size(size: tuple[int, int], folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files whose names end in one of the suffixes and whose headers tell the size."""
    named = (path for path in sorted(folder.glob("*")) if path.suffix.lower() in suffixes)
    for path in islice(named, _MAX_FILES):
        try:
            if not path.is_file():  # to open a named pipe would wait for ever
                continue
            with path.open("rb") as stream:
                if kinds.read_size(stream) == size:
                    yield path
        except OSError:
            continue


def _differs_little(cover: Cover, other: Cover) -> bool:
    one, two = cover.elements, other.elements
    away = np.maximum(one, two) - np.minimum(one, two)
    return int(away.max(initial=0)) <= 1 and float(away.mean()) <= _MAX_DIFFERENT
