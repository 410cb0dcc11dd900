"""Luma of a picture as integers in the domain of JPEG, and its elements under one reading.

::

    JPEG file ── step · coefficient ────────────────┐
                                                    ├─ Luma ── nearest multiple of T ── elements
    samples ── 8-bit luma ── integer transform ─────┘      └─ brightness of 64 tiles ── salt

Whatever a channel did, both ways lead to the transform of luma; only blocks that are whole count.
All of it is integer arithmetic, in float64 only where every number is a whole one below 2**53.
`docs/format.md` states it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deephide.channels.profiles import Reading
from deephide.formats.jpeg.blocks import Coefficients

__all__ = [
    "LEVEL",
    "Luma",
    "contrasts",
    "count",
    "edges_of",
    "elements_of",
    "from_coefficients",
    "from_samples",
    "luma_of",
    "salt_of",
    "tiles",
]

_TILES = 8  # down and across
LEVEL = 32  # steps of brightness that a tile's contrast is told in
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


@dataclass(frozen=True, eq=False)
class Luma:
    """The transform of luma: (rows, columns, 64) whole numbers, `scale` of which are one level.

    `table` are the (64,) steps of a JPEG file; None where the picture came as samples.
    """

    values: NDArray[np.int64] = field(repr=False)
    scale: int
    table: NDArray[np.int64] | None = field(default=None, repr=False)


def from_coefficients(coefficients: Coefficients) -> Luma:
    """Return the luma of a JPEG file, by its coefficients alone."""
    file = coefficients.file
    table = np.asarray(file.quantization[0], np.int64).reshape(64)
    plane = coefficients.planes()[0][: file.height // 8, : file.width // 8]
    values = plane.reshape(*plane.shape[:2], 64).astype(np.int64) * table
    return Luma(values, 1, table)


def luma_of(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the (H, W) luma of (H, W), (H, W, 1) or (H, W, 3) samples, as libjpeg rounds it."""
    if samples.ndim == 2 or samples.shape[2] == 1:
        return np.asarray(samples.reshape(samples.shape[:2]))
    red, green, blue = np.moveaxis(samples.astype(np.uint32), 2, 0)
    weighed = 19595 * red + 38470 * green + 7471 * blue + 32768
    return np.asarray(weighed >> 16, np.uint8)


def from_samples(samples: NDArray[np.uint8]) -> Luma:
    """Return the luma of (H, W), (H, W, 1) or (H, W, 3) samples, transformed with integers."""
    luma = luma_of(samples)
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    blocks = luma[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    # Below 2**53 whatever the order of the sums is, hence exact.
    values = _TRANSFORM @ (blocks.astype(np.float64) - 128.0) @ _TRANSFORM.T
    return Luma(values.astype(np.int64).reshape(rows, columns, 64), _SCALE)


def count(luma: Luma, reading: Reading) -> int:
    """Return the number of elements."""
    rows, columns = luma.values.shape[:2]
    return int(rows * columns * reading.modes(luma.table).size)


def elements_of(luma: Luma, reading: Reading) -> NDArray[np.int64]:
    """Return the (n,) elements: block by block, the modes of the reading in ascending order.

    An element is the multiple of its step that is nearest; halves are rounded up.
    """
    table = reading.steps(luma.table)
    modes = reading.modes(luma.table)
    cell = 2 * luma.scale * table[modes]
    values = 2 * luma.values[:, :, modes] + cell // 2
    return np.asarray(values // cell).reshape(-1)


def edges_of(luma: Luma, reading: Reading) -> NDArray[np.float64]:
    """Return how far each element is from being another one, 0 at the edge to 1 in the middle.

    It only says which bytes are doubtful; what is read does not depend on it.
    """
    table = reading.steps(luma.table)
    modes = reading.modes(luma.table)
    cell = 2 * luma.scale * table[modes]
    within = (2 * luma.values[:, :, modes] + cell // 2) % cell
    return np.asarray(np.minimum(within, cell - within) * 2.0 / cell).reshape(-1)


def tiles(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of blocks of each of 64 tiles, in raster order."""
    down = [rows * k // _TILES for k in range(_TILES + 1)]
    along = [columns * k // _TILES for k in range(_TILES + 1)]
    for top, bottom in pairwise(down):
        for left, right in pairwise(along):
            yield slice(top, bottom), slice(left, right)


def contrasts(luma: Luma) -> list[Fraction]:
    """Return how many levels each tile is brighter than all of them together, exactly."""
    bright = luma.values[:, :, 0] + 1024 * luma.scale
    parts = [bright[tile] for tile in tiles(*bright.shape)]
    sums, sizes = [int(part.sum()) for part in parts], [part.size for part in parts]
    mean = Fraction(sum(sums), max(sum(sizes), 1))
    return [
        (Fraction(total, max(size, 1)) - mean) / (8 * luma.scale) if size else Fraction(0)
        for total, size in zip(sums, sizes, strict=True)
    ]


def salt_of(luma: Luma) -> bytes:
    """Return the 16 bytes that stand for a picture: how its 64 tiles differ in brightness.

    Decoders and channels that make everything brighter or darker by the same do not matter.
    """
    levels = [math.floor(each / LEVEL + Fraction(1, 2)) for each in contrasts(luma)]
    text = b"deephide/2 channel picture\x00" + bytes(min(max(k, -8), 7) + 8 for k in levels)
    return hashlib.sha256(text).digest()[:16]
