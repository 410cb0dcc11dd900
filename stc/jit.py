"""Compilation of all kernels: cached where the disk allows, in memory where not."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache

__all__ = ["cache_folder", "is_cached", "jit"]

_log = logging.getLogger(__name__)
_degraded: list[str] = []
_complaints: list[str] = []


class _HealingCache(FunctionCache):
    """A cache on disk of which nothing that is damaged, full or read-only ends the program.

    numba lets such errors through to whoever calls the function.  Here what cannot be read is
    compiled anew and written over, what cannot be written is kept in memory, and the first of
    either is said.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled code, or None: it is not there, or damaged."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception as error:  # a damaged pickle can raise nearly anything
            _complain("damaged code in %s is compiled anew: %s", self.cache_path, error)
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write compiled code, if that can be."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except Exception as error:  # of the disk, or of a damaged index
            _complain("compiled code cannot be kept in %s: %s", self.cache_path, error)


def _complain(text: str, *details: object) -> None:
    """Log the first trouble with the cache; a damaged folder gives the same for every kernel."""
    if not _complaints:
        _log.warning(text, *details)
    _complaints.append(text)


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` on first call, keeping the result on disk where that is possible.

    A read-only installation without a usable ``NUMBA_CACHE_DIR`` makes numba raise while it
    decorates (numba issue 5566); such a process compiles for itself instead, and says so once.
    """
    compiled: Callable[..., Any]
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
        cache = _HealingCache(function)  # type: ignore[no-untyped-call]
        compiled._cache = cache  # type: ignore[attr-defined]
    except (RuntimeError, OSError) as error:
        if not _degraded:
            _log.warning("kernels are compiled anew in every process: %s", error)
        _degraded.append(function.__name__)
        compiled = numba.njit(nogil=True)(function)
    return compiled


def cache_folder(compiled: Any) -> Path | None:
    """Return where `compiled` is kept on disk, or None where every process compiles for itself."""
    folder = getattr(getattr(compiled, "stats", None), "cache_path", None)
    return None if folder is None else Path(folder)


def is_cached(compiled: Any) -> bool:
    """Return whether an earlier process left `compiled` on disk, for this version of its source.

    A guess by file names and times, good enough to announce a wait.
    """
    folder = cache_folder(compiled)
    if folder is None:
        return False
    source = Path(compiled.py_func.__code__.co_filename)
    name = f"{source.stem}.{compiled.py_func.__qualname__}"
    line = compiled.py_func.__code__.co_firstlineno
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    index = folder / f"{name}-{line}.{version}.nbi"
    try:
        return index.stat().st_mtime >= source.stat().st_mtime
    except OSError:
        return False
