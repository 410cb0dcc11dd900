import numpy as np
import pytest

import stc
from stc.costs.mipod import fisher_information


def test_one_direction_of_a_pixel_keeps_its_cost_in_all_channels(rng):
    p1, m1 = rng.random((2, 40, 50, 3))
    before = p1.copy(), m1.copy()
    up, down = stc.costs.sync_channels(p1, m1, 900, rng)
    rises = (up == p1).all(axis=-1)
    falls = (down == m1).all(axis=-1)
    assert np.array_equal(rises, ~falls)
    assert 0.4 < rises.mean() < 0.6
    assert (up[falls] > p1[falls]).all()
    assert (down[rises] > m1[rises]).all()
    assert np.array_equal(p1, before[0])
    assert np.array_equal(m1, before[1])


def test_the_other_direction_is_rarer_by_the_chance_that_a_sibling_changes(rng):
    p1, m1 = rng.random((2, 4000, 3))
    payload = 2000
    strength = 5
    up, down = stc.costs.sync_channels(p1, m1, payload, rng, strength=strength)
    added = (up - p1) + (down - m1)
    # The optimal coder's rates and multiplier, from the definition.
    low, high = 1e-3, 1e3
    for _ in range(100):
        multiplier = np.sqrt(low * high)
        weights = np.stack([np.ones_like(p1), np.exp(-multiplier * p1), np.exp(-multiplier * m1)])
        share = weights / weights.sum(axis=0)
        enough = -(share * np.log2(share)).sum() > payload
        low, high = (multiplier, high) if enough else (low, multiplier)
    for channel in range(3):
        chance = 1 - np.delete(share[0], channel, axis=1).prod(axis=1)
        np.testing.assert_allclose(
            added[:, channel], strength * chance / multiplier, rtol=0.02, atol=1e-12
        )
    twice = stc.costs.sync_channels(p1, m1, payload, np.random.default_rng(1), strength=10)
    once = stc.costs.sync_channels(p1, m1, payload, np.random.default_rng(1), strength=5)
    np.testing.assert_allclose(twice[0] - p1, 2 * (once[0] - p1), atol=1e-12)


def test_without_strength_payload_or_siblings_nothing_changes(rng):
    p1, m1 = rng.random((2, 100, 3))
    p1[3] = np.inf
    for payload, strength in ((50, 0), (0, 8)):
        up, down = stc.costs.sync_channels(p1, m1, payload, rng, strength=strength)
        assert np.array_equal(up, p1)
        assert np.array_equal(down, m1)
    up, down = stc.costs.sync_channels(p1[:, :1], m1[:, :1], 50, rng)
    np.testing.assert_allclose(up, p1[:, :1], rtol=1e-12)
    np.testing.assert_allclose(down, m1[:, :1], rtol=1e-12)
    free = np.zeros((100, 3))
    assert not np.any(stc.costs.sync_channels(free, free, 50, rng))


def test_the_direction_is_that_which_saturation_leaves_to_most_channels(rng):
    picture = np.array([[255, 255, 7], [0, 0, 7], [255, 0, 7]] * 50)
    p1, m1 = stc.costs.wet(picture, np.ones(picture.shape))
    up, down = stc.costs.sync_channels(p1, m1, 100, rng)
    assert (down[0::3, 2] == 1).all()
    assert (up[0::3, 2] > 1).all()
    assert (up[1::3, 2] == 1).all()
    assert np.array_equal(np.isinf(up), np.isinf(p1))
    assert np.array_equal(np.isinf(down), np.isinf(m1))
    assert 0.2 < (up[2::3, 2] == 1).mean() < 0.8


def test_one_trellis_over_all_channels_changes_them_the_same_way(rng):
    picture = rng.integers(0, 256, (48, 48, 3)).astype(np.uint8)
    rho = rng.random((48, 48, 1)) + 0.1 * rng.random((48, 48, 3))
    message = rng.integers(0, 2, 1500)
    order = rng.permutation(picture.size)
    products = {}
    for strength in (0, 8):
        plain = stc.costs.wet(picture, rho)
        costs = stc.costs.sync_channels(*plain, message.size, rng, strength=strength)
        p1, m1 = (cost.ravel()[order] for cost in costs)
        stego = stc.embed_ternary(picture.ravel()[order], message, p1, m1)
        assert np.array_equal(stc.extract_ternary(stego, message.size), message)
        change = np.empty(picture.size, int)
        change[order] = stego.astype(int) - picture.ravel()[order]
        a, b, c = change.reshape(-1, 3).T
        pairs = np.concatenate([a * b, b * c, a * c])
        products[strength] = pairs.sum() / np.count_nonzero(pairs)
    assert abs(products[0]) < 0.2
    assert products[8] > 0.6


def test_bad_arguments_are_named(rng):
    one = np.ones((4, 3))
    with pytest.raises(ValueError, match=r"cost_p1, cost_m1: got shapes \(3,\) and \(3,\)"):
        stc.costs.sync_channels(np.ones(3), np.ones(3), 2, rng)
    with pytest.raises(ValueError, match="cost_p1, cost_m1: got shapes"):
        stc.costs.sync_channels(one, np.ones((4, 4)), 2, rng)
    with pytest.raises(ValueError, match="cost_p1, cost_m1: got negative"):
        stc.costs.sync_channels(one, -one, 2, rng)
    with pytest.raises(ValueError, match="payload_bits: got -1"):
        stc.costs.sync_channels(one, one, -1, rng)
    with pytest.raises(stc.PayloadTooLargeError):
        stc.costs.sync_channels(one, one, 1000, rng)
    for bad in (-0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="strength: got"):
            stc.costs.sync_channels(one, one, 2, rng, strength=bad)


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

    from deephide.covers.opening import open_cover

    picture = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    cover = open_cover(Image.fromarray(picture))
    plain = cover.costs()
    up, down = cover.costs("hill", 500, sync=True)
    kept = np.stack([up == plain[0], down == plain[1]]).reshape(2, -1, 3)
    assert kept.any(axis=0).all()
    dry = np.isfinite(plain).all(axis=0).reshape(-1, 3).all(axis=-1)
    assert (kept[:, dry].all(axis=-1).sum(axis=0) == 1).all()
