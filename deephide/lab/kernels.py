"""Compiled loops of features and attacks: residuals, and how often their runs occur.

No validation here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stc.jit import jit

__all__ = ["SETS", "count_runs", "filtered", "quantised", "tally", "weighted_misses"]

SETS = 4  # of counts, for `tally`


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
def tally(numbers: NDArray[np.unsignedinteger], counts: NDArray[np.int64]) -> None:
    """Count numbers in (SETS, n) sets of counts, whose sum is meant.

    The sets take turns, because neighbours often have the same number, and adding to a count that
    was just written waits.
    """
    whole = numbers.size // 4 * 4
    for x in range(0, whole, 4):
        counts[0, numbers[x]] += 1
        counts[1, numbers[x + 1]] += 1
        counts[2, numbers[x + 2]] += 1
        counts[3, numbers[x + 3]] += 1
    for x in range(whole, numbers.size):
        counts[0, numbers[x]] += 1


@jit
def count_runs(
    levels: NDArray[np.uint8], dy: int, dx: int, length: int, base: int
) -> NDArray[np.int64]:
    """Count the runs of so many levels, all below `base`, in the direction (dy, dx), dy >= 0.

    Returns
    -------
    counts : (base**length,) int64, at most 2**16 of them; a run's number has its first level as
        the leading digit
    """
    height, width = levels.shape
    reach = length - 1
    first, last = max(0, -reach * dx), min(width, width - reach * dx)
    numbers = np.empty(max(last - first, 0), np.uint16)
    digit = np.uint16(base)
    counts = np.zeros((SETS, base**length), np.int64)
    for y in range(height - reach * dy):
        numbers[:] = 0
        for k in range(length):
            # A slice, so that no index can be negative: such a check keeps a loop from vectors.
            row = levels[y + k * dy, first + k * dx : last + k * dx]
            for x in range(numbers.size):
                numbers[x] = numbers[x] * digit + row[x]
        tally(numbers, counts)
    total: NDArray[np.int64] = counts.sum(axis=0)
    return total


@jit
def weighted_misses(
    image: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare inner samples with a prediction, in the direction that replacement would have taken.

    Ker and Böhme 2008: the prediction is by the kernel [[-1, 2, -1], [2, 0, 2], [-1, 2, -1]] / 4,
    the weight 1 / (5 + variance) of the four nearest samples.

    Returns
    -------
    misses, weights : (H - 2, W - 2) float64; the misses are weighted
    """
    height, width = image.shape[0] - 2, image.shape[1] - 2
    misses = np.empty((height, width))
    weights = np.empty((height, width))
    for y in range(height):
        above, row, below = image[y], image[y + 1], image[y + 2]
        for x in range(width):
            sample = row[x + 1]
            up, down, left, right = above[x + 1], below[x + 1], row[x], row[x + 2]
            near = up + down + left + right
            far = above[x] + above[x + 2] + below[x] + below[x + 2]
            mean = near / 4
            squares = up * up + down * down + left * left + right * right
            weight = 1.0 / (5.0 + (squares / 4 - mean * mean))
            weights[y, x] = weight
            misses[y, x] = weight * (sample - (sample ^ 1)) * (sample - (2 * near - far) / 4)
    return misses, weights
