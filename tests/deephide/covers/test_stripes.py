"""Costs of parts of a cover: the same as in the whole, and the same stego."""

import io

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.container import canvas, hiding, layout, shortlist
from deephide.container.keys import SharedKey
from deephide.covers import cost_names, jpeg_costs, sample_costs
from deephide.covers.opening import open_cover
from deephide.covers.room import CoverCosts

KEY = SharedKey(b"stripes").at(bytes(16))


@pytest.fixture
def photo(make_texture):
    """A photo with everything that forbids a change: flat, transparent, black and white, gaps."""
    samples = make_texture(150, 133, 3)
    samples[:40, :30] = 77
    samples[60:64] = 255
    samples[70:74, 20:90] = 0
    samples[samples == 99] = 98
    alpha = np.full(samples.shape[:2], 255, np.uint8)
    alpha[100:120, 50:] = 0
    return Image.fromarray(np.dstack((samples, alpha)))


def jpeg_of(image, **options):
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", cost_names.OF_SAMPLES)
def test_stripes_of_samples_are_those_of_the_whole(photo, monkeypatch, name):
    cover = open_cover(photo)
    whole = cover.costs(name, 500)
    monkeypatch.setattr(sample_costs, "_STRIPE_PIXELS", 7 * 133)
    stripes = list(cover.cost_stripes(name, 500))
    assert len(stripes) == 22
    for k in range(2):
        assert np.array_equal(np.concatenate([pair[k] for pair in stripes]), whole[k])
    counted = cover.changeable(name, 500)
    assert counted == hiding.Changeable.of(cover.elements, [whole])
    assert 0 < counted.crossing < counted.dry < cover.elements.size


def test_the_share_of_flat_samples_is_that_of_the_whole(make_texture, monkeypatch):
    samples = make_texture(150, 133, 3)
    samples[:40, :30] = 77
    planes = [np.ascontiguousarray(samples[:, :, k]) for k in range(3)]
    whole = np.mean([sample_costs.flat_samples(plane) for plane in planes])
    monkeypatch.setattr(sample_costs, "_STRIPE_PIXELS", 7 * 133)
    assert 0.05 < whole < 0.1
    assert sample_costs.flat_share(samples) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("name", cost_names.OF_SAMPLES)
def test_tiles_see_what_the_whole_sees(make_texture, monkeypatch, name):
    cover = open_cover(Image.fromarray(make_texture(400, 420, 3)))
    monkeypatch.setattr(sample_costs, "SURVEYED_PIXELS", 1 << 16)
    whole = sample_costs.survey(cover.samples, cover.costs(name, 500), 1 << 16)
    maps = sample_costs.CostMaps(cover.samples, cover.fixed, name, 500)
    tiles = sample_costs.survey(cover.samples, maps, 1 << 16)
    for part in ("cost_p1", "cost_m1", "information"):
        assert np.array_equal(getattr(tiles, part), getattr(whole, part)), part
    assert tiles.weight == whole.weight


@pytest.mark.parametrize("name", cost_names.OF_COEFFICIENTS)
def test_stripes_of_coefficients_are_those_of_the_whole(photo, monkeypatch, name):
    cover = open_cover(jpeg_of(photo))
    whole, prospect = cover.costs(name), cover.survey(cover.costs(name))
    monkeypatch.setattr(jpeg_costs, "_STRIPE", 1)
    stripes = list(cover.cost_stripes(name))
    assert len(stripes) > 30
    for k in range(2):
        assert np.array_equal(np.concatenate([pair[k] for pair in stripes]), whole[k])
    assert cover.changeable(name) == hiding.Changeable.of(cover.elements, [whole])
    found = cover.prospect(name)
    assert found.weight == prospect.weight
    assert np.array_equal(found.cost_p1, prospect.cost_p1)
    assert np.array_equal(found.information, prospect.information)


