"""The detectors of the laboratory, against slow ones from the published definitions."""

from pathlib import Path

import lab_oracle
import numpy as np
import pytest
import skimage.data

from deephide.lab.attacks import regular_singular, sample_pairs, weighted_stego
from deephide.lab.features import rich
from deephide.lab.schemes import replacement

GOLDEN = Path(__file__).parents[1] / "vectors" / "lab" / "detectors_48x64.npz"
ATTACKS = {
    weighted_stego: lab_oracle.weighted_stego,
    sample_pairs: lab_oracle.sample_pairs,
    regular_singular: lab_oracle.regular_singular,
}


def planes(make_texture):
    """A smooth cover, a stego, noise over the whole range, and sides that no group divides."""
    cover = make_texture(3, 33)
    yield cover
    yield replacement(cover, cover.size // 2, np.random.default_rng(1))
    yield np.random.default_rng(2).integers(0, 256, (21, 30), dtype=np.uint8)
    yield np.ascontiguousarray(skimage.data.coffee()[100:126, 80:111, 1])


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_that_of_its_paper(attack, make_texture):
    for plane in planes(make_texture):
        assert attack(plane) == pytest.approx(ATTACKS[attack](plane), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_both_forms_of_the_sample_pair_equation_estimate_alike(share):
    """They count pairs of even difference differently, which a large photo averages out."""
    photo = np.ascontiguousarray(skimage.data.coffee()[:, :, 1])
    stego = replacement(photo, int(share * photo.size), np.random.default_rng(4))
    wanted = lab_oracle.sample_pairs_by_differences(stego)
    assert sample_pairs(stego) == pytest.approx(wanted, abs=0.01)


def test_rich_features_are_those_of_the_paper(make_texture):
    for plane in planes(make_texture):
        np.testing.assert_allclose(rich(plane), lab_oracle.rich(plane), rtol=0, atol=1e-15)


def test_detectors_give_the_golden_numbers():
    """Computed once by the slow detectors, on the plane that SPAM's golden numbers are for."""
    with np.load(GOLDEN) as golden:
        plane = golden["plane"]
        np.testing.assert_allclose(rich(plane), golden["rich"], rtol=0, atol=1e-15)
        for attack in ATTACKS:
            assert attack(plane) == pytest.approx(float(golden[attack.__name__]), rel=1e-9)
