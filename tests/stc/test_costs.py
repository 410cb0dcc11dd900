import numpy as np
import pytest
import stc_oracle

import stc
from stc.costs.jmipod import coefficient_information
from stc.costs.mipod import change_rates, fisher_information


def test_hill_equals_the_published_code(vectors):
    case = np.load(vectors / "cost_synthetic_edge_97x131.npz")
    ours = stc.costs.hill(case["cover"])
    assert ours.dtype == np.float64
    # The reference is float32.
    np.testing.assert_allclose(ours, case["hill_rho"], rtol=1e-5)
    p1, m1 = stc.costs.wet(case["cover"], ours)
    assert np.array_equal(np.isinf(p1), case["hill_p1"] > 1e9)
    assert np.array_equal(np.isinf(m1), case["hill_m1"] > 1e9)


@pytest.mark.parametrize(("name", "rtol"), [("wow", 1e-8), ("suniward", 1e-12)])
def test_wavelet_costs_equal_the_published_code(vectors, name, rtol):
    case = np.load(vectors / "cost_synthetic_edge_97x131.npz")
    ours = getattr(stc.costs, name)(case["cover"])
    np.testing.assert_allclose(ours, case[f"{name}_rho"], rtol=rtol)


def test_mipod_equals_the_published_code(vectors):
    case = np.load(vectors / "cost_synthetic_edge_97x131.npz")
    information = fisher_information(case["cover"])
    np.testing.assert_allclose(information, case["mipod_fisher"], rtol=1e-9)
    # The published search for the multiplier stops at a thousandth of the payload.
    payload = 0.4 * case["cover"].size
    rates = change_rates(information, payload)
    np.testing.assert_allclose(rates, case["mipod_beta_a0p4"], rtol=1e-3)


@pytest.mark.parametrize("share", [1e-4, 0.1, 0.99])
def test_mipod_rates_carry_the_payload_and_are_those_of_its_costs(rng, share):
    image = rng.integers(0, 256, (40, 50))
    image[:20] = 100
    payload = share * np.log2(3) * image.size
    beta = change_rates(fisher_information(image), payload)
    stay = 1 - 2 * beta
    entropy = -(2 * beta * np.log2(beta) + stay * np.log2(stay)).sum()
    assert entropy == pytest.approx(payload, rel=1e-6)
    # An optimal coder at these costs, with multiplier 1, changes at these rates.
    rho = stc.costs.mipod(image, payload)
    np.testing.assert_allclose(1 / (np.exp(rho) + 2), beta, rtol=1e-9)
    assert stc.bound_distortion_ternary(rho, rho, payload) == pytest.approx(
        (2 * beta * rho).sum(), rel=1e-5
    )


@pytest.mark.parametrize("scheme", [stc.costs.hill, stc.costs.suniward, stc.costs.wow])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (16, 17)])
def test_costs_are_positive_at_any_size_and_mirror_with_the_picture(rng, scheme, shape):
    image = rng.integers(1, 256, shape)
    rho = scheme(image)
    assert rho.shape == shape
    assert (rho > 0).all()
    if min(shape) > 1:  # a single row is flat across, and its costs the inverse of rounding
        np.testing.assert_allclose(scheme(image.T), rho.T, rtol=1e-6)


def test_mipod_refuses_impossible_payloads():
    flat = np.full((5, 5), 9)
    for bad in (0, -1, np.nan):
        with pytest.raises(ValueError, match="payload_bits: got"):
            stc.costs.mipod(flat, bad)
    with pytest.raises(stc.PayloadTooLargeError, match="payload_bits: got 40"):
        stc.costs.mipod(flat, 40)


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (17, 23)])
def test_hill_equals_explicit_windows(rng, shape):
    image = rng.integers(0, 256, shape)
    np.testing.assert_allclose(stc.costs.hill(image), stc_oracle.hill(image), rtol=1e-9)


def test_hill_of_a_flat_picture_is_finite_and_large():
    rho = stc.costs.hill(np.full((20, 20), 77))
    assert np.isfinite(rho).all()
    assert (rho > 1e6).all()


def test_wet_keeps_saturated_pixels_in_range():
    image = np.array([[0, 1], [254, 255]])
    p1, m1 = stc.costs.wet(image, np.full((2, 2), 3.0))
    assert p1.tolist() == [[3, 3], [3, np.inf]]
    assert m1.tolist() == [[np.inf, 3], [3, 3]]
    p1, m1 = stc.costs.wet(image, [[np.nan, np.inf], [0, 1]], low=1, high=254)
    assert p1.tolist() == [[np.inf, np.inf], [np.inf, np.inf]]
    assert m1.tolist() == [[np.inf, np.inf], [0, 1]]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="rho: got shape"):
        stc.costs.wet(np.zeros((2, 2)), np.zeros(4))
    with pytest.raises(ValueError, match=r"rho: got -1\.0"):
        stc.costs.wet(np.zeros(1), [-1.0])
    with pytest.raises(ValueError, match="image: got shape"):
        stc.costs.hill(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="image: got NaN"):
        stc.costs.hill(np.full((4, 4), np.nan))


