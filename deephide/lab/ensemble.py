"""Ensemble of Fisher linear discriminants, the customary classifier of steganalysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ensemble", "train"]

Matrix: TypeAlias = NDArray[np.float64]

LEARNERS = 100
_RIDGE = 1e-6  # of the mean variance


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trained learners, each with its own features.

    `subspaces` is (L, d) integers, `directions` (L, d) and `thresholds` (L,) float64: a learner
    calls an image a stego if its d features along the direction exceed the threshold.
    """

    subspaces: NDArray[np.intp]
    directions: Matrix
    thresholds: NDArray[np.float64]

    def votes(self, features: Matrix) -> NDArray[np.float64]:
        """Return the share of learners that call each of (n, D) a stego."""
        total = np.zeros(len(features))
        for used, direction, threshold in zip(
            self.subspaces, self.directions, self.thresholds, strict=True
        ):
            total += features[:, used] @ direction > threshold
        return total / len(self.thresholds)


def train(
    covers: Matrix,
    stegos: Matrix,
    rng: np.random.Generator,
    *,
    dimension: int = 250,
    learners: int = LEARNERS,
) -> Ensemble:
    """Train on as many covers as stegos; if they are pairs, row by row, none is torn apart.

    Kodovský, Fridrich and Holub 2012, Sec. III: every learner sees a random part of the features
    and a bootstrap sample of the images, and its threshold makes the fewest errors on these.

    Parameters
    ----------
    covers, stegos : (n, D) float64, n at least 2
    rng : source of the random parts
    dimension : features per learner; at most D and n, since more could be fitted to anything
    learners : L

    Returns
    -------
    Ensemble
    """
    count, size = covers.shape
    dimension = min(dimension, size, count)
    deviation = np.concatenate([covers, stegos]).std(axis=0)
    # A feature that never varies says nothing, and would divide by zero.
    scale = np.divide(1.0, deviation, out=np.zeros(size), where=deviation > 0)
    subspaces = np.empty((learners, dimension), np.intp)
    directions = np.empty((learners, dimension))
    thresholds = np.empty(learners)
    for index in range(learners):
        used = rng.choice(size, dimension, replace=False)
        drawn = rng.integers(0, count, count)
        one, two = (side[np.ix_(drawn, used)] * scale[used] for side in (covers, stegos))
        direction = _fisher(one, two)
        subspaces[index], directions[index] = used, direction * scale[used]
        thresholds[index] = _fewest_errors(one @ direction, two @ direction)
    return Ensemble(subspaces, directions, thresholds)


def _fisher(one: Matrix, two: Matrix) -> NDArray[np.float64]:
    means = one.mean(axis=0), two.mean(axis=0)
    scatter = sum(
        (part - mean).T @ (part - mean) / len(part)
        for part, mean in zip((one, two), means, strict=True)
    )
    ridge = _RIDGE * max(float(np.trace(scatter)) / len(scatter), 1e-12)
    scatter[np.diag_indices_from(scatter)] += ridge
    direction: NDArray[np.float64] = np.linalg.solve(scatter, means[1] - means[0])
    return direction


def _fewest_errors(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Return the threshold above which the fewest of `one` and most of `two` lie."""
    values = np.concatenate([one, two])
    order = np.argsort(values, kind="stable")
    is_stego = order >= one.size
    # Errors if the threshold lies just above the k-th value.
    missed, alarms = np.cumsum(is_stego), one.size - np.cumsum(~is_stego)
    return float(values[order[np.argmin(missed + alarms)]])
