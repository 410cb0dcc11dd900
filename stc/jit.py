"""Kernels: loops that the package carries compiled, or that numba compiles when they are called.

numba takes longer to import than most kernels to run, so that it is loaded only for what is not
there already. It takes 200 MB, so that it is not installed where all of it is there: the extra
`kernels` brings it for other types, changed sources, and processors without AVX2.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, overload

from stc import precompiled

__all__ = ["COMPILES", "Kernel", "cache_folder", "has_compiler", "is_cached", "jit"]

# Whether kernels are compiled at all, or run as the Python that they are written in.
COMPILES = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


class Kernel:
    """A function of numbers and arrays that runs compiled; attributes of numba's dispatcher too.

    Parameters
    ----------
    function : to compile
    late : names that compiled code alone needs, with the module that each is in: imported, and put
        into the function's own module, right before it is compiled
    """

    def __init__(self, function: Callable[..., Any], late: dict[str, str]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self._late = late
        self._entries: tuple[precompiled.Entry, ...] | None = None
        self._compiled: Any = None

    @property
    def entries(self) -> tuple[precompiled.Entry, ...]:
        """What the package carries of it, for one set of types each; nothing if it is compiled."""
        if self._entries is None:
            self._entries = precompiled.entries(self.py_func) if COMPILES else ()
        return self._entries

    @property
    def is_loaded(self) -> bool:
        """Whether a call runs at once: it is there, or the compiler has been imported already."""
        return bool(self.entries) or self._compiled is not None

    @property
    def compiled(self) -> Any:
        """The dispatcher of numba; the function itself where nothing is compiled."""
        if self._compiled is None:
            self._compiled = self._compile() if COMPILES else self.py_func
        return self._compiled

    @property
    def _numba_type_(self) -> Any:
        """What numba looks for when one kernel calls another."""
        return self.compiled._numba_type_

    def __call__(self, *args: Any) -> Any:
        """Run it."""
        for entry in self.entries:
            if entry.takes(args):
                return entry.run(args)
        return self.compiled(*args)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.compiled, name)

    def _compile(self) -> Any:
        if not has_compiler():
            raise ModuleNotFoundError(
                f"{self.py_func.__module__}.{self.py_func.__qualname__} is not there compiled for "
                "this processor and these types, and numba, which compiles it, is not installed: "
                "pip install 'deephide[kernels]'",
                name="numba",
            )
        from stc.compilation import compiled

        for name, module in self._late.items():
            self.py_func.__globals__[name] = getattr(import_module(module), name)
        return compiled(self.py_func)


@overload
def jit(function: Callable[..., Any], /) -> Any: ...


@overload
def jit(**late: str) -> Callable[[Callable[..., Any]], Any]: ...


def jit(function: Callable[..., Any] | None = None, /, **late: str) -> Any:
    """Make a `Kernel`, as ``@jit`` or, with names that it needs, ``@jit(name="module")``."""
    if function is None:
        return functools.partial(Kernel, late=late)
    return Kernel(function, {})


def has_compiler() -> bool:
    """Return whether numba is installed; it is not loaded for that."""
    return importlib.util.find_spec("numba") is not None


def cache_folder(kernel: Kernel) -> Path | None:
    """Return where `kernel` is kept on disk, or None where every process compiles for itself."""
    if kernel.entries:
        return precompiled.FOLDER
    if COMPILES and not has_compiler():
        return None
    folder = getattr(getattr(kernel.compiled, "stats", None), "cache_path", None)
    return None if folder is None else Path(folder)


def is_cached(kernel: Kernel) -> bool:
    """Return whether `kernel` is on disk for this version of its source.

    Of what an earlier process left there, a guess by file names and times, good enough to announce
    a wait.
    """
    if kernel.entries:
        return True
    folder = cache_folder(kernel)
    if folder is None:
        return False
    source = Path(kernel.py_func.__code__.co_filename)
    name = f"{source.stem}.{kernel.py_func.__qualname__}"
    line = kernel.py_func.__code__.co_firstlineno
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    index = folder / f"{name}-{line}.{version}.nbi"
    try:
        return index.stat().st_mtime >= source.stat().st_mtime
    except OSError:
        return False
