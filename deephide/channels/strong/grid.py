"""Coefficients of luma on a grid of 1,072 pixels, whatever size a picture came back in.

::

    luma, w x h ── frame ─┬─ whole: enlarged or shrunk to 1,072 pixels ─┐
                          └─ cropped: put back where it was cut out ────┴─ 16 x 16 ── 9 modes each

A strong stego is 1,072 pixels long, and its other side a multiple of 16, so that a picture that
comes back smaller says itself how large it was.  All of it is integer arithmetic, in float64 only
where every number is a whole one below 2**53.  docs/format.md, section 14.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "MODES",
    "SCALE",
    "SIDE",
    "Frame",
    "add_changes",
    "coefficients",
    "count",
    "crops",
    "size_for",
    "whole",
]

SIDE = 1072
BLOCK = 16
MOST_CROPPED = 8
SCALE = 1 << 39  # units of a coefficient that are one level

# Row by row of a block: vertical and horizontal frequency.
MODES = tuple((v, u) for v in range(4) for u in range(4) if 1 <= v + u <= 3)

_TAP = 256  # what the weights of interpolation sum up to, nearly
# Whole numbers nearest to 2**10 cos(k pi / 32), of the first row the quotient by a root of 2.
_COSINES = np.rint(
    1024
    * np.cos(np.pi / 32 * np.outer(np.arange(4), 2 * np.arange(BLOCK) + 1))
    * np.where(np.arange(4) == 0, np.sqrt(0.5), 1.0)[:, None]
)


@dataclass(frozen=True)
class Frame:
    """Size of the picture that was sent, and where in it the one that came back begins.

    Where `cropped` is false, all of it came back, in another size perhaps.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    cropped: bool = False


def size_for(width: int, height: int) -> tuple[int, int]:
    """Return the size in which a picture of so many pixels is sent, about the same shape."""
    longer, shorter = max(width, height), min(width, height)
    # The nearest multiple; halves are rounded up.
    other = BLOCK * ((2 * SIDE * shorter + BLOCK * longer) // (2 * BLOCK * longer))
    other = min(max(other, BLOCK), SIDE)
    return (SIDE, other) if width >= height else (other, SIDE)


def whole(width: int, height: int) -> Frame:
    """Return the frame of a picture of which nothing was cut off."""
    return Frame(*size_for(width, height))


def crops(width: int, height: int) -> Iterator[Frame]:
    """Yield the frames of a picture of which at most 8 rows and columns were cut off."""
    longer, shorter = max(width, height), min(width, height)
    other = -(-shorter // BLOCK) * BLOCK
    if not SIDE - MOST_CROPPED <= longer <= SIDE or other - shorter > MOST_CROPPED or other > SIDE:
        return
    size = (SIDE, other) if width >= height else (other, SIDE)
    for top in range(size[1] - height + 1):
        for left in range(size[0] - width + 1):
            if (width, height) != size:
                yield Frame(*size, left, top, cropped=True)


def count(frame: Frame) -> int:
    """Return the number of elements of a frame."""
    return len(MODES) * (frame.width // BLOCK) * (frame.height // BLOCK)


@lru_cache(maxsize=8)
def _taps(length: int, target: int) -> tuple[tuple[NDArray[np.intp], NDArray[np.float64]], ...]:
    """Return places and weights of cubic interpolation (a = -1/2), in 256ths, of four taps."""
    at = (2 * np.arange(target, dtype=np.int64) + 1) * length - target
    first, rest = at // (2 * target), at % (2 * target)
    whole = 2 * target  # one pixel, in units of `rest`
    near, far = rest, whole - rest
    found = []
    for shift, distance in ((-1, near + whole), (0, near), (1, far), (2, far + whole)):
        if shift in (0, 1):
            value = 3 * distance**3 - 5 * distance**2 * whole + 2 * whole**3
        else:
            value = (
                -(distance**3) + 5 * distance**2 * whole - 8 * distance * whole**2 + 4 * whole**3
            )
        weight = (_TAP * value + whole**3) // (2 * whole**3)
        found.append((np.clip(first + shift, 0, length - 1), weight.astype(np.float64)))
    return tuple(found)


def _along(rows: NDArray[np.float64], target: int, start: int | None) -> NDArray[np.float64]:
    """Return the (m, blocks, 4) transform of (m, length) rows; `start` where they were cut out."""
    length = rows.shape[1]
    if start is not None or length == target:
        filled = rows.take(np.clip(np.arange(target) - (start or 0), 0, length - 1), axis=1) * _TAP
    else:
        filled = np.zeros((rows.shape[0], target))
        for places, weights in _taps(length, target):
            filled += rows.take(places, axis=1) * weights
    return np.asarray(filled.reshape(rows.shape[0], -1, BLOCK) @ _COSINES.T)


class Rows:
    """A picture's luma, with what was computed of its rows at one place kept.

    Parameters
    ----------
    luma : (h, w), levels of 0 to 255
    """

    def __init__(self, luma: NDArray[np.uint8] | NDArray[np.float64]) -> None:
        self._luma = luma.astype(np.float64) - 128.0
        self._last: tuple[object, NDArray[np.float64]] = (None, self._luma)

    def transformed(self, frame: Frame) -> NDArray[np.float64]:
        """Return the (rows, columns, 4, 4) lowest coefficients of the blocks of a frame."""
        key = frame.width, frame.left, frame.cropped
        if self._last[0] != key:
            start = frame.left if frame.cropped else None
            across = _along(self._luma, frame.width, start)
            self._last = key, np.ascontiguousarray(across.reshape(across.shape[0], -1).T)
        start = frame.top if frame.cropped else None
        both = _along(self._last[1], frame.height, start)
        return both.reshape(frame.width // BLOCK, 4, -1, 4).transpose(2, 0, 3, 1)


def coefficients(rows: Rows, frame: Frame) -> NDArray[np.float64]:
    """Return the (n,) elements of a frame, block by block, SCALE units to a level."""
    blocks = rows.transformed(frame)
    return np.stack([blocks[:, :, v, u] for v, u in MODES], axis=2).reshape(-1)


def add_changes(
    samples: NDArray[np.float64], changes: NDArray[np.float64], frame: Frame
) -> NDArray[np.float64]:
    """Return (H, W, C) samples whose elements are as many levels higher as `changes` says."""
    down, across = frame.height // BLOCK, frame.width // BLOCK
    blocks = np.zeros((down, across, 4, 4))
    shaped = changes.reshape(down, across, len(MODES))
    for number, (v, u) in enumerate(MODES):
        blocks[:, :, v, u] = shaped[:, :, number]
    basis = _COSINES / np.sqrt((_COSINES**2).sum(axis=1, keepdims=True))
    luma = (basis.T @ blocks @ basis).transpose(0, 2, 1, 3).reshape(frame.height, frame.width)
    return np.asarray(samples + luma[:, :, None])
