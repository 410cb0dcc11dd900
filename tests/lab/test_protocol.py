import itertools

import numpy as np
import pytest

from deephide.lab import ensemble
from deephide.lab.protocol import (
    judge_attack,
    judge_features,
    judge_nothing,
    least_error,
    roc,
    splits,
)

N, SIZE = 120, 30


@pytest.fixture
def pairs():
    """Features of covers, and of stegos that differ by a little along one direction."""
    rng = np.random.default_rng(3)
    covers = rng.normal(size=(N, SIZE)) * np.logspace(-3, 3, SIZE)
    shift = rng.normal(size=SIZE) * np.logspace(-3, 3, SIZE)
    return covers, covers + shift


@pytest.fixture
def groups():
    return np.arange(N) // 4


def _brute_error(covers, stegos):
    thresholds = [-np.inf, *covers, *stegos]
    return min(((covers > t).mean() + (stegos <= t).mean()) / 2 for t in thresholds)


@pytest.mark.parametrize("seed", range(5))
def test_the_least_error_is_that_of_all_thresholds(seed):
    rng = np.random.default_rng(seed)
    covers = rng.integers(0, 6, 17).astype(float)  # with equal scores
    stegos = rng.integers(1, 8, 23).astype(float)
    assert least_error(covers, stegos) == pytest.approx(_brute_error(covers, stegos))


def test_the_extremes_of_the_least_error():
    low, high = np.zeros(5), np.ones(5)
    assert least_error(low, high) == 0
    assert least_error(low, low) == 0.5
    assert least_error(high, low) == 0.5  # an attack whose sign is wrong says nothing


def test_a_roc_curve_goes_from_nothing_to_everything():
    rng = np.random.default_rng(1)
    alarms, found = roc(rng.normal(size=40), rng.normal(1, 1, 50))
    assert (alarms[0], found[0], alarms[-1], found[-1]) == (0, 0, 1, 1)
    assert (np.diff(alarms) >= 0).all()
    assert (np.diff(found) >= 0).all()


def test_a_photo_is_never_on_both_sides(groups):
    for mask in itertools.islice(splits(groups, np.random.default_rng(1)), 20):
        sides = set(groups[mask]), set(groups[~mask])
        assert not sides[0] & sides[1]
        assert 0.4 < mask.mean() < 0.6


@pytest.mark.parametrize("seed", range(4))
def test_a_learner_makes_the_fewest_errors(seed):
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=15), rng.normal(0.5, 1, 15)
    threshold = ensemble._fewest_errors(one, two)
    errors = (one > threshold).mean() + (two <= threshold).mean()
    assert errors / 2 == pytest.approx(_brute_error(one, two))


def test_what_differs_is_found(pairs, groups):
    verdict = judge_features(*pairs, groups, 1, 10)
    assert np.mean(verdict.errors) < 0.1
    assert np.mean(verdict.trained_errors) < 0.15
    assert np.mean(verdict.chance) > 0.35


def test_what_does_not_differ_is_not_found(pairs, groups):
    rng = np.random.default_rng(9)
    covers, _ = pairs
    noise = covers + rng.normal(size=covers.shape) * 1e-9 * covers.std(axis=0)
    verdict = judge_features(covers, noise, groups, 1, 10)
    assert abs(np.mean(verdict.errors) - np.mean(verdict.chance)) < 0.08
    assert abs(np.mean(verdict.trained_errors) - 0.5) < 0.08


@pytest.mark.parametrize("dimension", [10, None])
def test_the_null_row_is_at_chance(pairs, groups, dimension):
    covers = pairs[0] if dimension else pairs[0][:, 0]
    verdict = judge_nothing(covers, groups, 1, dimension)
    assert 0.35 < np.mean(verdict.errors) <= 0.5
    assert len(verdict.trained_errors) == (10 if dimension else 0)


def test_an_attack_needs_no_training():
    rng = np.random.default_rng(1)
    covers = rng.normal(size=200)
    verdict = judge_attack(covers, covers + 10, 1)
    assert verdict.errors == (0.0,)
    assert np.mean(verdict.chance) > 0.4


def test_the_same_seed_gives_the_same_verdict(pairs, groups):
    first, again, other = (judge_features(*pairs, groups, seed, 10) for seed in (1, 1, 2))
    assert first.errors == again.errors
    assert np.array_equal(first.stegos, again.stegos)
    assert not np.array_equal(first.stegos, other.stegos)


def test_features_that_never_vary_do_no_harm(pairs, groups):
    covers, stegos = (np.hstack([side, np.full((N, 3), 7.0)]) for side in pairs)
    assert np.mean(judge_features(covers, stegos, groups, 1, 10).errors) < 0.1
