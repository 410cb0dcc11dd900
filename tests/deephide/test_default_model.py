"""The shipped model, as users meet it."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageOps

import deephide
import e2style

FACES = Path(__file__).parents[2] / "benchmarks" / "demo_faces"
PHOTOS = Path(skimage.data.__file__).parent


@pytest.fixture(scope="module")
def default():
    return e2style.load()


@pytest.mark.parametrize("face", ["face1.png", "face2.png", "face3.png"])
def test_a_face_goes_into_a_photo_and_comes_back(default, face):
    result = deephide.embed(FACES / face, PHOTOS / "coffee.png", "p", default)
    found = deephide.extract(result.stego, "p", default)
    assert found.image.tobytes() == result.preview.tobytes()
    assert result.payload_bits < 8000
    assert result.secret_psnr > 20
    change = np.asarray(result.stego, int) - np.asarray(Image.open(PHOTOS / "coffee.png"), int)
    assert np.abs(change).max() == 1


@pytest.mark.parametrize("name", ["moon.png", "chelsea.png", "rocket.jpg", "page.png"])
def test_what_is_no_face_travels_as_a_picture(default, name):
    square = ImageOps.fit(Image.open(PHOTOS / name), (190, 190))
    result = deephide.embed(square, PHOTOS / "coffee.png", "p", default, budget=300)
    assert result.codec == "image" and "does not look like an aligned face" in result.reason
