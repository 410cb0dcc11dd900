"""Kernels that the package carries as machine code, made by `recipes/kernels.py`.

::

    kernels-x86_64-v4.so      one function for each kernel and set of types, for AVX-512
    kernels-x86_64-v4.json    their names, and the hashes of the sources that they were made of
    kernels-x86_64-v3.so      the same for any processor with AVX2
    kernels-x86_64-v3.json

numba compiled them.  Code is used only where system and processor fit and every source that it came
from is unchanged, to the byte; anywhere else numba compiles as ever.  A function gets its arguments
in two arrays, integers with addresses and floats, and leaves there what it returns; before these
come the two pointers of numba's calling convention.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FOLDER", "INTEGER", "LEVELS", "Entry", "entries", "kind_of"]

FOLDER = Path(__file__).parent / "compiled"
# Levels of the x86-64 psABI, the best first, and what numpy calls the features that each adds last.
# With masks and twice the registers the trellis takes three quarters of the time.
LEVELS = {"x86_64-v4": ("AVX512_SKX",), "x86_64-v3": ("AVX2", "FMA3")}
# Where somebody tells numba what to compile for, its code is wanted.
_CHOICES = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")

INTEGER, FLOAT, BOOL = "i", "f", "b"

_Pointer = ctypes.c_void_p


def kind_of(argument: Any) -> str:
    """Return the kind of an argument: of arrays the type and dimensions, as in ``float64 2``."""
    if isinstance(argument, np.ndarray):
        return _kind_of_arrays(argument.dtype, argument.ndim)
    if isinstance(argument, bool | np.bool_):
        return BOOL
    return FLOAT if isinstance(argument, float | np.floating) else INTEGER


@functools.cache
def _kind_of_arrays(dtype: np.dtype[Any], dimensions: int) -> str:
    return f"{dtype.name} {dimensions}"


@dataclass(frozen=True)
class Entry:
    """A kernel for one set of types.

    `kinds` are those of its arguments, `returns` what it returns: nothing, a number, or several.
    """

    function: Callable[..., Any]
    kinds: tuple[str, ...]
    returns: str

    def takes(self, args: tuple[Any, ...]) -> bool:
        """Return whether it is for these arguments."""
        return len(args) == len(self.kinds) and all(map(_fits, args, self.kinds))

    def run(self, args: tuple[Any, ...]) -> Any:
        """Call it."""
        whole: list[int] = []
        real: list[float] = []
        for each, kind in zip(args, self.kinds, strict=True):
            if isinstance(each, np.ndarray):
                whole += (each.__array_interface__["data"][0], *each.shape)
            elif kind == FLOAT:
                real.append(float(each))
            else:
                whole.append(int(each))
        integers = (ctypes.c_int64 * (len(whole) + len(self.returns) + 1))(*whole)
        floats = (ctypes.c_double * (len(real) + len(self.returns) + 1))(*real)
        if self.function(ctypes.byref(_Pointer()), ctypes.byref(_Pointer()), integers, floats) > 0:
            raise MemoryError
        found = [
            floats[k] if kind == FLOAT else bool(integers[k]) if kind == BOOL else integers[k]
            for k, kind in enumerate(self.returns)
        ]
        return tuple(found) if len(found) > 1 else found[0] if found else None


def _fits(argument: Any, kind: str) -> bool:
    found = kind_of(argument)
    if found != kind:
        return kind == FLOAT and found == INTEGER
    if not isinstance(argument, np.ndarray):
        return True
    return bool(argument.flags.c_contiguous and argument.flags.aligned)


def entries(function: Callable[..., Any]) -> tuple[Entry, ...]:
    """Return what there is of a kernel that works here and was made of its present source."""
    shipped = _shipped()
    if shipped is None:
        return ()
    library, index = shipped
    rows = index["kernels"].get(f"{function.__module__}.{function.__qualname__}", ())
    if not rows or not _is_made_of(index["sources"], function.__module__):
        return ()
    found = []
    for symbol, kinds, returns in rows:
        found.append(Entry(getattr(library, symbol), tuple(kinds), returns))
    return tuple(found)


@functools.cache
def _shipped() -> tuple[ctypes.CDLL, dict[str, Any]] | None:
    """Return the library and its index, or None where it cannot run."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.byteorder != "little":
        return None
    if any(os.environ.get(name) for name in _CHOICES):
        return None
    for level, features in LEVELS.items():
        if not _has_features(features):
            continue
        try:
            index = json.loads((FOLDER / f"kernels-{level}.json").read_text(encoding="utf-8"))
            # Refused by another libc than the one that it needs.
            return ctypes.CDLL(str(FOLDER / f"kernels-{level}.so")), index
        except (OSError, ValueError):
            continue
    return None


def _has_features(wanted: tuple[str, ...]) -> bool:
    try:
        from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
            __cpu_features__ as features,
        )
    except ImportError:  # before numpy 2
        from numpy.core._multiarray_umath import (  # type: ignore[no-redef]
            __cpu_features__ as features,
        )
    return all(features.get(name, False) for name in wanted)


@functools.cache
def _root() -> Path:
    return Path(__file__).resolve().parent.parent


def _is_made_of(sources: dict[str, dict[str, str]], module: str) -> bool:
    """Return whether the module, and all whose code went into its kernels, are as they were."""
    return all(_is_unchanged(path, known) for path, known in sources.get(module, {"": ""}).items())


@functools.cache
def _is_unchanged(path: str, known: str) -> bool:
    try:
        return hashlib.sha256((_root() / path).read_bytes()).hexdigest() == known
    except OSError:
        return False
