"""Filters of PNG rows, and the rules by which encoders pick one for each row.

PNG specification, section 9 (filters) and 12.8 (the rule that nearly all encoders follow: the
filter whose row has the least sum of distances from zero).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LAZY_RULES",
    "RULES",
    "Bytes",
    "Rows",
    "apply_filters",
    "choose_filters",
    "follows",
    "seems_to_follow",
]

Bytes: TypeAlias = NDArray[np.uint8]
# The rows of an image, (height, bytes per row), and the bytes per pixel.
Rows: TypeAlias = tuple[Bytes, int]

_BLOCK_BYTES = 1 << 21


@dataclass(frozen=True)
class Rule:
    """The order in which filters are tried; a later one must be strictly better.

    `lazy` rules stop at a row that has become all zero.  `measure` is what is summed up:
    "distance" from zero on the circle of bytes; "sign" counts negative bytes one lower; "raw" is
    the same but for unfiltered rows, whose values count as they are; "wide" takes the difference
    before it wraps around.
    """

    order: tuple[int, ...]
    measure: str = "distance"
    lazy: bool = False


RULES: dict[str, Rule] = {
    # libpng, stb_image_write, fpng: all five in the order of their numbers.
    "libpng": Rule((0, 1, 2, 3, 4)),
    # Pillow begins with "up", and leaves "average" to `optimize`.
    "pillow": Rule((0, 2, 1, 4), lazy=True),
    "pillow-optimize": Rule((0, 2, 1, 3, 4), lazy=True),
    "go": Rule((2, 4, 0, 1, 3)),
    "rust": Rule((1, 2, 3, 4)),
    "java": Rule((0, 1, 2, 3, 4), "wide"),
    "lodepng": Rule((0, 1, 2, 3, 4), "raw"),
}
LAZY_RULES = tuple(name for name, rule in RULES.items() if rule.lazy)


def apply_filters(rows: Bytes, types: Bytes, pixel: int) -> memoryview:
    """Apply to each row the filter its type names (PNG specification, section 9)."""
    height, width = rows.shape
    out = np.empty((height, 1 + width), dtype=np.uint8)
    out[:, 0] = types
    for kind in range(5):
        # A block of rows at a time keeps the wide intermediates small.
        places = np.flatnonzero(types == kind)
        for chunk in np.array_split(places, max(1, places.size * width // _BLOCK_BYTES)):
            if chunk.size:
                out[chunk, 1:] = _filtered(_around(rows, chunk, pixel), kind)
    return out.reshape(-1).data


def _around(rows: Bytes, places: NDArray[np.int64], pixel: int) -> tuple[Bytes, ...]:
    """Return the rows at `places`, what is left of them, above, and above to the left."""
    current = rows[places]
    above = np.where((places > 0)[:, None], rows[np.maximum(places - 1, 0)], np.uint8(0))
    left, corner = np.zeros_like(current), np.zeros_like(current)
    left[:, pixel:] = current[:, :-pixel]
    corner[:, pixel:] = above[:, :-pixel]
    return current, left, above, corner


def _predicted(around: tuple[Bytes, ...], kind: int) -> Bytes:
    """Return what a filter takes away from a row."""
    current, left, above, corner = around
    if kind < 3:
        return (np.zeros_like(current), left, above)[kind]
    if kind == 3:  # the mean of the two, rounded down, without a wider type
        return (left & above) + ((left ^ above) >> 1)
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    # |p - a|, |p - b|, |p - c| with p = a + b - c.
    da, db, dc = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((da <= db) & (da <= dc), left, np.where(db <= dc, above, corner))


def _filtered(around: tuple[Bytes, ...], kind: int) -> Bytes:
    return around[0] - _predicted(around, kind)


def _sums(around: tuple[Bytes, ...], kind: int, measure: str) -> NDArray[np.int64]:
    """Return for each row what a rule compares."""
    if measure == "wide":
        away = np.abs(around[0].astype(np.int16) - _predicted(around, kind))
    elif measure == "raw" and kind == 0:
        away = around[0].astype(np.int16)
    else:
        signed = _filtered(around, kind).view(np.int8).astype(np.int16)
        away = np.abs(signed)
        if measure == "raw":
            away -= signed < 0  # 255 - s, not 256 - s
    return np.asarray(away.sum(axis=1, dtype=np.int64))


def choose_filters(rows: Bytes, pixel: int, rule: str) -> Bytes:
    """Return the filter that a rule picks for each row."""
    height, width = rows.shape
    chosen = RULES[rule]
    types = np.zeros(height, np.uint8)
    for chunk in np.array_split(np.arange(height), max(1, height * width // _BLOCK_BYTES)):
        around = _around(rows, chunk, pixel)
        best = np.full(chunk.size, np.iinfo(np.int64).max)
        for kind in chosen.order:
            total = _sums(around, kind, chosen.measure)
            better = total < best
            if chosen.lazy:
                better &= best > 0
            types[chunk[better]] = kind
            best = np.where(better, total, best)
    return types


def seems_to_follow(passes: list[Rows], types: list[Bytes], rule: str) -> bool:
    """Tell whether the first rows have the filter that the rule picks."""
    return all(
        np.array_equal(choose_filters(rows[:16], pixel, rule), used[:16])
        for (rows, pixel), used in zip(passes, types, strict=True)
    )


def follows(passes: list[Rows], types: list[Bytes], rule: str) -> bool:
    """Tell whether all rows have the filter that the rule picks; a sample first, to save time."""
    return seems_to_follow(passes, types, rule) and all(
        np.array_equal(choose_filters(rows, pixel, rule), used)
        for (rows, pixel), used in zip(passes, types, strict=True)
    )
