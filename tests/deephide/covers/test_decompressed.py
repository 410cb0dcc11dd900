import io

import numpy as np
import pytest
from PIL import Image

from deephide.covers.history import looks_decompressed
from deephide.covers.opening import open_cover


@pytest.fixture
def scene():
    """Low frequencies as in photos: a random walk in both directions, and a little noise."""
    rng = np.random.default_rng(2)
    walk = rng.normal(0, 6, (257, 1)).cumsum(0) + rng.normal(0, 6, (1, 241)).cumsum(1)
    walk = walk + np.cumsum(rng.normal(0, 3, (257, 241)), axis=1)
    colours = walk[..., None] + rng.normal(0, 1.5, (257, 241, 3))
    colours -= colours.mean()
    return np.clip(128 + colours * (50 / colours.std()), 0, 255).astype(np.uint8)


def through_jpeg(samples, quality):
    buffer = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).reshape(samples.shape)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [50, 75, 90])
def test_decompressed_pictures_are_recognised(scene, channels, quality):
    samples = scene[..., :channels]
    assert not looks_decompressed(samples)
    assert looks_decompressed(through_jpeg(samples, quality))


def test_neither_noise_nor_flat_nor_tiny_pictures_are_accused(make_texture):
    rng = np.random.default_rng(0)
    assert not looks_decompressed(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
    assert not looks_decompressed(make_texture(200, 200, 1))
    assert not looks_decompressed(np.full((200, 200, 3), 77, np.uint8))
    blocks = rng.normal(128, 25, (40, 50, 1)).repeat(4, 0).repeat(4, 1)
    blocky = blocks + rng.normal(0, 8, blocks.shape)
    assert not looks_decompressed(np.clip(blocky, 0, 255).astype(np.uint8))
    assert not looks_decompressed(np.zeros((7, 500, 1), np.uint8))


def test_the_sender_is_warned(scene):
    cover = open_cover(Image.fromarray(through_jpeg(scene[..., :1], 75).squeeze()))
    assert any("JPEG file before" in sign.text for sign in cover.signs)
