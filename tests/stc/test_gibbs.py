"""The multiplier and the entropies, against plain sums."""

import math

import numpy as np
import pytest

from stc import gibbs


def test_weights_of_free_and_wet_elements_hold_at_any_multiplier():
    cost = np.array([0.0, 1.0, np.inf])
    assert gibbs.weights(cost, 2.0).tolist() == [1.0, math.exp(-2.0), 0.0]
    assert gibbs.weights(cost, 0.0).tolist() == [1.0, 1.0, 0.0]
    assert gibbs.weights(cost, np.inf).tolist() == [1.0, 0.0, 0.0]


def test_entropies_of_a_flip_are_those_of_its_definition():
    for p in (1e-12, 0.01, 0.3, 0.5):
        wanted = -p * math.log2(p) - (1 - p) * math.log2(1 - p)
        scaled = np.array([math.log(1 / p - 1)])
        assert gibbs.binary_entropy(np.array([p]))[0] == pytest.approx(wanted, rel=1e-9)
        assert gibbs.flip_entropy(scaled)[0] == pytest.approx(wanted, rel=1e-9)
    assert gibbs.binary_entropy(np.array([0.0, 1.0])).tolist() == [0.0, 0.0]


def test_bisection_ends_at_the_least_that_is_enough():
    found = gibbs.bisect(lambda at: at >= 0.3, -12.0, 20.0, 2.0**-19)
    assert 0.3 <= found <= 0.3 + 2.0**-19
    assert gibbs.bisect(lambda _: False, 0.0, 1.0, 1e-3) == 1.0


@pytest.mark.parametrize("payload", [3.0, 60.0, 150.0])
def test_the_multiplier_makes_the_entropy_the_payload(rng, payload):
    up, down = rng.random(200) ** 2, rng.random(200)
    up[:20] = down[10:30] = np.inf
    multiplier = gibbs.solve_multiplier((up, down), payload)
    entropy = 0.0
    for one, two in zip(up, down, strict=True):
        chances = np.exp([0.0, -multiplier * one, -multiplier * two])
        entropy -= sum(p * math.log2(p) for p in chances / chances.sum() if p > 0)
    assert entropy == pytest.approx(payload, rel=1e-9)
