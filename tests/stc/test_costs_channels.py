import numpy as np
import pytest

import stc
from stc.costs.mipod import fisher_information


def test_one_direction_of_a_pixel_keeps_its_price_in_all_channels(rng):
    p1, m1 = rng.random((2, 40, 50, 3))
    before = p1.copy(), m1.copy()
    up, down = stc.costs.sync_channels(p1, m1, rng, strength=4)
    rises = (up == p1).all(axis=-1)
    falls = (down == m1).all(axis=-1)
    assert np.array_equal(rises, ~falls)
    assert 0.4 < rises.mean() < 0.6
    np.testing.assert_array_equal(up[falls], 4 * p1[falls])
    np.testing.assert_array_equal(down[rises], 4 * m1[rises])
    assert np.array_equal(p1, before[0])
    assert np.array_equal(m1, before[1])


def test_strength_one_changes_nothing_and_infinity_forbids(rng):
    p1, m1 = rng.random((2, 100, 3))
    p1[0, 0] = m1[0, 1] = 0
    up, down = stc.costs.sync_channels(p1, m1, rng, strength=1)
    assert np.array_equal(up, p1)
    assert np.array_equal(down, m1)
    up, down = stc.costs.sync_channels(p1, m1, rng, strength=np.inf)
    assert (np.isinf(up) ^ np.isinf(down)).all()
    assert not np.isnan(up).any()


def test_the_direction_is_that_which_saturation_leaves_to_most_channels(rng):
    picture = np.array([[255, 255, 7], [0, 0, 7], [255, 0, 7]] * 50)
    p1, m1 = stc.costs.wet(picture, np.ones(picture.shape))
    up, down = stc.costs.sync_channels(p1, m1, rng, strength=2)
    assert (down[0::3, 2] == 1).all()
    assert (up[0::3, 2] == 2).all()
    assert (up[1::3, 2] == 1).all()
    assert np.array_equal(np.isinf(up), np.isinf(p1))
    assert np.array_equal(np.isinf(down), np.isinf(m1))
    assert 0.2 < (up[2::3, 2] == 1).mean() < 0.8


def test_one_trellis_over_all_channels_changes_them_the_same_way(rng):
    picture = rng.integers(0, 256, (48, 48, 3)).astype(np.uint8)
    rho = rng.random((48, 48, 1)) ** 2 + 0.01 * rng.random((48, 48, 3))
    message = rng.integers(0, 2, 1500)
    order = rng.permutation(picture.size)
    products = {}
    for strength in (1, 20):
        costs = stc.costs.sync_channels(*stc.costs.wet(picture, rho), rng, strength=strength)
        p1, m1 = (cost.ravel()[order] for cost in costs)
        stego = stc.embed_ternary(picture.ravel()[order], message, p1, m1)
        assert np.array_equal(stc.extract_ternary(stego, message.size), message)
        change = np.empty(picture.size, int)
        change[order] = stego.astype(int) - picture.ravel()[order]
        a, b, c = change.reshape(-1, 3).T
        pairs = np.concatenate([a * b, b * c, a * c])
        products[strength] = pairs.sum() / np.count_nonzero(pairs)
    assert abs(products[1]) < 0.2
    assert products[20] > 0.7


def test_bad_arguments_are_named(rng):
    with pytest.raises(ValueError, match=r"cost_p1, cost_m1: got shapes \(3,\) and \(3,\)"):
        stc.costs.sync_channels(np.ones(3), np.ones(3), rng)
    with pytest.raises(ValueError, match="cost_p1, cost_m1: got shapes"):
        stc.costs.sync_channels(np.ones((4, 3)), np.ones((4, 4)), rng)
    for bad in (0.5, np.nan):
        with pytest.raises(ValueError, match="strength: got"):
            stc.costs.sync_channels(np.ones((4, 3)), np.ones((4, 3)), rng, strength=bad)


def test_mipod_gives_all_channels_one_multiplier(rng):
    picture = rng.integers(0, 256, (24, 30, 3))
    picture[..., 1] //= 16
    rho = stc.costs.mipod(picture, 900)
    assert rho.shape == picture.shape
    rate = 1 / (np.exp(rho) + 2)
    stay = 1 - 2 * rate
    entropy = -(2 * rate * np.log2(rate) + stay * np.log2(stay))
    assert entropy.sum() == pytest.approx(900)
    # Most of the payload goes where the noise hides most, not a third to each channel.
    assert entropy[..., 1].sum() < 100
    information = np.stack([fisher_information(picture[..., c]) for c in range(3)], axis=-1)
    multiplier = rho / (information * rate)
    np.testing.assert_allclose(multiplier, multiplier[0, 0, 0], rtol=1e-9)


def test_covers_have_synchronised_channels_on_request():
    from PIL import Image

    from deephide import cover_costs, image_io

    picture = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    cover = image_io.load_cover(Image.fromarray(picture))
    plain = cover_costs.cover_costs(cover)
    up, down = cover_costs.cover_costs(cover, sync=True)
    kept = np.stack([up == plain[0], down == plain[1]]).reshape(2, -1, 3)
    assert kept.any(axis=0).all()
    dry = np.isfinite(plain).all(axis=0).reshape(-1, 3).all(axis=-1)
    assert (kept[:, dry].all(axis=-1).sum(axis=0) == 1).all()