def test_bad_jpeg_arguments_are_named():
    blocks, table = np.zeros((2, 3, 8, 8), int), np.full((8, 8), 10)
    for scheme in (stc.costs.juniward, stc.costs.uerd):
        with pytest.raises(ValueError, match=r"coefficients: got shape \(16, 24\)"):
            scheme(np.zeros((16, 24), int), table)
        with pytest.raises(ValueError, match="coefficients: got type float64"):
            scheme(blocks / 2, table)
        with pytest.raises(ValueError, match=r"quantization: got shape \(64,\)"):
            scheme(blocks, table.ravel())
        for bad in (table / 2, table * 0):
            with pytest.raises(ValueError, match="quantization: got other than positive"):
                scheme(blocks, bad)
    with pytest.raises(ValueError, match=r"pixels: got shape \(24, 16\)"):
        stc.costs.juniward(blocks, table, np.zeros((24, 16)))
    with pytest.raises(ValueError, match="pixels: got NaN"):
        stc.costs.juniward(blocks, table, np.full((16, 24), np.nan))
    with pytest.raises(ValueError, match="implementation: got 'matlab'"):
        stc.costs.juniward(blocks, table, implementation="matlab")


def test_jpeg_costs_carry_a_message_in_one_component(rng):
    blocks = rng.integers(-40, 41, (6, 7, 8, 8)) // np.arange(1, 65).reshape(8, 8)
    blocks[0, 0, 0, :2] = -1023, 1023
    table = np.full((8, 8), 12)
    message = rng.integers(0, 2, 200)
    for scheme in (stc.costs.juniward, stc.costs.uerd):
        costs = stc.costs.wet(blocks, scheme(blocks, table), low=-1023, high=1023)
        stego = stc.embed_ternary(blocks.ravel(), message, *(cost.ravel() for cost in costs))
        assert np.array_equal(stc.extract_ternary(stego, message.size), message)
        assert np.abs(stego - blocks.ravel()).max() == 1
        assert np.abs(stego).max() <= 1023


@pytest.mark.parametrize("shape", [(1, 1), (3, 2)])
def test_jmipod_equals_its_definition(rng, shape):
    coefficients = rng.integers(-3, 4, (*shape, 8, 8))
    coefficients[0, 0] = 0  # a flat block has the least variance
    quantization = rng.integers(1, 20, (8, 8))
    information = coefficient_information(coefficients, quantization)
    expected = stc_oracle.jmipod_information(coefficients, quantization)
    np.testing.assert_allclose(information, expected, rtol=1e-9)


def test_jmipod_carries_the_payload_over_all_components_with_one_multiplier(rng):
    components = [rng.integers(-3, 4, shape) for shape in ((4, 5, 8, 8), (2, 3, 8, 8))]
    tables = [np.full((8, 8), 9), rng.integers(5, 30, (8, 8))]
    rho = stc.costs.jmipod(components, tables, 500)
    assert [each.shape for each in rho] == [each.shape for each in components]
    information = [coefficient_information(*each) for each in zip(components, tables, strict=True)]
    every, known = (np.concatenate([each.ravel() for each in part]) for part in (rho, information))
    rate = 1 / (np.exp(every) + 2)
    stay = 1 - 2 * rate
    entropy = -(2 * rate * np.log2(rate) + stay * np.log2(stay)).sum()
    assert entropy == pytest.approx(500)
    multiplier = every / (known * rate)
    np.testing.assert_allclose(multiplier, multiplier[0], rtol=1e-9)


def test_jmipod_refuses_what_it_has_no_costs_for():
    blocks, table = np.zeros((2, 2, 8, 8), int), np.ones((8, 8), int)
    with pytest.raises(stc.PayloadTooLargeError, match="payload_bits: got 1000"):
        stc.costs.jmipod(blocks, table, 1000)
    with pytest.raises(ValueError, match="quantization: got 1 tables for 2 components"):
        stc.costs.jmipod([blocks, blocks], [table], 10)
    with pytest.raises(ValueError, match="coefficients: got type float64"):
        stc.costs.jmipod(blocks / 2, table, 10)
