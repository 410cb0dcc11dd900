import math

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.container.layout import Zones
from deephide.covers import detectability
from deephide.covers.detectability import Prospect
from deephide.covers.opening import open_cover


def uniform(n, information, cost=1.0):
    return Prospect(np.full(n, cost), np.full(n, cost), np.full(n, information), 1.0, n)


@pytest.mark.parametrize("cost", [1e-3, 1.0, 50.0])
def test_the_rate_limit_in_closed_form(cost):
    n = 1 << 18
    found = uniform(n, 1e-9, cost).safe()
    rate = detectability.SAFE_RATE / 2  # four times the reference's elements
    entropy = -(1 - rate) * math.log2(1 - rate) - rate * math.log2(rate / 2)
    assert found.change_rate == pytest.approx(rate, rel=1e-4)
    assert found.payload_bits == pytest.approx(0.9 * entropy * n, rel=1e-4)
    assert found.detector_error == pytest.approx(0.5, abs=1e-4)


def test_the_deflection_limit_in_closed_form():
    n, information = 10_000, 50.0
    found = uniform(n, information).safe()
    # deflection**2 = n * rate**2 * information / 2
    rate = detectability.SAFE_DEFLECTION / math.sqrt(n * information / 2)
    assert found.change_rate == pytest.approx(rate, rel=1e-4)
    assert found.detector_error == pytest.approx(0.4503, abs=1e-4)


@pytest.mark.parametrize("n", [900, 40_000])
@pytest.mark.parametrize("payload_bits", [0.0, 3.0, 800.0, 1e9])
def test_the_search_gives_what_halving_the_bracket_gives(n, payload_bits):
    rng = np.random.default_rng(n)
    up, down = rng.gamma(2.0, 1.0, (2, n))
    up[rng.random(n) < 0.1] = np.inf
    prospect = Prospect(up, down, rng.random(n), 1.0, n)
    scale = float(np.median(np.minimum(up, down)))
    low, high = -12.0, 20.0
    while high - low > 2.0**-19:
        middle = 0.5 * (low + high)
        if prospect._estimate(np.exp(middle) / scale).payload_bits <= payload_bits:
            high = middle
        else:
            low = middle
    assert prospect.at(payload_bits) == prospect._estimate(np.exp(high) / scale)


def test_few_elements_tell_where_to_search_in_many(monkeypatch):
    rng = np.random.default_rng(1)
    up, down = rng.gamma(2.0, 1.0, (2, 65_536))
    prospect = Prospect(up, down, rng.random(65_536), 1.0, 65_536)
    sizes, estimate = [], Prospect._estimate

    def count(self, lam):
        sizes.append(self.cost_p1.size)
        return estimate(self, lam)

    monkeypatch.setattr(Prospect, "_estimate", count)
    prospect.at(800.0)
    assert sizes.count(65_536) < 15


def test_one_sided_changes_shift_the_mean_and_are_easier_to_see():
    n, information = 10_000, 1.0
    one = Prospect(np.ones(n), np.full(n, np.inf), np.full(n, information), 1.0, n)
    found = one.at(500.0)
    square = n * found.change_rate**2 * (0.5 * information + math.sqrt(information))
    assert found.deflection == pytest.approx(math.sqrt(square), rel=1e-6)
    assert found.payload_bits == pytest.approx(500, rel=1e-3)
    assert uniform(n, information).at(500.0).deflection < found.deflection


def test_the_forecast_of_a_payload_is_monotonic():
    prospect = uniform(1 << 16, 0.01)
    found = [prospect.at(bits) for bits in (100, 1000, 10_000)]
    assert [each.payload_bits for each in found] == pytest.approx([100, 1000, 10_000], rel=1e-3)
    assert found[0].change_rate < found[1].change_rate < found[2].change_rate
    assert found[0].detector_error > found[1].detector_error > found[2].detector_error
    assert prospect.at(1e9).change_rate == pytest.approx(2 / 3, rel=1e-3)


