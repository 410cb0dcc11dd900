"""Bounded reading of files: a name that can be read, a size within limits, and the bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias, TypeVar

from PIL import Image

from deephide.errors import InputImageError
from deephide.formats.names import refusal
from deephide.formats.refusals import too_long

__all__ = [
    "ImageSource",
    "file_size",
    "first_bytes",
    "lasting",
    "read_bytes",
    "read_source",
    "read_stream",
]

ImageSource: TypeAlias = "Image.Image | str | os.PathLike[str]"

MAX_FILE_BYTES = 320 << 20  # the largest image, RGBA without compression, takes 256 MiB


Source = TypeVar("Source")


def lasting(source: Source, role: str, limit: int | None = None) -> Source | bytes:
    """Return a source that can be read more than once: a pipe, or a device, becomes its content.

    Parameters
    ----------
    source : any; the path of a regular file, or of nothing, is returned as it is
    role : what it is, as messages call it
    limit : bytes; None means MAX_FILE_BYTES

    Raises
    ------
    InputImageError : it cannot be read, is empty, or goes on beyond the limit
    """
    if not isinstance(source, str | os.PathLike):
        return source
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return source
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or refusal(path) is not None:
        return source
    with _translated(path, role), path.open("rb") as stream:
        return read_stream(stream, role, limit)


def read_stream(stream: IO[bytes], role: str, limit: int | None = None) -> bytes:
    """Return all that comes out of a stream; errors as those of `lasting`."""
    limit = MAX_FILE_BYTES if limit is None else limit
    data = stream.read(limit + 1)
    if not data:
        raise InputImageError(f"the {role} is empty: nothing came through the pipe")
    if len(data) > limit:
        raise InputImageError(f"the {role} has more than {limit} bytes, which is too long")
    return data


def file_size(path: Path, role: str) -> int:
    """Return the size in bytes of a file that is there and is not empty.

    Raises
    ------
    InputImageError : there is none, it is a directory, or it is empty
    """
    reason = refusal(path)
    if reason is not None:
        raise InputImageError(f"the {role} cannot be read: {path}: {reason}")
    with _translated(path, role):
        size = path.stat().st_size
        if path.is_dir():
            raise InputImageError(f"the {role} is a directory: {path}")
    if size == 0:
        raise InputImageError(f"the {role} is an empty file: {path}")
    return size


def read_bytes(path: Path, role: str, limit: int | None = None) -> bytes:
    """Return the content of a file that is neither empty nor longer than `limit` or MAX_FILE_BYTES.

    Raises
    ------
    InputImageError : it cannot be read, is empty or too long
    """
    limit = MAX_FILE_BYTES if limit is None else limit
    size = file_size(path, role)
    if size > limit:
        raise too_long(role, size, limit)
    with _translated(path, role):
        return path.read_bytes()


def read_source(source: str | os.PathLike[str] | bytes, role: str) -> bytes:
    """Return the bytes of a file that is given by its path or as bytes already.

    Raises
    ------
    InputImageError : as `read_bytes`
    """
    return source if isinstance(source, bytes) else read_bytes(Path(source), role)


def first_bytes(source: ImageSource | bytes, count: int) -> bytes:
    """Return the beginning of a file; nothing of images in memory and unreadable files."""
    if isinstance(source, Image.Image):
        return b""
    if isinstance(source, bytes):
        return source[:count]
    path = Path(source)
    try:
        if not path.is_file():  # to open a named pipe would wait, and lose what is read
            return b""
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


@contextmanager
def _translated(path: Path, role: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputImageError(f"the {role} does not exist: {path}") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputImageError(f"the {role} cannot be read: {path}: {reason}") from error
