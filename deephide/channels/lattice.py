"""Luma of a picture as integers in the domain of JPEG, and its elements under one reading.

::

    JPEG file ── step · coefficient ────────────────┐
                                                    ├─ Luma ── multiple of T, or sign ── elements
    samples ── 8-bit luma ── integer transform ─────┘      └─ DC ── salt

Whatever a channel did, both ways lead to the transform of luma; only blocks that are whole count.
All of it is integer arithmetic, in float64 only where every number is a whole one below 2**53.
`docs/format.md` states it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deephide.channels.profiles import Reading
from deephide.container import brightness
from deephide.formats.jpeg.blocks import Coefficients

__all__ = [
    "Luma",
    "brightness_of",
    "count",
    "distances",
    "elements_and_edges",
    "elements_of",
    "from_coefficients",
    "from_samples",
    "salt_of",
    "samples_of",
]

_SCALE = 1 << 30  # of transformed samples

# Whole numbers nearest to 2**14 cos(k pi / 16); row u, column x of the transform is the cosine of
# order u at place x, in units of 2**-15.
_COSINES = (16384, 16069, 15137, 13623, 11585, 9102, 6270, 3196)


def _transform() -> NDArray[np.float64]:
    out = np.empty((8, 8))
    out[0] = _COSINES[4]
    for order in range(1, 8):
        for place in range(8):
            angle = order * (2 * place + 1) % 32  # in sixteenths of half a turn
            angle, sign = (32 - angle, 1) if angle > 16 else (angle, 1)
            if angle > 8:
                angle, sign = 16 - angle, -1
            out[order, place] = 0 if angle == 8 else sign * _COSINES[angle]
    return out


_TRANSFORM = _transform()
_ORTHONORMAL = _TRANSFORM / np.sqrt((_TRANSFORM**2).sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Luma:
    """The transform of luma: (rows, columns, 64) whole numbers, `scale` of which are one level.

    `size` are width and height in pixels, of which whole blocks count; `table` are the (64,) steps
    of a JPEG file, None where the picture came as samples.
    """

    values: NDArray[np.int64] = field(repr=False)
    scale: int
    size: tuple[int, int]
    table: NDArray[np.int64] | None = field(default=None, repr=False)


def from_coefficients(coefficients: Coefficients) -> Luma:
    """Return the luma of a JPEG file, by its coefficients alone."""
    file = coefficients.file
    table = np.asarray(file.quantization[0], np.int64).reshape(64)
    plane = coefficients.planes()[0][: file.height // 8, : file.width // 8]
    values = plane.reshape(*plane.shape[:2], 64).astype(np.int64) * table
    return Luma(values, 1, (file.width, file.height), table)


def from_samples(samples: NDArray[np.uint8]) -> Luma:
    """Return the luma of (H, W), (H, W, 1) or (H, W, 3) samples, transformed with integers."""
    luma = brightness.luma_of(samples)
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    blocks = luma[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    # Below 2**53 whatever the order of the sums is, hence exact.
    values = _TRANSFORM @ (blocks.astype(np.float64) - 128.0) @ _TRANSFORM.T
    size = (luma.shape[1], luma.shape[0])
    return Luma(values.astype(np.int64).reshape(rows, columns, 64), _SCALE, size)


def samples_of(coefficients: Coefficients) -> NDArray[np.uint8]:
    """Return the (H, W) luma of a JPEG file, decoded and rounded."""
    file = coefficients.file
    table = np.asarray(file.quantization[0], np.float64).reshape(8, 8)
    blocks = _ORTHONORMAL.T @ (coefficients.planes()[0] * table) @ _ORTHONORMAL
    rows, columns = blocks.shape[:2]
    plane = blocks.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)
    rounded = np.rint(plane[: file.height, : file.width] + 128)
    return np.asarray(np.clip(rounded, 0, 255), np.uint8)


def count(luma: Luma, reading: Reading) -> int:
    """Return the number of elements."""
    rows, columns = luma.values.shape[:2]
    return int(rows * columns * reading.modes(luma.table).size)


def elements_of(luma: Luma, reading: Reading) -> NDArray[np.int64]:
    """Return the (n,) elements: block by block, the modes of the reading in ascending order.

    Without `reading.least` an element is the nearest multiple of its step, halves being rounded up;
    with it, the sign of the coefficient, 0 where there is less than that fraction of a step.
    """
    if reading.least is not None:
        return _signs(luma, reading, reading.least)[2].reshape(-1)
    return _divided(luma, reading)[2].astype(np.int64).reshape(-1)


def elements_and_edges(
    luma: Luma, reading: Reading
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the elements, and how far each is from being another one.

    That is 0 at the edge of a cell to 1 in its middle; it only says which bytes are doubtful, and
    what is read does not depend on it.
    """
    if reading.least is not None:
        scaled, least, signs = _signs(luma, reading, reading.least)
        edges = np.minimum(np.abs(np.abs(scaled) - least) / least, 1.0)
        return signs.reshape(-1), edges.reshape(-1)
    shifted, cell, found = _divided(luma, reading)
    shifted -= found * cell
    edges = np.minimum(shifted, cell - shifted)
    edges *= 2.0 / cell
    return found.astype(np.int64).reshape(-1), edges.reshape(-1)


def distances(one: Luma, other: Luma, reading: Reading) -> NDArray[np.float64]:
    """Return how many levels two pictures are apart: (rows, columns, modes of the reading)."""
    modes = reading.modes(one.table)
    first, second = (each.values[:, :, modes] / each.scale for each in (one, other))
    return np.asarray(np.abs(first - second))


def _signs(
    luma: Luma, reading: Reading, least: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return values, the least that count in the same units, and the signs of those that do.

    The units make whole numbers of both, below 2**52.
    """
    modes = reading.modes(luma.table)
    part, whole = least
    bound = (part * luma.scale * reading.steps(luma.table)[modes]).astype(np.float64)
    scaled = luma.values[:, :, modes].astype(np.float64)
    scaled *= whole
    return scaled, bound, (scaled >= bound).astype(np.int64) - (scaled <= -bound)


def _divided(
    luma: Luma, reading: Reading
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return twice the values and half a cell, the cells, and how often these go into those.

    All are whole numbers below 2**52, of which floors of quotients are exact in float64; integers
    would take four times as long.
    """
    modes = reading.modes(luma.table)
    cell = 2 * luma.scale * reading.steps(luma.table)[modes]
    shifted = luma.values[:, :, modes].astype(np.float64)
    shifted *= 2.0
    shifted += cell // 2
    return shifted, cell.astype(np.float64), np.floor(shifted / cell)


def salt_of(luma: Luma) -> bytes:
    """Return the 16 bytes that stand for a picture; `brightness` says how."""
    return brightness.salt_of(*_dc(luma), luma.size)


def brightness_of(luma: Luma) -> NDArray[np.float64]:
    """Return how many levels each of the (8, 8) tiles is brighter than all of them together."""
    contrasts = brightness.contrasts(*_dc(luma), luma.size)
    return np.array(contrasts, np.float64).reshape(brightness.TILES, brightness.TILES)


def _dc(luma: Luma) -> tuple[NDArray[np.int64], int]:
    """Return the first coefficients of blocks, and how many units of them are one level."""
    if luma.table is None:  # of samples: sums of blocks, times the first cosine squared
        return luma.values[:, :, 0] // _COSINES[4] ** 2, brightness.DC_SCALE
    return luma.values[:, :, 0], luma.scale
