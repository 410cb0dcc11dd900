"""Seeded images that many tests hide in one another."""

import numpy as np
from PIL import Image


def texture(height, width, channels, seed=7):
    """Noise with structure at several scales, away from the ends of the range: (H, W, C) uint8."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, channels))
    for step in (1, 4, 16):
        coarse = rng.normal(0, 9, (height // step + 1, width // step + 1, channels))
        total += coarse.repeat(step, 0).repeat(step, 1)[:height, :width]
    return np.clip(total + 128, 1, 254).astype(np.uint8)


def blocky_photo(rng, rows, columns):
    """Blocks of 4 x 4 with noise over them, (4 rows, 4 columns) in size."""
    coarse = rng.normal(128, 25, (rows, columns, 3)).repeat(4, 0).repeat(4, 1)
    samples = np.clip(coarse + rng.normal(0, 8, coarse.shape), 1, 254)
    return Image.fromarray(samples.astype(np.uint8))


def smooth_face():
    """An image that the fake model reconstructs well."""
    y, x = np.mgrid[0:100, 0:100] / 100
    samples = np.stack((200 * x, 200 * y, 120 + 60 * np.sin(3 * (x + y))), axis=2)
    return Image.fromarray(samples.clip(0, 255).astype(np.uint8))


def checks(rng, cells, size):
    """Squares of random pure colours, which no model reconstructs well."""
    samples = (rng.integers(0, 2, (cells, cells, 3)) * 255).astype(np.uint8)
    return Image.fromarray(samples.repeat(size, 0).repeat(size, 1))