def test_the_cheapest_are_the_same_however_they_come(monkeypatch):
    rng = np.random.default_rng(5)
    up, down = rng.random(20_000), rng.random(20_000)
    up[rng.random(20_000) < 0.3] = np.inf
    down[rng.random(20_000) < 0.3] = np.inf
    monkeypatch.setattr(shortlist, "_SLACK", 300)
    limit = 1500
    highest = np.sort(np.minimum(up, down))[limit]
    pieces = [(up[k : k + 700].copy(), down[k : k + 700].copy()) for k in range(0, 20_000, 700)]
    costs = canvas.ChangeCosts(pieces, 20_000, limit)
    expected = np.flatnonzero(np.minimum(up, down) <= highest)
    assert np.array_equal(costs.listed.places, expected)
    ranks = np.arange(expected.size)
    for own, cost in zip(costs.at(ranks), (up, down), strict=True):
        cheap = cost[expected]
        assert np.array_equal(own, np.where(cheap > highest, np.inf, cheap))
    asked = rng.permutation(20_000).astype(np.int32)
    at, found = costs.listed.find(asked)
    assert np.array_equal(np.flatnonzero(np.isin(asked, expected)), at)
    assert np.array_equal(expected[found], asked[at])


@pytest.mark.parametrize("kind", ["samples", "coefficients"])
def test_a_short_list_gives_the_stego_of_long_arrays(photo, monkeypatch, kind):
    cover = open_cover(photo if kind == "samples" else jpeg_of(photo))
    up, down = cover.costs()
    limit = cover.elements.size // 5
    highest = np.sort(np.minimum(up, down))[limit]
    up, down = (np.where(cost > highest, np.inf, cost) for cost in (up, down))
    plaintext = layout.pack(layout.Header(1, bytes(8)), bytes(range(60)))
    expected = hiding.hide(cover.elements, up, down, KEY, plaintext, b"", bytes)
    monkeypatch.setattr(hiding, "LIVE_ELEMENTS", limit)
    found = hiding.hide_computing_costs(
        cover.elements, cover.cost_stripes, KEY, plaintext, b"", random=bytes
    )
    assert np.array_equal(found.elements, expected.elements)
    assert found.distortion == pytest.approx(expected.distortion, rel=1e-12)
    assert hiding.reveal(found.elements, KEY, b"", in_secret=False) == plaintext


def test_one_pass_over_the_costs_serves_the_forecast_and_hiding(photo, monkeypatch):
    monkeypatch.setattr(hiding, "LIVE_ELEMENTS", 20_000)
    cover = open_cover(jpeg_of(photo))
    plaintext = layout.pack(layout.Header(1, bytes(8)), bytes(range(60)))
    expected = hiding.hide_computing_costs(
        cover.elements, cover.cost_stripes, KEY, plaintext, b"", random=bytes
    )
    costs = CoverCosts(cover, "auto")
    assert costs.prospect(500).weight == cover.prospect().weight
    assert costs.limit_bits(500, KEY) == CoverCosts(cover, "auto").limit_bits(500, KEY)
    gathered = costs.gathered()
    assert gathered.changeable == cover.changeable()
    assert costs.gathered() is None
    found = hiding.hide_computing_costs(
        cover.elements, pytest.fail, KEY, plaintext, b"", random=bytes, gathered=gathered
    )
    assert np.array_equal(found.elements, expected.elements)


def test_costs_of_a_guessed_payload_are_not_hidden_with(photo, monkeypatch):
    monkeypatch.setattr(hiding, "LIVE_ELEMENTS", 20_000)
    costs = CoverCosts(open_cover(jpeg_of(photo)), "jmipod")
    costs.prospect()
    assert costs.gathered() is None


@pytest.mark.parametrize("codec", ["file", "image"])
def test_a_large_cover_is_embedded_in_and_measured_as_a_small_one(photo, monkeypatch, codec):
    secret = b"secret" if codec == "file" else Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 9)
    small = deephide.embed(secret, photo, "p", codec=codec)
    before = deephide.capacity(photo)
    assert before.dry_elements == np.isfinite(open_cover(photo).costs()).any(axis=0).sum()
    monkeypatch.setattr(hiding, "LIVE_ELEMENTS", 20_000)
    large = deephide.embed(secret, photo, "p", codec=codec)
    assert large.safe_bits == small.safe_bits
    assert large.detector_error == small.detector_error
    assert deephide.capacity(photo) == before
    found = deephide.extract(large.stego, "p")
    assert found.data == secret if codec == "file" else found.image is not None


def test_the_costs_of_a_large_cover_are_never_kept(photo, monkeypatch):
    monkeypatch.setattr(hiding, "LIVE_ELEMENTS", 20_000)
    costs = CoverCosts(open_cover(photo), "auto")
    costs.prospect(500)
    costs.limit_bits(500, KEY)
    assert costs._known is None
    assert sum(up.size for up, _ in costs.of_message(500)) == 150 * 133 * 3
