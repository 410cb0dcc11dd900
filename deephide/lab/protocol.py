"""Protocol of detectability: errors at equal priors over repeated splits, beside pure chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from deephide.lab import ensemble

__all__ = [
    "Verdict",
    "judge_attack",
    "judge_features",
    "judge_no_scores",
    "judge_nothing",
    "judge_scores",
    "least_error",
    "roc",
    "splits",
]

Matrix: TypeAlias = NDArray[np.float64]
Scores: TypeAlias = NDArray[np.float64]

SPLITS = 10
_RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one detector achieves.

    `errors` has P_E of each split: the least mean of false alarms and misses over all thresholds on
    images that were not trained on; 0.5 means undetectable, and picking the best threshold makes
    chance look a little better than that.  `chance` has the same where cover and stego of each pair
    changed places at random, so that nothing can be learnt: what lies within its spread is not
    detected.  `trained_errors` has the unbiased errors at the threshold that was trained, empty for
    an attack.  `covers` and `stegos` are the scores that the ROC curve is drawn from.  `interval`
    holds P_E of a detector that was trained once, with a confidence of 95 %.
    """

    errors: tuple[float, ...]
    chance: tuple[float, ...]
    trained_errors: tuple[float, ...]
    covers: Scores
    stegos: Scores
    interval: tuple[float, float] | None = None


