"""A set of covers: picture files of a folder or zip, and which of them show the same photo."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from deephide.errors import InputImageError

__all__ = ["PictureSet", "groups_of"]


class PictureSet:
    """Picture files of a folder or zip, read by name.

    Parameters
    ----------
    path : folder or zip

    Raises
    ------
    e2style.DataError : neither, or without a picture
    """

    def __init__(self, path: Path) -> None:
        from e2style.data.archive import Archive

        self._archive = Archive(path)
        self.names: list[str] = self._archive.names

    def read(self, name: str, mode: str = "RGB") -> Image.Image:
        """Return a picture in RGB, or with mode "L" its luma.

        Raises
        ------
        InputImageError : the file holds no readable picture
        """
        from e2style.data.archive import UNREADABLE, why

        try:
            with Image.open(io.BytesIO(self._archive.read(name))) as picture:
                return picture.convert(mode)
        except UNREADABLE as error:
            raise InputImageError(f"the picture {name} cannot be read: {why(error)}") from error


def groups_of(names: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Number the photos that covers come from: those in one folder are cut from one photo.

    Parameters
    ----------
    names : of covers; one without a folder stands alone

    Returns
    -------
    groups : (n,) integers
    """
    numbers: dict[str, int] = {}
    found = []
    for name in names:
        folder = PurePosixPath(name).parent.as_posix()
        found.append(numbers.setdefault(name if folder == "." else folder, len(numbers)))
    return np.array(found, dtype=np.intp)
