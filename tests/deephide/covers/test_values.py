"""Closed sets of values and colours: no change leads out of them."""

import io

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.covers import values
from deephide.covers.jpeg import open_file
from deephide.covers.opening import open_cover
from deephide.errors import InputImageError


def stretched(samples, low, high):
    """What "levels" of an image editor does."""
    wide = (samples.astype(float) - low) * 255 / (high - low)
    return np.clip(np.rint(wide), 0, 255).astype(np.uint8)


def histograms(samples):
    return [np.bincount(samples[..., c].ravel(), minlength=256) for c in range(samples.shape[2])]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_stego_of_a_stretched_image_has_no_value_that_its_cover_lacks(make_texture, channels):
    samples = stretched(make_texture(160, 160, channels), 60, 200)
    image = Image.fromarray(samples.squeeze())
    assert all((counts[20:230] == 0).sum() > 50 for counts in histograms(samples))
    result = deephide.embed(bytes(200), image, "p", codec="file")
    stego = np.asarray(result.stego).reshape(samples.shape)
    for before, after in zip(histograms(samples), histograms(stego), strict=True):
        assert not after[before == 0].any()
    assert any("values are missing" in note for note in result.warnings)
    plain = deephide.capacity(Image.fromarray(make_texture(160, 160, channels).squeeze()))
    found = deephide.capacity(image)
    assert found.dry_elements < plain.dry_elements and found.hard_bits < plain.hard_bits


def test_values_that_are_only_rare_are_no_gap(make_texture):
    samples = make_texture(160, 160, 1)
    samples[0, 0] = 2
    assert values.missing_values(values.histogram(samples[:, :, 0])) == 0
    assert not any("missing" in sign.text for sign in open_cover(samples_of(samples)).signs)


def samples_of(samples):
    return Image.fromarray(samples.squeeze())


def forbid(channel, up, down):
    for cost, closed in zip((up, down), values.closed_values(channel), strict=True):
        values.forbid_values(channel, cost, closed)


def test_a_change_to_the_ends_of_the_range_is_left_to_those_who_own_them():
    channel = np.repeat(np.arange(256, dtype=np.uint8), 32).reshape(128, 64)
    up, down = np.zeros(channel.shape), np.zeros(channel.shape)
    forbid(channel, up, down)
    assert not up.any() and not down.any()
    channel[channel == 77] = 70
    forbid(channel, up, down)
    assert np.array_equal(np.isinf(up), channel == 76)
    assert np.array_equal(np.isinf(down), channel == 78)


def test_issue_16_black_and_white_do_not_change_into_neighbours_that_their_channel_lacks():
    channel = np.repeat(np.arange(256, dtype=np.uint8), 32).reshape(128, 64)
    channel[(channel == 1) | (channel == 254)] = 100
    up, down = np.zeros(channel.shape), np.zeros(channel.shape)
    forbid(channel, up, down)
    assert np.array_equal(np.isinf(up), (channel == 0) | (channel == 253))
    assert np.array_equal(np.isinf(down), (channel == 2) | (channel == 255))


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_samples_of_few_bits_are_refused_by_name(make_texture, bits):
    coarse = (make_texture(120, 120, 3) >> (8 - bits)).astype(int)
    samples = np.rint(coarse * 255 / ((1 << bits) - 1)).astype(np.uint8)
    with pytest.raises(InputImageError, match="values per channel, none next to another"):
        deephide.capacity(Image.fromarray(samples))


def test_images_of_few_colours_are_refused_by_name(make_texture):
    photo = Image.fromarray(make_texture(160, 160, 3))
    for dither in Image.Dither.NONE, Image.Dither.FLOYDSTEINBERG:
        reduced = photo.quantize(200, dither=dither).convert("RGB")
        with pytest.raises(InputImageError, match=r"only \d+ colours: every change"):
            deephide.embed(b"secret", reduced, "p", codec="file")
        with pytest.raises(InputImageError, match="colours"):
            deephide.capacity(reduced)
    toned = np.stack([np.arange(256), np.arange(256) * 0.9, np.arange(256) * 0.7], axis=1)
    with pytest.raises(InputImageError, match="colours"):
        deephide.capacity(
            Image.fromarray(toned.astype(np.uint8)[make_texture(160, 160, 1)[..., 0]])
        )


def test_what_few_pixels_have_alone_makes_an_ordinary_image(make_texture):
    dark = make_texture(64, 64, 3) // 16
    assert deephide.capacity(Image.fromarray(dark)).hard_bits > 0


def test_a_stego_of_few_colours_can_still_be_opened(make_texture):
    reduced = Image.fromarray(make_texture(64, 64, 3)).quantize(200).convert("RGB")
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(reduced, "p")


def twice(samples, first, second):
    image = Image.fromarray(samples.squeeze())
    for quality in (first, second):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        image = Image.open(buffer)
    return buffer.getvalue()


def test_coefficients_do_not_get_values_that_they_lack(make_texture):
    cover = open_file(twice(make_texture(400, 400, 1), 60, 92))
    (plane,) = cover.coefficients.planes()
    up, down = (cost.reshape(plane.shape) for cost in cover.costs())
    # The steps of quality 60 and 92 are 9 and 2 here.
    values_of = plane[:, :, 0, 1]
    counts = np.bincount(values_of.ravel() + 200)[200:]
    gap = next(
        v
        for v in range(2, 12)
        if counts[v] * 8 < min(counts[v - 2 : v].max(), counts[v + 1 : v + 3].max())
    )
    assert np.isinf(up[:, :, 0, 1][values_of == gap - 1]).all()
    assert np.isinf(down[:, :, 0, 1][values_of == gap + 1]).all()
    assert np.isfinite(up[:, :, 0, 1]).any()


def test_coefficients_that_are_always_zero_stay_zero(make_texture):
    smooth = Image.fromarray(make_texture(40, 40, 1).squeeze()).resize((320, 320), 3)
    buffer = io.BytesIO()
    smooth.save(buffer, "JPEG", quality=50)
    cover = open_file(buffer.getvalue())
    (plane,) = cover.coefficients.planes()
    never = ~plane.any(axis=(0, 1))
    assert 0 < never.sum() < 63
    for cost in cover.costs():
        assert np.isinf(cost.reshape(plane.shape)[:, :, never]).all()


@pytest.mark.parametrize("size", [0, 1, 2, 500])
def test_different_values_and_how_often_each_occurs(size):
    some = np.random.default_rng(size).integers(-20, 20, size)
    found, counts = values.distinct(some)
    expected, frequencies = np.unique(some, return_counts=True)
    assert found.tolist() == expected.tolist()
    assert counts.tolist() == frequencies.tolist()


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (63,), (64, 5, 3), (9, 4)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_median_is_that_of_numpy(shape, kind):
    numbers = np.random.default_rng(3).normal(size=shape).astype(kind)
    assert np.array_equal(values.median(numbers), np.median(numbers, axis=0))
