"""Image files of a folder or zip, by name, and their pixels."""

from __future__ import annotations

import io
import lzma
import struct
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from e2style.data.scaling import scaled, squared
from e2style.errors import DataError

__all__ = ["SUFFIXES", "UNREADABLE", "Archive", "Array", "decode", "photo", "why"]

Array = NDArray[np.uint8]

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
# What a damaged, encrypted or strangely compressed member, or a broken image, can raise.
UNREADABLE = (
    ArithmeticError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, ValueError,
    Image.DecompressionBombError, lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Archive:
    """Image files of a folder or zip, by name; reading is safe from many threads.

    Parameters
    ----------
    path : folder or zip

    Raises
    ------
    DataError : neither, or without an image
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._zip: zipfile.ZipFile | None = None
        self._lock = threading.Lock()
        if self.path.is_dir():
            files = (f for f in self.path.rglob("*") if f.is_file())
            names = [f.relative_to(self.path).as_posix() for f in files]
        elif zipfile.is_zipfile(self.path):
            try:
                self._zip = zipfile.ZipFile(self.path)
            except UNREADABLE as error:
                raise DataError(f"data {path}: {why(error)}") from error
            names = [name for name in self._zip.namelist() if not name.endswith("/")]
        else:
            raise DataError(f"data {path}: neither a folder nor a zip of images")
        self.names = sorted(n for n in names if Path(n).suffix.lower() in SUFFIXES)
        if not self.names:
            raise DataError(f"data {path}: holds no image")

    def read(self, name: str) -> bytes:
        """Bytes of one image file; may raise what stands in UNREADABLE."""
        if self._zip is None:
            return (self.path / name).read_bytes()
        with self._lock:
            return self._zip.read(name)

    def close(self) -> None:
        """Close the zip."""
        if self._zip is not None:
            self._zip.close()


def decode(data: bytes, side: int, mode: str = "RGB", *, fit: str = "stretch") -> Array:
    """Image bytes -> (side, side, 3), or (side, side) for "L" and "labels", uint8.

    Images are scaled as `e2style.data.scaling` says. Label maps take the nearest label, since an
    average of two class numbers is a third class.

    Parameters
    ----------
    data : content of an image file
    side : of the result
    mode : "RGB", "L" or "labels"
    fit : of an image that is not square, one of `FITS`

    Raises
    ------
    any of UNREADABLE : no image, or a damaged one
    """
    with Image.open(io.BytesIO(data)) as opened:
        if mode == "labels":
            # A palette image holds class numbers, which a conversion would turn into grays.
            image = opened if opened.mode in {"L", "P"} else opened.convert("L")
            image = squared(image, fit)
            return np.array(image.resize((side, side), Image.Resampling.NEAREST))
        image = squared(opened.convert(mode), fit)
    return np.array(scaled(image, side))


def photo(data: bytes) -> Image.Image:
    """Image bytes -> the whole image, RGB, turned upright by its EXIF data.

    Raises
    ------
    any of UNREADABLE : no image, or a damaged one
    """
    with Image.open(io.BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened)
        return upright.convert("RGB")


def why(error: BaseException) -> str:
    """Say on one line why an image cannot be read."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return " ".join(str(error).split()) or type(error).__name__
