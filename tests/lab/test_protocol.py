import itertools

import numpy as np
import pytest

from deephide.lab import ensemble
from deephide.lab.protocol import (
    judge_attack,
    judge_features,
    judge_no_scores,
    judge_nothing,
    judge_scores,
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


def test_scores_of_a_perfect_detector_leave_no_doubt():
    verdict = judge_scores(np.full(40, -1.0), np.full(40, 1.0), np.arange(40) // 4, 1)
    assert (verdict.errors, verdict.interval, verdict.trained_errors) == (
        (0.0,),
        (0.0, 0.0),
        (0.0,),
    )
    assert min(verdict.chance) > 0.3


def test_scores_that_say_nothing_are_at_chance():
    covers, stegos = np.random.default_rng(2).normal(size=(2, 400))
    verdict = judge_scores(covers, stegos, np.arange(400), 1)
    assert verdict.errors == (least_error(covers, stegos),)
    assert abs(verdict.errors[0] - np.mean(verdict.chance)) < 3 * np.std(verdict.chance) + 0.01
    assert verdict.interval[0] < verdict.errors[0] < verdict.interval[1]
    assert 0.02 < verdict.interval[1] - verdict.interval[0] < 0.12


def test_the_interval_is_of_photos_and_not_of_their_parts():
    """Sixteen parts of a photo that are all missed or all found say no more than one."""
    rng = np.random.default_rng(5)
    found = np.where(rng.random(12) < 0.6, 2.0, -1.0)
    covers, stegos = rng.uniform(-0.9, 1, 12).repeat(16), found.repeat(16)
    widths = [
        np.ptp(judge_scores(covers, stegos, groups, 1).interval)
        for groups in (np.arange(12).repeat(16), np.arange(192))
    ]
    assert widths[0] > 2 * widths[1]


def test_halves_of_the_covers_tell_nothing_apart():
    verdict = judge_no_scores(np.random.default_rng(3).normal(size=60), 1)
    assert len(verdict.errors) == 10
    assert 0.3 < np.mean(verdict.errors) < 0.5
    assert (verdict.trained_errors, verdict.interval) == ((), None)
