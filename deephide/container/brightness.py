"""Brightness of a picture's parts: the salt that stands for the picture itself.

::

    samples ── luma ── sum of every block of 8 x 8 ──┐
                                                     ├─ 64 tiles ── 16 bytes
    first component of a JPEG file ── step · DC ─────┘

Whatever recompresses a picture leaves its salt as it is, so that one Argon2id computation serves
whatever may be hidden in it.  All of it is integer arithmetic.  docs/format.md, section 4.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DC_SCALE",
    "LEVEL",
    "OFFSET",
    "PICTURE_BYTES",
    "TILES",
    "contrasts",
    "dc_of_samples",
    "luma_of",
    "overlaps",
    "places_of",
    "salt_of",
    "unsteady",
]

PICTURE_BYTES = 16
LEVEL = 32  # steps of brightness that a tile's contrast is told in
TILES = 8  # down and across
OFFSET = Fraction(7, 16)  # of a level: where that of the mean begins
DC_SCALE = 8  # units of `dc_of_samples` that are one level of a coefficient

_DEVIATIONS = 3  # if all blocks changed
_BESIDES = 0.25  # of a change: what the mean of all may do
_ROWS = 8  # of blocks, looked at at once
_DOMAIN = b"deephide/2 picture brightness\x00"


def luma_of(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the (H, W) luma of (H, W), (H, W, 1) or (H, W, 3) samples, as libjpeg rounds it."""
    if samples.ndim == 2 or samples.shape[2] == 1:
        return np.asarray(samples.reshape(samples.shape[:2]))
    weighed = samples[:, :, 0] * np.uint32(19595)
    weighed += samples[:, :, 1] * np.uint32(38470)
    weighed += samples[:, :, 2] * np.uint32(7471)
    weighed += np.uint32(32768)
    weighed >>= np.uint32(16)
    return weighed.astype(np.uint8)


def dc_of_samples(samples: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the DC coefficients of luma: (rows, columns) of whole blocks, DC_SCALE to a level.

    Parameters
    ----------
    samples : (H, W), (H, W, 1) or (H, W, 3)
    """
    rows, columns = samples.shape[0] // 8, samples.shape[1] // 8
    sums = np.zeros((rows, columns), np.int64)
    for top in range(0, rows, _ROWS):
        end = min(top + _ROWS, rows)
        luma = luma_of(samples[8 * top : 8 * end, : 8 * columns])
        sums[top:end] = luma.reshape(end - top, 8, columns, 8).sum(axis=(1, 3), dtype=np.int64)
    return sums - 64 * 128


def overlaps(length: int) -> NDArray[np.int64]:
    """Return how much of each whole block lies in each tile, along one side of a picture.

    Parameters
    ----------
    length : width or height, pixels

    Returns
    -------
    (8, length // 8), eighths of a pixel: tile k reaches from k to k + 1 eighths of the side
    """
    edges = np.arange(TILES + 1, dtype=np.int64) * length
    starts = 64 * np.arange(length // 8, dtype=np.int64)
    end = np.minimum(edges[1:, None], starts + 64)
    return np.asarray(np.maximum(end - np.maximum(edges[:-1, None], starts), 0))


def contrasts(dc: NDArray[np.int64], scale: int, size: tuple[int, int]) -> list[Fraction]:
    """Return how many levels each tile is brighter than all of them together, exactly.

    Parameters
    ----------
    dc : (rows, columns), DC coefficients of whole blocks
    scale : how many units of `dc` are one level of a coefficient
    size : width and height of the picture, pixels
    """
    down, along = overlaps(size[1])[:, : dc.shape[0]], overlaps(size[0])[:, : dc.shape[1]]
    weights = np.outer(down.sum(axis=1), along.sum(axis=1)).reshape(-1).tolist()
    sums = (down @ dc @ along.T).reshape(-1).tolist()
    mean = Fraction(sum(sums), max(sum(weights), 1))
    return [
        (Fraction(total, weight) - mean) / (8 * scale) if weight else Fraction(0)
        for total, weight in zip(sums, weights, strict=True)
    ]


def places_of(contrasts: list[Fraction]) -> list[Fraction]:
    """Return where tiles are among the levels: the floor is the level, near a whole one its edge.

    Flat pictures, and ramps from black to white, are away from the edges.
    """
    return [each / LEVEL + OFFSET for each in contrasts]


def unsteady(
    dc: NDArray[np.int64], scale: int, size: tuple[int, int], change: float
) -> NDArray[np.bool_]:
    """Mark the blocks of tiles that are so near to another level that changes could move them.

    Parameters
    ----------
    dc, scale, size : as in `contrasts`
    change : levels that a block may become brighter or darker by
    """
    down, along = overlaps(size[1])[:, : dc.shape[0]], overlaps(size[0])[:, : dc.shape[1]]
    shares = [each / np.maximum(each.sum(axis=1, keepdims=True), 1) for each in (down, along)]
    deviation = np.outer(*(np.sqrt((each**2).sum(axis=1)) for each in shares))
    places = np.array(places_of(contrasts(dc, scale, size)), np.float64).reshape(TILES, TILES)
    near = LEVEL * np.abs(places - np.rint(places)) < change * (_DEVIATIONS * deviation + _BESIDES)
    return np.asarray((down > 0).T.astype(int) @ near.astype(int) @ (along > 0).astype(int) > 0)


def salt_of(dc: NDArray[np.int64], scale: int, size: tuple[int, int]) -> bytes:
    """Return the PICTURE_BYTES that stand for a picture: how its 64 tiles differ in brightness.

    Decoders and channels that make everything brighter or darker by the same do not matter.

    Parameters
    ----------
    dc, scale, size : as in `contrasts`
    """
    levels = map(math.floor, places_of(contrasts(dc, scale, size)))
    text = _DOMAIN + bytes(min(max(k, -8), 7) + 8 for k in levels)
    return hashlib.sha256(text).digest()[:PICTURE_BYTES]
