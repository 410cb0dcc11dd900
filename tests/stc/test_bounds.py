import numpy as np
import pytest
import stc_oracle
from files import files_in

import stc


def test_bound_equals_the_vectors(vectors):
    for path in files_in(vectors, "stc_bin_*.npz", least=11):
        case = np.load(path)
        if np.isnan(case["bound"]):
            continue
        ours = stc.bound_distortion(case["cost"], case["msg"].size)
        assert ours == pytest.approx(float(case["bound"]), rel=1e-9), path.name


def test_ternary_bound_equals_the_vectors(vectors):
    case = np.load(vectors / "cost_synthetic_edge_97x131.npz")
    n = case["cover"].size
    for alpha in ("0.05", "0.1", "0.4"):
        ours = stc.bound_distortion_ternary(
            case["hill_p1"], case["hill_m1"], round(float(alpha) * n)
        )
        assert ours == pytest.approx(float(case[f"hill_Dbound_exact_a{alpha}"]), rel=1e-9)


@pytest.mark.parametrize("payload", [0.5, 20, 150, 299])
def test_bound_equals_plain_bisection(rng, payload):
    cost = rng.random(400) ** 3
    cost[:100] = np.inf
    assert stc.bound_distortion(cost, payload) == pytest.approx(
        stc_oracle.binary_bound(cost, payload), rel=1e-6
    )


def test_ternary_bound_with_one_sign_forbidden_is_the_binary_bound(rng):
    cost = rng.random(500)
    wet = np.full(500, np.inf)
    assert stc.bound_distortion_ternary(cost, wet, 200) == pytest.approx(
        stc.bound_distortion(cost, 200), rel=1e-9
    )


def test_large_problems_start_from_a_sample(rng):
    cost = rng.random(300_000)
    few = stc.bound_distortion(cost, 30_000)
    assert 2 * few == pytest.approx(stc.bound_distortion(np.tile(cost, 2), 60_000), rel=1e-9)


def test_extremes():
    assert stc.bound_distortion(np.ones(10), 0) == 0
    assert stc.bound_distortion(np.ones(10), 10) == pytest.approx(5, rel=1e-4)
    assert stc.bound_distortion(np.zeros(10), 10) == 0
    assert stc.bound_distortion([0, 0, 0, 1], 3) == pytest.approx(0, abs=1e-9)
    assert stc.bound_distortion([0, 0, 0, 1], 2) == 0
    assert stc.bound_distortion_ternary(np.ones(3), np.ones(3), 3 * np.log2(3)) == pytest.approx(
        2, rel=1e-4
    )


def test_bound_errors():
    with pytest.raises(stc.PayloadTooLargeError) as caught:
        stc.bound_distortion([1, 1, np.inf], 3)
    assert (caught.value.needed_bits, caught.value.capacity_bits) == (3, 2)
    for bad in (-1, np.nan):
        with pytest.raises(ValueError, match="payload_bits: got"):
            stc.bound_distortion([1.0], bad)
    with pytest.raises(ValueError, match="cost: got nan"):
        stc.bound_distortion([np.nan], 1)
    with pytest.raises(ValueError, match="cost_m1: got shape"):
        stc.bound_distortion_ternary([1.0], [1.0, 1.0], 1)


def test_simulation_sits_on_the_bound(rng):
    cover = rng.integers(0, 256, (200, 300)).astype(np.uint8)
    p1, m1 = rng.random(cover.shape), rng.random(cover.shape)
    stego = stc.simulate(cover, p1, m1, 12_000, rng)
    delta = stego.astype(int) - cover
    assert set(np.unique(delta)) <= {-1, 0, 1}
    paid = p1[delta == 1].sum() + m1[delta == -1].sum()
    bound = stc.bound_distortion_ternary(
        np.where(cover == 255, np.inf, p1), np.where(cover == 0, np.inf, m1), 12_000
    )
    assert paid == pytest.approx(bound, rel=0.05)
    assert np.array_equal(stc.simulate(cover, p1, m1, 0, rng), cover)


def test_simulation_of_free_changes(rng):
    cover = np.zeros(1000, np.int8)
    p1 = np.where(np.arange(1000) < 500, 0.0, 1.0)
    stego = stc.simulate(cover, p1, np.full(1000, np.inf), 100, rng)
    assert not stego[500:].any()
    assert 150 < stego[:500].sum() < 350


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e305])
def test_bound_of_costs_near_the_ends_of_float64(rng, scale):
    cost = rng.random(100) * scale
    once = stc.bound_distortion(cost, 20)
    assert 0 <= once < 100 * scale
    cover = rng.integers(10, 20, 100)
    message = rng.integers(0, 2, 20)
    stego = stc.embed_ternary(cover, message, cost, cost)
    assert (stc.extract_ternary(stego, 20) == message).all()
    assert np.abs(stc.simulate(cover, cost, cost, 20, rng) - cover).max() <= 1


def test_simulate_names_what_does_not_fit(rng):
    with pytest.raises(ValueError, match=r"cost_p1: got shape \(9,\); allowed: \(10,\)"):
        stc.simulate(np.zeros(10, int), np.ones(9), np.ones(10), 3, rng)
    with pytest.raises(ValueError, match="cover: got shape"):
        stc.simulate(np.zeros(10), np.ones(10), np.ones(10), 3, rng)
