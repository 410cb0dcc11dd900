"""Writing a result: all of it or nothing, and never over something that matters."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from deephide.errors import OutputError

__all__ = ["check_output", "write_atomically", "write_png"]

_LOSSY_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".heic", ".jp2", ".gif"}


def check_output(path: Path, inputs: Iterable[Path] = (), *, force: bool = False) -> None:
    """Refuse an output that could not or should not be written, before any work is done.

    Parameters
    ----------
    path : where the PNG file is to go
    inputs : files that must not be overwritten, whatever the path that leads to them
    force : allow an existing file to be replaced

    Raises
    ------
    OutputError : wrong suffix, exists, is an input, or its folder cannot be written
    """
    suffix = path.suffix.lower()
    if suffix in _LOSSY_SUFFIXES:
        raise OutputError(
            f"the output {path} would be lossy",
            hint=f"use {path.with_suffix('.png').name}; {suffix[1:].upper()} would destroy "
            "what is hidden",
        )
    if suffix != ".png":
        raise OutputError(
            f"the output {path} does not end in .png",
            hint=f"use {path.name}.png; the output is always a PNG file",
        )
    for other in inputs:
        if _same_file(path, other):
            raise OutputError(
                f"the output {path} is the input {other}",
                hint="choose another name; the original is best kept or deleted, not replaced",
            )
    if path.is_dir():
        raise OutputError(f"the output {path} is a directory")
    if os.path.lexists(path) and not force:
        raise OutputError(
            f"the output {path} exists", hint="choose another name, or use --force to replace it"
        )
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"the folder {folder} does not exist", hint="create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"the folder {folder} cannot be written", hint="choose another folder with -o"
        )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def write_atomically(
    path: Path,
    data: bytes,
    *,
    force: bool = False,
    verify: Callable[[Path], None] | None = None,
) -> None:
    """Write a file under a temporary name beside it, check it, and only then give it its name.

    Parameters
    ----------
    path : final name
    data : the whole file
    force : replace an existing file
    verify : called with the temporary name; whatever it raises leaves no file

    Raises
    ------
    OutputError : the system refused to write, or the name was taken meanwhile
    """
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(6)}.part.png")
    try:
        _write(temporary, data)
        if verify is not None:
            verify(temporary)
        _rename(temporary, path, force)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        reason = (error.strerror or "unknown reason").lower()
        raise OutputError(
            f"the output {path} cannot be written: {reason}", hint="choose another place with -o"
        ) from error
    finally:
        # Also after an interrupt: a half-written or unverified file never stays.
        temporary.unlink(missing_ok=True)


def write_png(path: Path, image: Image.Image, *, force: bool = False) -> None:
    """Write a picture as a plain PNG file; see `write_atomically`."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_atomically(path, buffer.getvalue(), force=force)


def _write(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _rename(temporary: Path, path: Path, force: bool) -> None:
    if force:
        os.replace(temporary, path)
    else:
        try:
            # Unlike a rename, a hard link fails if the name was taken meanwhile.
            os.link(temporary, path)
        except FileExistsError:
            raise OutputError(
                f"the output {path} exists",
                hint="choose another name, or use --force to replace it",
            ) from None
        except OSError:
            os.rename(temporary, path)  # a file system without hard links
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
