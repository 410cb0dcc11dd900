"""Compiled loops of the features: residuals, and how often their runs occur. No validation here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stc.jit import jit

__all__ = ["count_runs", "filtered", "quantised"]


@jit
def filtered(image: NDArray[np.int32], kernel: NDArray[np.int32]) -> NDArray[np.int32]:
    """Correlate with a small kernel where it fits: (H, W), (a, b) -> (H - a + 1, W - b + 1)."""
    height = image.shape[0] - kernel.shape[0] + 1
    width = image.shape[1] - kernel.shape[1] + 1
    out = np.zeros((height, width), np.int32)
    for y in range(height):
        for a in range(kernel.shape[0]):
            for b in range(kernel.shape[1]):
                weight = kernel[a, b]
                if weight != 0:
                    for x in range(width):
                        out[y, x] += weight * image[y + a, x + b]
    return out


@jit
def quantised(residual: NDArray[np.int32], divisor: int, limit: int) -> NDArray[np.uint8]:
    """Divide, round half away from zero, truncate to ±limit, and add `limit`."""
    out = np.full(residual.shape, limit, np.uint8)
    for y in range(residual.shape[0]):
        for k in range(1, limit + 1):
            # In units of half a divisor, so that all comparisons are between integers.
            edge = (2 * k - 1) * divisor
            for x in range(residual.shape[1]):
                out[y, x] += np.uint8(2 * residual[y, x] >= edge)
                out[y, x] -= np.uint8(2 * residual[y, x] <= -edge)
    return out


@jit
def count_runs(
    levels: NDArray[np.uint8], dy: int, dx: int, length: int, base: int
) -> NDArray[np.int64]:
    """Count the runs of three or four levels, all below `base`, in the direction (dy, dx), dy >= 0.

    Returns
    -------
    counts : (base**length,) int64; a run's number has its first level as the leading digit
    """
    height, width = levels.shape
    counts = np.zeros(base**length, np.int64)
    reach = length - 1
    first, last = max(0, -reach * dx), min(width, width - reach * dx)
    for y in range(height - reach * dy):
        for x in range(first, last):
            # Written out, because a loop over so few levels would take twice as long.
            number = (levels[y, x] * base + levels[y + dy, x + dx]) * base
            number += levels[y + 2 * dy, x + 2 * dx]
            if length == 4:
                number = number * base + levels[y + 3 * dy, x + 3 * dx]
            counts[number] += 1
    return counts
