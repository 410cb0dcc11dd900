"""Checked arguments: elements, bits, costs and heights as the kernels take them, or an error."""

import operator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from stc.submatrices import MAX_HEIGHT, MIN_HEIGHT

__all__ = [
    "check_bits",
    "check_cost",
    "check_elements",
    "check_height",
    "close_dtype_limits",
    "whole",
]

T = TypeVar("T", bound=np.generic)


def check_bits(name: str, bits: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return `bits` as (n,) uint8, or raise ValueError naming the parameter."""
    array = np.asarray(bits)
    if array.ndim != 1 or array.dtype.kind not in "bui":
        if array.shape == (0,):  # np.asarray([]) is float64
            return np.zeros(0, np.uint8)
        raise ValueError(
            f"{name}: got shape {array.shape} and type {array.dtype}; "
            "allowed: one dimension of integers 0 and 1"
        )
    if array.size and (array.min() < 0 or array.max() > 1):
        raise ValueError(f"{name}: got values {array.min()}..{array.max()}; allowed: 0 and 1")
    return _own(np.ascontiguousarray(array, dtype=np.uint8))


def _own(array: npt.NDArray[T]) -> npt.NDArray[T]:
    """Return a writable array: kernels would be compiled once more for each read-only argument."""
    return array if array.flags.writeable else array.copy()


def check_cost(name: str, cost: npt.ArrayLike, n: int) -> npt.NDArray[np.float64]:
    """Return `cost` as (n,) float64, or raise ValueError naming the parameter."""
    array = np.ascontiguousarray(cost, dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"{name}: got shape {array.shape}; allowed: ({n},), one per element")
    if n and not array.min() >= 0:  # also true of NaN
        bad = int(np.flatnonzero(~(array >= 0))[0])
        raise ValueError(
            f"{name}: got {array[bad]} at element {bad}; allowed: 0 or more, inf for wet"
        )
    return _own(array)


def check_height(height: int) -> int:
    """Return `height` as an int, or raise ValueError."""
    if not MIN_HEIGHT <= whole("height", height) <= MAX_HEIGHT:
        raise ValueError(f"height: got {height}; allowed: {MIN_HEIGHT}..{MAX_HEIGHT}")
    return int(height)


def whole(name: str, number: int) -> int:
    """Return an integer of any type as an int, or raise ValueError."""
    try:
        return operator.index(number)
    except TypeError:
        raise ValueError(f"{name}: got {number!r}; allowed: an integer") from None


def check_elements(name: str, elements: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return `elements` as (n,) of their own integer type, or raise ValueError."""
    array = np.asarray(elements)
    if array.shape == (0,):  # np.asarray([]) is float64
        return array.astype(array.dtype if array.dtype.kind in "iu" else np.uint8)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: got shape {array.shape} and type {array.dtype}; "
            "allowed: one dimension of any integer type"
        )
    return array


def close_dtype_limits(
    cover: npt.NDArray[Any],
    cost_p1: npt.NDArray[np.float64],
    cost_m1: npt.NDArray[np.float64],
    overwrite: bool = False,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Forbid the changes that would wrap around.

    Parameters
    ----------
    cover : (n,) any integer dtype
        elements
    cost_p1, cost_m1 : (n,) float64
        costs of +1 and -1
    overwrite : bool
        change these arrays rather than copies of them

    Returns
    -------
    cost_p1, cost_m1 : (n,) float64, with inf where the element is at its dtype's maximum or
        minimum

    """
    limits = np.iinfo(cover.dtype)
    up, down = (cost_p1, cost_m1) if overwrite else (cost_p1.copy(), cost_m1.copy())
    up[cover == limits.max] = np.inf
    down[cover == limits.min] = np.inf
    return up, down
