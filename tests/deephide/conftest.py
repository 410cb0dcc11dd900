import fake_model
import format_oracle
import image_samples
import jpeg_samples
import numpy as np
import pytest
import rans_oracle
import robust_oracle
import strong_oracle
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


@pytest.fixture
def robust_receiver():
    return robust_oracle


@pytest.fixture
def strong_receiver():
    return strong_oracle


@pytest.fixture
def photo():
    return Image.fromarray(image_samples.texture(96, 120, 3))


@pytest.fixture
def make_texture():
    return image_samples.texture


@pytest.fixture
def face():
    return image_samples.smooth_face()


@pytest.fixture
def noise():
    return image_samples.checks(np.random.default_rng(3), 50, 2)


@pytest.fixture
def cheap_kdf(monkeypatch):
    """Argon2id at its lowest cost, for tests that need many containers."""
    monkeypatch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
    monkeypatch.setattr(crypto, "ARGON2_ITERATIONS", 1)
