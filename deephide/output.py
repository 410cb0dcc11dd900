"""Writing a result: all of it or nothing, and never over something that matters."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from deephide.errors import OutputError

__all__ = ["check_output", "png_bytes", "write_atomically", "write_png", "write_together"]

_LOSSY_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".heic", ".jp2", ".gif"}


def check_output(
    path: Path,
    inputs: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
    *,
    force: bool = False,
    any_kind: bool = False,
) -> None:
    """Refuse an output that could not or should not be written, before any work is done.

    Parameters
    ----------
    path : where the PNG file, or with `any_kind` any file, is to go
    inputs : files that must not be overwritten, whatever the path that leads to them
    outputs : files that are to be written too
    force : allow an existing file to be replaced
    any_kind : allow every suffix

    Raises
    ------
    OutputError : wrong suffix, exists, is an input or other output, or its folder cannot be written
    """
    suffix = path.suffix.lower()
    if suffix in _LOSSY_SUFFIXES and not any_kind:
        raise OutputError(
            f"the output {path} would be lossy",
            hint=f"use {path.with_suffix('.png').name}; {suffix[1:].upper()} would destroy "
            "what is hidden",
        )
    if suffix != ".png" and not any_kind:
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
    for other in outputs:
        if _same_file(path, other):
            raise OutputError(
                f"the outputs {other} and {path} are the same file", hint="choose two names"
            )
    if path.is_dir():
        raise OutputError(f"the output {path} is a directory")
    if os.path.lexists(path) and not force:
        raise _exists(path)
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
    write_together([(path, data)], force=force, verify=verify)


def write_together(
    files: Sequence[tuple[Path, bytes]],
    *,
    force: bool = False,
    verify: Callable[[Path], None] | None = None,
) -> None:
    """Write several files as `write_atomically` writes one: all of them get their names or none.

    Parameters
    ----------
    files : final name and content of each; the first one is verified, and gets its name last
    force : replace existing files; after a failure such a file may be gone
    verify : called with the temporary name of the first file; whatever it raises leaves no file

    Raises
    ------
    OutputError : the system refused to write, or a name was taken meanwhile
    """
    staged = [
        (path, path.with_name(f".{path.stem}-{secrets.token_hex(6)}.part.png")) for path, _ in files
    ]
    published: list[Path] = []
    try:
        for (path, temporary), (_, data) in zip(staged, files, strict=True):
            with _translated(path):
                _write(temporary, data)
        if verify is not None:
            with _translated(staged[0][0]):
                verify(staged[0][1])
        for path, temporary in reversed(staged):
            with _translated(path):
                _rename(temporary, path, force)
            published.append(path)
        for path in published:
            _sync_folder(path.parent)
    except BaseException:
        for path in published:
            path.unlink(missing_ok=True)
        raise
    finally:
        # Also after an interrupt: a half-written or unverified file never stays.
        for _, temporary in staged:
            temporary.unlink(missing_ok=True)


def copy_times(source: Path, path: Path) -> None:
    """Give a file the times of access and change that another one has, to the nanosecond."""
    known = source.stat()
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        reason = (error.strerror or "unknown reason").lower()
        raise OutputError(
            f"the output {path} cannot be written: {reason}", hint="choose another place with -o"
        ) from error


def write_png(path: Path, image: Image.Image, *, force: bool = False) -> None:
    """Write a picture as a plain PNG file; see `write_atomically`."""
    write_atomically(path, png_bytes(image), force=force)


def png_bytes(image: Image.Image) -> bytes:
    """Return a picture as a plain PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _rename(temporary: Path, path: Path, force: bool) -> None:
    if force:
        os.replace(temporary, path)
        return
    try:
        # Unlike a rename, a hard link fails if the name was taken meanwhile.
        os.link(temporary, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:
        _reserve_and_replace(temporary, path)  # a file system without hard links


def _reserve_and_replace(temporary: Path, path: Path) -> None:
    """Take the name with an empty file of our own, then put the real one over it."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        raise _exists(path) from None
    try:
        os.replace(temporary, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _exists(path: Path) -> OutputError:
    return OutputError(
        f"the output {path} exists", hint="choose another name, or use --force to replace it"
    )


def _sync_folder(folder: Path) -> None:
    """Ask that the new name survive a power cut; the file is there even where that is refused."""
    if os.name != "posix":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
