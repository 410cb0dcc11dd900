import numpy as np
import pytest
import skimage.data

from deephide.lab.attacks import ATTACKS, chi_square, regular_singular, sample_pairs, weighted_stego
from deephide.lab.schemes import matching, ranked_replacement, replacement

ESTIMATORS = (weighted_stego, sample_pairs, regular_singular)


@pytest.fixture(scope="module")
def photo():
    """A photo whose noise nobody touched: the green samples of a colour photo."""
    return np.ascontiguousarray(skimage.data.coffee()[:, :, 1])


@pytest.mark.parametrize("attack", ESTIMATORS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_the_share_of_replaced_bits_is_estimated(photo, attack, share):
    rng = np.random.default_rng(4)
    stego = replacement(photo, int(share * photo.size), rng)
    assert attack(stego) - attack(photo) == pytest.approx(share, abs=0.03 + 0.07 * share)


@pytest.mark.parametrize("attack", ESTIMATORS)
def test_a_cover_looks_empty(photo, attack):
    assert abs(attack(photo)) < 0.03


@pytest.mark.parametrize("attack", ESTIMATORS)
def test_matching_is_invisible_to_attacks_on_replacement(photo, attack):
    stego = matching(photo, photo.size // 4, np.random.default_rng(4))
    assert abs(attack(stego) - attack(photo)) < 0.02


def test_replacement_in_textured_places_is_still_seen(photo):
    stego = ranked_replacement(photo, photo.size // 4, np.random.default_rng(4))
    assert sample_pairs(stego) > sample_pairs(photo) + 0.02


def test_pairs_of_values_become_even():
    rng = np.random.default_rng(2)
    skewed = rng.choice([10, 10, 10, 11, 20, 21, 21, 21], (64, 64)).astype(np.uint8)
    full = replacement(skewed, skewed.size, rng)
    assert chi_square(skewed) < -100
    assert -6 < chi_square(full) <= 0


def test_pairs_of_values_by_hand():
    plane = np.array([[0] * 12 + [1] * 4 + [2] * 8 + [3] * 8], np.uint8)
    assert chi_square(plane) == pytest.approx(-(2 * 4**2 / 8 + 0) / 2)


@pytest.mark.parametrize("attack", ATTACKS.values())
@pytest.mark.parametrize("level", [0, 7, 255])
def test_an_even_plane_has_an_answer(attack, level):
    assert np.isfinite(attack(np.full((16, 16), level, np.uint8)))
