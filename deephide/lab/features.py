"""Features of the learned detectors: SPAM and a subset of the spatial rich model.

Both describe the noise of an image by how often short runs of neighbouring residuals occur.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from deephide.lab.kernels import count_runs, filtered, quantised

__all__ = ["RICH_SIZE", "SPAM_SIZE", "SQUARE_3", "SQUARE_5", "rich", "spam"]

Plane = NDArray[np.uint8]
Vector = NDArray[np.float64]

_SPAM_LIMIT, _SPAM_LENGTH = 3, 3
_RICH_LIMIT, _RICH_LENGTH = 2, 4
_RICH_STEPS = (1, 2)
SPAM_SIZE = 2 * (2 * _SPAM_LIMIT + 1) ** 3
RICH_SIZE = 3380

_STRAIGHT = ((0, 1), (1, 0))
_DIAGONAL = ((1, 1), (1, -1))

SQUARE_3 = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
SQUARE_5 = [
    [-1, 2, -2, 2, -1],
    [2, -6, 8, -6, 2],
    [-2, 8, -12, 8, -2],
    [2, -6, 8, -6, 2],
    [-1, 2, -2, 2, -1],
]
# Kernels that look along a row, and the sum of their positive weights up to rounding: the order.
_DIRECTED = (
    (([[-1, 1]],), 1),
    (([[1, -2, 1]],), 2),
    (([[1, -3, 3, -1]],), 3),
    ((SQUARE_3[:2], SQUARE_3[1:]), 4),
)
_ROUND = ((SQUARE_3, 4), (SQUARE_5, 12))


def spam(plane: Plane) -> Vector:
    """Subtractive pixel adjacency model of second order.

    Pevný, Bas and Fridrich 2010, Sec. III: how often triples of neighbouring differences occur,
    each truncated to ±3, averaged over the four straight and over the four diagonal directions.
    Joint frequencies, as the authors' extractor has them, not conditional ones as the paper writes.

    Parameters
    ----------
    plane : (H, W) uint8

    Returns
    -------
    features : (686,) float64
    """
    image = plane.astype(np.int32)
    return np.concatenate([_spam_half(image, _STRAIGHT), _spam_half(image, _DIAGONAL)])


def _spam_half(image: NDArray[np.int32], directions: tuple[tuple[int, int], ...]) -> Vector:
    base = 2 * _SPAM_LIMIT + 1
    total = np.zeros(base**3)
    for dy, dx in directions:
        kernel = np.zeros((1 + dy, 1 + abs(dx)), np.int32)
        first, second = (0, 0) if dx >= 0 else (0, 1), (dy, max(dx, 0))
        kernel[first], kernel[second] = 1, -1
        differences = quantised(filtered(image, kernel), 1, _SPAM_LIMIT)
        counts = count_runs(differences, dy, dx, _SPAM_LENGTH, base)
        # The way back has the same runs in reverse with their signs turned, which mirrors numbers.
        back = counts.reshape(base, base, base).transpose().reshape(-1)[::-1]
        total += (counts + back) / counts.sum()
    return total / (2 * len(directions))


def rich(plane: Plane) -> Vector:
    """A subset of the spatial rich model with linear residuals.

    Fridrich and Kodovský 2012: residuals of first to third order, of the halves of the 3 x 3 kernel
    ("edge"), and of the 3 x 3 and 5 x 5 kernels; divided by the order times 1 or 2, rounded,
    truncated to ±2; joint frequencies of four neighbours, along the residual's direction and
    across; made symmetric in sign and order.  20 submodels of 169 bins each.

    Parameters
    ----------
    plane : (H, W) uint8, H and W at least 8

    Returns
    -------
    features : (3380,) float64; each submodel sums to 1
    """
    image = plane.astype(np.int32)
    mirrored = np.ascontiguousarray(image.T)
    found = []
    for kernels, order in _DIRECTED:
        residuals = [
            filtered(each, np.array(kernel, np.int32))
            for kernel in kernels
            for each in (image, mirrored)
        ]
        for step in _RICH_STEPS:
            levels = [quantised(residual, order * step, _RICH_LIMIT) for residual in residuals]
            # A transposed image makes a column's kernel look like a row's.
            found += [_frequencies(levels, ((0, 1),)), _frequencies(levels, ((1, 0),))]
    for kernel, order in _ROUND:
        residual = filtered(image, np.array(kernel, np.int32))
        for step in _RICH_STEPS:
            found.append(_frequencies([quantised(residual, order * step, _RICH_LIMIT)], _STRAIGHT))
    return np.concatenate(found)


def _frequencies(
    levels: list[NDArray[np.uint8]], directions: tuple[tuple[int, int], ...]
) -> Vector:
    classes = _symmetry_classes()
    counts = np.zeros(classes.size, np.int64)
    for each in levels:
        for dy, dx in directions:
            counts += count_runs(each, dy, dx, _RICH_LENGTH, 2 * _RICH_LIMIT + 1)
    merged: Vector = np.bincount(classes, counts) / counts.sum()
    return merged


@functools.cache
def _symmetry_classes() -> NDArray[np.intp]:
    """Number of the class of each run: it, its reverse, its negative and both are one."""
    base = 2 * _RICH_LIMIT + 1
    numbers: dict[tuple[int, ...], int] = {}
    classes = []
    for run in itertools.product(range(base), repeat=_RICH_LENGTH):
        mirrored = tuple(base - 1 - level for level in run)
        name = min(run, run[::-1], mirrored, mirrored[::-1])
        classes.append(numbers.setdefault(name, len(numbers)))
    return np.array(classes)
