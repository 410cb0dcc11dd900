"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["in_words", "replacing"]


def in_words(error: BaseException) -> str:
    """Return an error of the system in words alone, any other one as it is.

    Examples
    --------
    >>> in_words(FileNotFoundError(2, "No such file or directory", "a.json"))
    'no such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and its name to what was written there.

    Where the block raises, what it wrote is removed, and `path` stays as it was.  A device, a pipe
    or a link of that name is not replaced: FileExistsError.
    """
    partial = path.with_suffix(".partial")
    try:
        yield partial
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "it is no ordinary file", os.fspath(path))
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
