"""Mean of a sample with a bootstrap confidence interval."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

ROUNDS = 2000
LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Mean:
    """Mean of `count` values, and the interval that covers it with a confidence of 95 %."""

    mean: float
    low: float
    high: float
    count: int


def mean_of(values: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0) -> Mean:
    """Percentile bootstrap (Efron 1979): the images are drawn again, with replacement.

    Parameters
    ----------
    values : (N,) numbers; those that are not finite are left out
    rounds : samples that are drawn
    seed : of the draws

    Returns
    -------
    Mean, of NaN where no value is finite
    """
    sample = np.asarray(values, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        return Mean(np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(seed)
    means = [sample[rng.integers(0, len(sample), len(sample))].mean() for _ in range(rounds)]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Mean(float(sample.mean()), float(low), float(high), len(sample))
