"""Staged files: whole and checked before they get their name.

Where the system can do that (Linux, most of its file systems), such a file has no name at all
before, so that not even a killed process leaves anything.  Elsewhere it has a hidden temporary name
beside the final one.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["Staged"]

_DESCRIPTORS = "/proc/self/fd"


class Staged:
    """A file on its way to `path`; call `discard` in the end, whatever happens.

    Parameters
    ----------
    path : its final name
    mode : its rights, of which the process's mask takes away some
    """

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        self._mode = mode
        self._data = b""
        self._descriptor: int | None = None
        # Short, because the final name may be as long as the file system allows.
        self._temporary = path.with_name(f".{secrets.token_hex(6)}.part.png")

    @property
    def readable(self) -> Path:
        """A path that leads to the file in this process."""
        if self._descriptor is None:
            return self._temporary
        return Path(_DESCRIPTORS, str(self._descriptor))

    def write(self, data: bytes) -> None:
        """Write the whole file, without a name if that can be.

        Raises
        ------
        OSError : the system refused
        """
        self._data = data
        self._descriptor = _open_unnamed(self.path.parent, self._mode)
        if self._descriptor is None:
            self._write_named()
        else:
            _write_all(self._descriptor, data)

    def publish(self, force: bool) -> None:
        """Give the file its name.

        Parameters
        ----------
        force : replace what has that name

        Raises
        ------
        FileExistsError : the name is taken, and not `force`
        OSError : the system refused
        """
        if self._descriptor is None or not self._link(force):
            _rename(self._temporary, self.path, force)

    def discard(self) -> None:
        """Remove what has not got its name."""
        with suppress(OSError):
            self._temporary.unlink()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _link(self, force: bool) -> bool:
        """Link the file that has no name; else give it a temporary name and return False."""
        try:
            self._link_to(self.path)
            return True
        except FileExistsError:
            if not force:
                raise
        except OSError:
            self._write_named()  # a file system without hard links
            return False
        try:
            # No call replaces a name by a file without one: for this moment there are two names.
            self._link_to(self._temporary)
        except OSError:
            self._write_named()
        return False

    def _link_to(self, path: Path) -> None:
        # Only with a descriptor does Python follow the link in /proc, and then ignores it.
        os.link(self.readable, path, src_dir_fd=self._descriptor, follow_symlinks=True)

    def _write_named(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        named = os.open(self._temporary, flags, self._mode)
        try:
            _write_all(named, self._data)
        finally:
            os.close(named)
        if self._descriptor is not None:  # whose times may have been set
            known = os.fstat(self._descriptor)
            os.utime(self._temporary, ns=(known.st_atime_ns, known.st_mtime_ns))


def _open_unnamed(folder: Path, mode: int) -> int | None:
    """Return a new file without a name in a folder, or None where that or to name it cannot be."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        descriptor = os.open(folder, flag | os.O_RDWR | os.O_CLOEXEC, mode)
    except OSError:
        return None
    if os.path.exists(f"{_DESCRIPTORS}/{descriptor}"):
        return descriptor
    os.close(descriptor)
    return None


def _write_all(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.fsync(descriptor)


def _rename(temporary: Path, path: Path, force: bool) -> None:
    if force:
        os.replace(temporary, path)
        return
    try:
        # Unlike a rename, a hard link fails if the name was taken meanwhile.
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        _reserve_and_replace(temporary, path)  # a file system without hard links


def _reserve_and_replace(temporary: Path, path: Path) -> None:
    """Take the name with an empty file of our own, then put the real one over it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
