"""Compilation by numba: cached where the disk allows, in memory where not."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba.core.caching import FunctionCache

__all__ = ["compiled"]

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


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` on first call, keeping the result on disk where that is possible.

    A read-only installation without a usable ``NUMBA_CACHE_DIR`` makes numba raise while it
    decorates (numba issue 5566); such a process compiles for itself instead, and says so once.
    """
    dispatcher: Callable[..., Any]
    try:
        dispatcher = numba.njit(cache=True, nogil=True)(function)
        cache = _HealingCache(function)  # type: ignore[no-untyped-call]
        dispatcher._cache = cache  # type: ignore[attr-defined]
    except (RuntimeError, OSError) as error:
        if not _degraded:
            _log.warning("kernels are compiled anew in every process: %s", error)
        _degraded.append(function.__name__)
        dispatcher = numba.njit(nogil=True)(function)
    return dispatcher
