"""One `jit` decorator for all kernels: cached where the disk allows, in memory where not."""

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["jit"]


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` on first call, keeping the result on disk where that is possible.

    A read-only installation without a usable ``NUMBA_CACHE_DIR`` makes numba raise while it
    decorates (numba issue 5566); such a process compiles for itself instead.
    """
    compiled: Callable[..., Any]
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except (RuntimeError, OSError):
        compiled = numba.njit(nogil=True)(function)
    return compiled
