import numpy as np
import pytest

import stc


def test_hill_equals_the_published_code(vectors):
    case = np.load(vectors / "cost_synthetic_edge_97x131.npz")
    ours = stc.costs.hill(case["cover"])
    assert ours.dtype == np.float64
    # The reference is float32.
    np.testing.assert_allclose(ours, case["hill_rho"], rtol=1e-5)
    p1, m1 = stc.costs.wet(case["cover"], ours)
    assert np.array_equal(np.isinf(p1), case["hill_p1"] > 1e9)
    assert np.array_equal(np.isinf(m1), case["hill_m1"] > 1e9)


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (17, 23)])
def test_hill_equals_explicit_windows(oracle, rng, shape):
    image = rng.integers(0, 256, shape)
    if min(shape) < 8:  # numpy mirrors as often as needed; so does ours
        assert (stc.costs.hill(image) > 0).all()
        return
    np.testing.assert_allclose(stc.costs.hill(image), oracle.hill(image), rtol=1e-9)


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
