import fake_model
import format_oracle
import jpeg_samples
import numpy as np
import pytest
import rans_oracle
from PIL import Image

from deephide.container import crypto


@pytest.fixture
def model():
    return fake_model.FakeModel()


@pytest.fixture
def quantizer():
    return fake_model.make_quantizer()


@pytest.fixture
def jpegs():
    return jpeg_samples


@pytest.fixture
def rans():
    return rans_oracle


@pytest.fixture
def second_receiver():
    return format_oracle


def texture(height, width, channels, seed=7):
    """Seeded noise with structure at several scales, away from the ends of the range."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, channels))
    for step in (1, 4, 16):
        coarse = rng.normal(0, 9, (height // step + 1, width // step + 1, channels))
        total += coarse.repeat(step, 0).repeat(step, 1)[:height, :width]
    return np.clip(total + 128, 1, 254).astype(np.uint8)


@pytest.fixture
def photo():
    return Image.fromarray(texture(96, 120, 3))


@pytest.fixture
def make_texture():
    return texture


@pytest.fixture
def face():
    """A smooth picture, which the fake model paints well."""
    y, x = np.mgrid[0:100, 0:100] / 100
    picture = np.stack((200 * x, 200 * y, 120 + 60 * np.sin(3 * (x + y))), axis=2)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


@pytest.fixture
def noise():
    """A picture that no model paints well."""
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 2, (50, 50, 3)) * 255
    return Image.fromarray(cells.astype(np.uint8).repeat(2, 0).repeat(2, 1))


@pytest.fixture
def cheap_kdf(monkeypatch):
    """Argon2id at its lowest cost, for tests that need many containers."""
    monkeypatch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
    monkeypatch.setattr(crypto, "ARGON2_ITERATIONS", 1)
