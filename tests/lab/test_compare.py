import re

import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.metrics import structural_similarity

from deephide.lab import compare, deep_hiding
from deephide.lab.quality import psnr, ssim


@pytest.fixture
def carrier(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(skimage.data.coffee()[:256, :301]).save(path)
    return path


@pytest.fixture
def secret():
    return Image.fromarray(skimage.data.astronaut()[:256, 96:352]).resize((96, 96))


def test_ssim_is_that_of_scikit_image():
    one = skimage.data.chelsea()[:90, :120]
    two = np.clip(one + np.random.default_rng(1).normal(0, 9, one.shape), 0, 255).astype(np.uint8)
    known = structural_similarity(
        one, two, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(one, two) == pytest.approx(known, abs=2e-4)
    assert ssim(one, one) == pytest.approx(1.0)


def test_psnr_by_hand():
    one = np.zeros((4, 4), np.uint8)
    assert psnr(one, one + 1) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(one, one) == float("inf")


def test_the_page_holds_everything_itself(secret, carrier, tmp_path):
    path = tmp_path / "udh.npz"
    pictures = [skimage.data.coffee()[:96, :96], skimage.data.chelsea()[:96, :96]]
    deep_hiding.save(deep_hiding.train("udh", pictures, 2), path)
    found = compare.compare(secret, carrier, codec="image", networks=(path,))
    ours, theirs = found
    assert list(ours.images) == ["secret", "cover", "stego", compare.CHANGES, "recovered"]
    assert list(theirs.images) == list(ours.images)
    before, after = (np.asarray(ours.images[each]) for each in ("cover", "stego"))
    white = (before != after).any(-1)
    assert np.array_equal(np.asarray(ours.images[compare.CHANGES]), 255 * white)
    changed = int(ours.figures["changed samples"].split()[0])
    assert changed == np.count_nonzero(before != after) > 0
    assert theirs.images["stego"].size == (300, 256)
    text = compare.page(found)
    assert text.count("data:image/png;base64,") == 10
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    assert "<script" not in text


@pytest.mark.slow
def test_a_face_shows_its_inversion(carrier, secret):
    (found,) = compare.compare(secret, carrier, codec="latent")
    assert list(found.images)[:2] == ["secret", "inversion"]
    assert found.images["inversion"].size == found.images["recovered"].size


@pytest.mark.slow
def test_of_a_portrait_the_face_that_travels_is_compared(carrier):
    (found,) = compare.compare(Image.fromarray(skimage.data.astronaut()), carrier)
    assert found.images["secret"].size == found.images["recovered"].size
    assert float(found.figures["recovered and secret"].split()[0]) > 15
