"""Sets of covers: image files of a folder or zip, in groups that show the same photo."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from deephide.errors import InputImageError

__all__ = ["ImageSet", "groups_of"]


class ImageSet:
    """Image files of a folder or zip, read by name.

    Parameters
    ----------
    path : folder or zip

    Raises
    ------
    e2style.DataError : neither, or without an image
    """

    def __init__(self, path: Path) -> None:
        from e2style.data.archive import Archive

        self._archive = Archive(path)
        self.names: list[str] = self._archive.names

    def raw(self, name: str) -> bytes:
        """Return the bytes of an image file.

        Raises
        ------
        InputImageError : they cannot be read
        """
        from e2style.data.archive import UNREADABLE, why

        try:
            return self._archive.read(name)
        except UNREADABLE as error:
            raise InputImageError(f"the image {name} cannot be read: {why(error)}") from error

    def read(self, name: str, mode: str = "RGB") -> Image.Image:
        """Return an image in RGB, or with mode "L" its luma.

        Raises
        ------
        InputImageError : the file holds no readable image
        """
        from e2style.data.archive import UNREADABLE, why

        try:
            with Image.open(io.BytesIO(self._archive.read(name))) as image:
                return image.convert(mode)
        except UNREADABLE as error:
            raise InputImageError(f"the image {name} cannot be read: {why(error)}") from error


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