def splits(groups: NDArray[np.intp], rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Yield masks of the covers to train on: about half, with each photo on one side."""
    sizes = np.bincount(groups)
    while True:
        order = rng.permutation(sizes.size)
        half = np.searchsorted(np.cumsum(sizes[order]), groups.size / 2) + 1
        yield np.isin(groups, order[:half])


def roc(covers: Scores, stegos: Scores) -> tuple[Scores, Scores]:
    """Return the rates of false alarms and of detections at all thresholds, both ascending."""
    values = np.concatenate([covers, stegos])
    order = np.argsort(-values, kind="stable")
    is_stego = order >= covers.size
    last = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1)  # of equal scores
    alarms = np.concatenate([[0], np.cumsum(~is_stego)[last]]) / covers.size
    found = np.concatenate([[0], np.cumsum(is_stego)[last]]) / stegos.size
    return alarms, found


def least_error(covers: Scores, stegos: Scores) -> float:
    """Return P_E: the least of (false alarms + misses) / 2 over all thresholds.

    Parameters
    ----------
    covers, stegos : (n,), (m,) scores, larger for what looks like a stego
    """
    alarms, found = roc(covers, stegos)
    return float((alarms + 1.0 - found).min() / 2.0)


def _swapped(covers: Matrix, stegos: Matrix, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    swap = rng.random(len(covers)) < 0.5
    swap = swap.reshape(-1, *(1,) * (covers.ndim - 1))
    return np.where(swap, stegos, covers), np.where(swap, covers, stegos)


def judge_attack(covers: Scores, stegos: Scores, seed: int) -> Verdict:
    """Judge an attack that needs no training, on all images.

    Parameters
    ----------
    covers, stegos : (n,) scores of the same images before and after
    seed : of what is random

    Returns
    -------
    Verdict with a single error
    """
    rng = np.random.default_rng(seed)
    chance = tuple(least_error(*_swapped(covers, stegos, rng)) for _ in range(SPLITS))
    return Verdict((least_error(covers, stegos),), chance, (), covers, stegos)


def judge_scores(covers: Scores, stegos: Scores, groups: NDArray[np.intp], seed: int) -> Verdict:
    """Judge a detector that was trained once, on images that it has not seen.

    Its chance is that of its scores where cover and stego of each pair change places at random.
    The interval is of the error at the best threshold, over photos drawn with replacement.

    Parameters
    ----------
    covers, stegos : (n,) scores of the same images before and after, above 0 for a stego
    groups : (n,) number of the photo that each comes from
    seed : of what is random

    Returns
    -------
    Verdict with a single error
    """
    rng = np.random.default_rng(seed)
    chance = tuple(least_error(*_swapped(covers, stegos, rng)) for _ in range(SPLITS))
    trained = float((covers > 0).mean() + (stegos <= 0).mean()) / 2
    values = np.concatenate([[-np.inf], covers, stegos])
    errors = (covers[:, None] > values).mean(axis=0) + (stegos[:, None] <= values).mean(axis=0)
    limit = values[np.argmin(errors)]
    wrong = ((covers > limit).astype(float) + (stegos <= limit)) / 2
    photos = np.unique(groups, return_inverse=True)[1]
    sums, sizes = np.bincount(photos, wrong), np.bincount(photos)
    drawn = rng.integers(0, sizes.size, (_RESAMPLES, sizes.size))
    low, high = np.percentile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [2.5, 97.5])
    interval = (float(low), float(high))
    return Verdict((least_error(covers, stegos),), chance, (trained,), covers, stegos, interval)


def judge_no_scores(covers: Scores, seed: int) -> Verdict:
    """The null row of such a detector: half of the covers play the stegos.

    Parameters
    ----------
    covers, seed : as in `judge_scores`

    Returns
    -------
    Verdict with an error for each of several random halves
    """
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(covers), 2) for _ in range(SPLITS)]
    return _verdict([(one, two) for one, two in halves], (), trained=False)


def judge_features(
    covers: Matrix, stegos: Matrix, groups: NDArray[np.intp], seed: int, dimension: int
) -> Verdict:
    """Train and test an ensemble on repeated splits.

    Parameters
    ----------
    covers, stegos : (n, D) features of the same images before and after
    groups : (n,) number of the photo that each comes from
    seed : of splits, learners and swaps
    dimension : features per learner

    Returns
    -------
    Verdict
    """
    rng = np.random.default_rng(seed)
    tests, swapped = [], []
    for mask, _ in zip(splits(groups, rng), range(SPLITS), strict=False):
        tests.append(_test((covers, stegos), mask, rng, dimension))
        swapped.append(_test(_swapped(covers, stegos, rng), mask, rng, dimension))
    chance = tuple(least_error(*votes) for votes in swapped)
    return _verdict(tests, chance)


def judge_nothing(
    covers: Matrix, groups: NDArray[np.intp], seed: int, dimension: int | None
) -> Verdict:
    """The null row: on each side of a split, half of the covers play the stegos.

    Parameters
    ----------
    covers : (n, D) features, or (n,) scores of an attack
    groups, seed : as in `judge_features`
    dimension : features per learner, or None for an attack

    Returns
    -------
    Verdict
    """
    rng = np.random.default_rng(seed)
    tests = []
    for mask, _ in zip(splits(groups, rng), range(SPLITS), strict=False):
        # Pairs of different covers, all of whose members lie on one side.
        sides = [rng.permutation(np.flatnonzero(side)) for side in (mask, ~mask)]
        pairs = [side[: side.size // 2 * 2].reshape(2, -1) for side in sides]
        first, second = np.concatenate(pairs, axis=1)
        if dimension is None:
            tests.append((covers[first], covers[second]))
        else:
            trained = np.arange(first.size) < pairs[0].shape[1]
            tests.append(_test((covers[first], covers[second]), trained, rng, dimension))
    return _verdict(tests, (), trained=dimension is not None)


def _test(
    pairs: tuple[Matrix, Matrix], mask: NDArray[np.bool_], rng: np.random.Generator, dimension: int
) -> tuple[Scores, Scores]:
    """Train on the pairs of `mask` and return the votes on the others."""
    one, two = pairs
    classifier = ensemble.train(one[mask], two[mask], rng, dimension=dimension)
    covers, stegos = (classifier.votes(side[~mask]) for side in pairs)
    return covers, stegos


def _verdict(
    tests: list[tuple[Scores, Scores]], chance: tuple[float, ...], *, trained: bool = True
) -> Verdict:
    errors = tuple(least_error(*votes) for votes in tests)
    missed = [((one > 0.5).mean() + (two <= 0.5).mean()) / 2 for one, two in tests]
    return Verdict(errors, chance, tuple(map(float, missed)) if trained else (), *tests[0])
