"""What the encoder is shown in place of the picture: the paper's restoration tasks.

Pictures are (S, S, 3) uint8 RGB; every random choice comes from the generator that is handed
in, so a picture that is degraded for validation is degraded in the same way every time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.uint8]

NOISE_VARIANCE = 0.01  # of full scale: a standard deviation of a tenth
SALT_AND_PEPPER = 0.05  # share of the samples that become black or white


def gray(picture: Picture) -> Picture:
    """Luma by ITU-R 601 (.299 R + .587 G + .114 B), repeated over the three channels."""
    luma = np.asarray(Image.fromarray(picture).convert("L"))
    return np.repeat(luma[:, :, None], 3, axis=2)


def noisy(picture: Picture, rng: np.random.Generator) -> Picture:
    """Gaussian noise of variance .01 or, as often, salt and pepper on 5 % of the samples."""
    if rng.random() < 0.5:
        noise = rng.normal(0.0, NOISE_VARIANCE**0.5, picture.shape)
        scaled = np.clip(picture / 255.0 + noise, 0.0, 1.0) * 255.0
        return np.rint(scaled).astype(np.uint8)
    hit = rng.random(picture.shape) < SALT_AND_PEPPER
    salt = rng.random(picture.shape) < 0.5
    return np.where(hit, np.where(salt, 255, 0), picture).astype(np.uint8)


def masked(picture: Picture, rng: np.random.Generator) -> Picture:
    """One of four black triangles that cover 21.6 % of the picture each.

    In a picture of side 256 the vertices are (35 or 220, 35), (x, 220) and (x + 150, 220) with
    x = 35 or 70; other sides scale them.
    """
    scale = picture.shape[0] / 256
    top, left = rng.choice((35, 220)), rng.choice((35, 70))
    corners = [(top, 35), (left, 220), (left + 150, 220)]
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).polygon([(x * scale, y * scale) for x, y in corners], fill=(0, 0, 0))
    return np.asarray(image)


def coarse(picture: Picture, factor: int) -> Picture:
    """Shrink by `factor` (bicubic, a = -1/2, antialiased), enlarge again (bilinear)."""
    if factor == 1:
        return picture
    side = picture.shape[0]
    small = max(side // factor, 1)
    image = Image.fromarray(picture).resize((small, small), Image.Resampling.BICUBIC)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def corrupt(
    picture: Picture, task: str, rng: np.random.Generator, factors: Sequence[int] = (1,)
) -> Picture:
    """Apply the corruption of a task; those without one leave the picture as it is.

    Parameters
    ----------
    picture : (S, S, 3) uint8 RGB
    task : name, as in `TrainConfig.task`
    rng : where random choices come from
    factors : of super-resolution, one of which is drawn
    """
    if task == "colorization":
        return gray(picture)
    if task == "denoising":
        return noisy(picture, rng)
    if task == "inpainting":
        return masked(picture, rng)
    if task == "super_resolution":
        return coarse(picture, int(rng.choice(list(factors))))
    return picture
