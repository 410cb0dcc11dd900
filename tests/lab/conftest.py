import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

SIDE = 64


def texture(seed, side=SIDE):
    """Seeded noise over coarse structure, as a photo has."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side))
    for step, strength in ((1, 3), (4, 6), (16, 20)):
        coarse = rng.normal(0, strength, (side // step + 1,) * 2)
        total += coarse.repeat(step, 0).repeat(step, 1)[:side, :side]
    return np.clip(total + 128, 1, 254).astype(np.uint8)


@pytest.fixture
def make_texture():
    return texture


@pytest.fixture
def covers(tmp_path):
    """A zip of twelve small covers from six photos."""
    path = tmp_path / "covers.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(12):
            buffer = BytesIO()
            Image.fromarray(texture(number)).save(buffer, "PNG")
            archive.writestr(f"photo{number // 2}/{number % 2}.png", buffer.getvalue())
    return path