def test_the_forecast_agrees_with_the_embedding(make_texture):
    carrier = Image.fromarray(make_texture(200, 220, 3))
    result = deephide.embed(bytes(range(256)) * 2, carrier, "p", codec="file")
    cover = open_cover(carrier)
    prospect = cover.survey(cover.costs())
    zones, fixed = Zones(cover.elements.size), 8 * (24 + 4)
    loads = (
        (1 - zones.body / zones.n, fixed),
        (zones.body / zones.n, result.payload_bits - fixed),
    )
    forecast = prospect.of_zones(loads)
    assert forecast.payload_bits == pytest.approx(result.payload_bits, rel=5e-3)
    assert forecast.change_rate == pytest.approx(result.change_rate, rel=0.15)
    assert result.detector_error == forecast.detector_error


def test_zones_of_one_rate_are_one_zone_and_others_are_easier_to_detect():
    prospect = uniform(1 << 16, 0.01)
    even = prospect.at(1000)
    one = prospect.of_zones([(0.25, 250), (0.75, 750)])
    other = prospect.of_zones([(0.25, 500), (0.75, 500)])
    for name in ("payload_bits", "change_rate", "deflection", "added_error"):
        assert getattr(one, name) == pytest.approx(getattr(even, name), rel=5e-3)
        if name != "payload_bits":
            assert getattr(other, name) > 1.015 * getattr(one, name)
    assert other.payload_bits == pytest.approx(1000, rel=5e-3)


def capacity(array):
    return deephide.capacity(Image.fromarray(array))


def test_texture_and_size_add_capacity_and_flat_areas_take_it():
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 1, (400, 400, 3))

    def picture(strength, side=400):
        return np.clip(np.rint(128 + strength * noise[:side, :side]), 0, 255).astype(np.uint8)

    found = [capacity(picture(strength)).safe_bits for strength in (0.6, 1.5, 4.0)]
    assert found[0] < found[1] < found[2]
    sizes = [capacity(picture(8.0, side)).safe_bits for side in (100, 200, 400)]
    assert sizes[0] < sizes[1] < sizes[2]
    # The square root law: four times the elements hold about twice as much, not four times.
    assert 1.5 < sizes[2] / sizes[1] < 3.0
    half = picture(8.0)
    half[:, :200] = 90
    assert 0 < capacity(half).safe_bits < sizes[2]
    assert capacity(np.full((300, 300, 3), 90, np.uint8)).safe_bits == 0


def test_tiles_of_a_large_picture_stand_for_all_of_it(make_texture):
    cover = open_cover(Image.fromarray(make_texture(700, 900, 1)[:, :, 0]))
    costs = cover.costs()
    whole = cover.survey(costs)
    tiles = cover.survey(costs, max_pixels=1 << 17)
    assert tiles.weight != whole.weight
    assert tiles.weight * tiles.cost_p1.size == pytest.approx(whole.elements, rel=0.02)
    assert tiles.safe().payload_bits == pytest.approx(whole.safe().payload_bits, rel=0.1)


@pytest.mark.parametrize(("side", "share"), [(100, "none"), (125, "most"), (350, "all")])
def test_capacity_says_which_faces_fit(make_texture, side, share):
    found = capacity(make_texture(side, side, 3)).fit
    assert found.latent == share
    assert (found.file_bytes >= 273, found.file_bytes >= 408) == (share != "none", share == "all")


def test_capacity_does_not_guess_the_codes_of_other_models(make_texture, model):
    picture = Image.fromarray(make_texture(350, 350, 3))
    found = deephide.capacity(picture, model=model).fit
    assert (found.latent, found.latent_bytes, found.latent_most) == ("unknown", None, None)
    model.accept_bits = 999.5
    found = deephide.capacity(picture, model=model).fit
    assert (found.latent, found.latent_bytes, found.latent_most) == ("all", None, 125 + 54)


def test_what_fits_follows_from_the_safe_amount(make_texture):
    small = capacity(make_texture(80, 80, 3))
    large = capacity(make_texture(600, 600, 3))
    assert small.fit.file_bytes == max(small.safe_bits // 8 - 54, 0)
    assert 0 < small.fit.image_side < large.fit.image_side
    assert small.fit.image_psnr < large.fit.image_psnr
    assert (large.fit.latent_bytes, large.fit.latent_most) == (273 + 54, 577 + 54)  # of face256
    assert (small.fit.latent, large.fit.latent) == ("none", "all")
    assert large.fit.file_bytes > 408
    assert 0.45 <= large.detector_error <= 0.5
