"""Atomic output of results: all of them or none, and never over an input."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from deephide.errors import OutputError
from deephide.formats.names import refusal
from deephide.staging import Staged

__all__ = [
    "BMP",
    "JPEG",
    "PNG",
    "TIFF",
    "WEBP",
    "File",
    "check_output",
    "copy_times",
    "is_folder",
    "png_bytes",
    "within",
    "write_atomically",
    "write_together",
]

PNG = (".png",)
BMP = (".bmp",)
TIFF = (".tif", ".tiff")
WEBP = (".webp",)
JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_LOSSY_SUFFIXES = {*JPEG, ".webp", ".avif", ".heic", ".jp2", ".gif"}


@dataclass(frozen=True)
class File:
    """A file to be written: final name, content, and whether its owner alone may read it."""

    path: Path
    data: bytes = field(repr=False)
    private: bool = False


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether an output is a folder, or is written like one."""
    text = os.fspath(path)
    return os.path.isdir(text) or text.endswith(("/", os.sep))


def within(path: str | os.PathLike[str], name: str) -> Path:
    """Return the file to write: `path` itself, or a file of that name if it is a folder."""
    return Path(path, name) if is_folder(path) else Path(path)


def check_output(
    path: Path,
    inputs: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
    *,
    force: bool = False,
    any_kind: bool = False,
    suffixes: tuple[str, ...] = PNG,
) -> None:
    """Reject an output that could not or should not be written, before any work is done.

    Parameters
    ----------
    path : where the file is to go
    inputs : files that must not be overwritten, whatever the path that leads to them
    outputs : files that are to be written too
    force : allow an existing file to be replaced
    any_kind : allow every suffix
    suffixes : what its name may end in, the best first

    Raises
    ------
    OutputError : wrong suffix, exists (also with `force` where it is no ordinary file), is an input
        or other output, or its folder cannot be written
    """
    reason = refusal(path)
    if reason is not None:
        raise OutputError(
            f"the output {path} cannot be written: {reason}", hint="choose another name"
        )
    if not any_kind:
        _check_suffix(path, suffixes)
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
    with _translated(path):
        _check_place(path, force)


def _check_suffix(path: Path, allowed: tuple[str, ...]) -> None:
    suffix = path.suffix.lower()
    if suffix in allowed:
        return
    if suffix in _LOSSY_SUFFIXES:
        raise OutputError(
            f"the output {path} would be lossy",
            hint=f"use {path.with_suffix(allowed[0]).name}; {suffix[1:].upper()} would destroy "
            "what is hidden",
        )
    if allowed == PNG:
        raise OutputError(
            f"the output {path} does not end in .png",
            hint=f"use {path.name}.png; the output is a PNG file",
        )
    best = ".jpg" if allowed == JPEG else " or ".join(dict.fromkeys((allowed[0], ".png")))
    raise OutputError(
        f"the output {path} does not end in {best}",
        hint=f"use {path.with_suffix(allowed[0]).name}; the stego has the format of the carrier",
    )


def _check_place(path: Path, force: bool) -> None:
    if _kind(path) == stat.S_IFDIR:
        raise OutputError(f"the output {path} is a directory")
    _check_replaceable(path, force)
    folder = path.parent
    if _kind(folder) != stat.S_IFDIR:
        raise OutputError(f"the folder {folder} does not exist", hint="create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"the folder {folder} cannot be written", hint="choose another folder with -o"
        )


def _check_replaceable(path: Path, force: bool) -> None:
    """Refuse a name that is taken; not even `force` replaces a device, a pipe or a link."""
    kind = _kind(path, follow=False)
    if kind not in (None, stat.S_IFREG):
        raise OutputError(
            f"the output {path} exists and is no ordinary file",
            hint="choose another name; devices, pipes and links are never replaced",
        )
    if kind is not None and not force:
        raise _exists(path)


def _kind(path: Path, *, follow: bool = True) -> int | None:
    """Return what a path is, or None if there is nothing; other errors go to the caller.

    The questions of `pathlib` answer some errors with False, and which ones depends on its version.
    """
    try:
        return stat.S_IFMT(os.stat(path, follow_symlinks=follow).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


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
    private: bool = False,
    verify: Callable[[Path], None] | None = None,
) -> None:
    """Write a file, check it, and only then give it its name.

    Until then it has no name at all where the system can do that (Linux, most file systems): not
    even a process that is killed leaves anything.  Elsewhere it has a temporary name beside it.

    Parameters
    ----------
    path : final name
    data : the whole file
    force : replace an existing file
    private : let its owner alone read it (mode 0600), from the first byte on
    verify : called with a path that leads to the file; whatever it raises leaves no file

    Raises
    ------
    OutputError : the system refused to write, or the name was taken meanwhile
    """
    write_together([File(path, data, private)], force=force, verify=verify)


def write_together(
    files: Sequence[File],
    *,
    force: bool = False,
    verify: Callable[[Path], None] | Sequence[Callable[[Path], None]] | None = None,
) -> None:
    """Write several files as `write_atomically` writes one: all of them get their names or none.

    Parameters
    ----------
    files : what goes where; the first one is verified, and gets its name last
    force : replace existing files; after a failure such a file may be gone
    verify : called with a path that leads to the first file, or one for each of the first files;
        whatever it raises leaves no file

    Raises
    ------
    OutputError : the system refused to write, or a name was taken meanwhile
    """
    staged = [Staged(each.path, 0o600 if each.private else 0o666) for each in files]
    published: list[Path] = []
    try:
        for ready, each in zip(staged, files, strict=True):
            with _translated(ready.path):
                ready.write(each.data)
        checks = [verify] if callable(verify) else verify or ()
        for ready, check in zip(staged, checks, strict=False):
            with _translated(ready.path):
                check(ready.readable)
        for ready in reversed(staged):
            with _translated(ready.path):
                _check_replaceable(ready.path, force)
                try:
                    ready.publish(force)
                except FileExistsError:
                    raise _exists(ready.path) from None
            published.append(ready.path)
        for path in published:
            _sync_folder(path.parent)
    except BaseException:
        for path in published:
            _remove(path)
        raise
    finally:
        # Also after an interrupt: a half-written or unverified file never stays.
        for ready in staged:
            ready.discard()


def _remove(path: Path) -> None:
    """Remove a file if it is there; what stands in the way does not replace the error before."""
    with suppress(OSError):
        path.unlink()


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


def png_bytes(image: Image.Image) -> bytes:
    """Return an image as a plain PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


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
