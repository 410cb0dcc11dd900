"""Corruptions that the encoder sees in place of the image: the paper's restoration tasks.

Images are (S, S, 3) uint8 RGB; every random choice comes from the generator that is handed
in, so an image that is degraded for validation is degraded in the same way every time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Image_ = NDArray[np.uint8]
Holes = NDArray[np.bool_]

NOISE_VARIANCE = 0.01  # of full scale: a standard deviation of a tenth
SALT_AND_PEPPER = 0.05  # share of the samples that become black or white
RESTORATION = ("colorization", "denoising", "inpainting", "super_resolution")
MOST_HOLES = 3
HOLE_SIDES = (0.1, 0.45)  # of a hole's box, as shares of the image's side


def gray(image: Image_) -> Image_:
    """Luma by ITU-R 601 (.299 R + .587 G + .114 B), repeated over the three channels."""
    luma = np.asarray(Image.fromarray(image).convert("L"))
    return np.repeat(luma[:, :, None], 3, axis=2)


def noisy(image: Image_, rng: np.random.Generator) -> Image_:
    """Gaussian noise of variance .01 or, as often, salt and pepper on 5 % of the samples."""
    if rng.random() < 0.5:
        noise = rng.normal(0.0, NOISE_VARIANCE**0.5, image.shape)
        scaled = np.clip(image / 255.0 + noise, 0.0, 1.0) * 255.0
        return np.rint(scaled).astype(np.uint8)
    hit = rng.random(image.shape) < SALT_AND_PEPPER
    salt = rng.random(image.shape) < 0.5
    return np.where(hit, np.where(salt, 255, 0), image).astype(np.uint8)


def triangle(side: int, rng: np.random.Generator) -> Holes:
    """One of the paper's four triangles, which cover 21.6 % of the image each.

    In an image of side 256 the vertices are (35 or 220, 35), (x, 220) and (x + 150, 220) with
    x = 35 or 70; other sides scale them.
    """
    scale = side / 256
    top, left = rng.choice((35, 220)), rng.choice((35, 70))
    corners = [(top, 35), (left, 220), (left + 150, 220)]
    image = Image.new("1", (side, side))
    ImageDraw.Draw(image).polygon([(x * scale, y * scale) for x, y in corners], fill=1)
    return np.asarray(image)


def shapes(side: int, rng: np.random.Generator) -> Holes:
    """One to three rectangles, ellipses or thick strokes anywhere, as users draw masks."""
    image = Image.new("1", (side, side))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, MOST_HOLES + 1)):
        width, height = rng.uniform(*HOLE_SIDES, 2) * side
        left, top = rng.random(2) * (side - width, side - height)
        box = (left, top, left + width, top + height)
        kind = rng.integers(3)
        if kind == 0:
            draw.rectangle(box, fill=1)
        elif kind == 1:
            draw.ellipse(box, fill=1)
        else:
            ends = [tuple(end) for end in rng.random((3, 2)) * side]
            draw.line(ends, fill=1, width=int(min(width, height) / 2), joint="curve")
    return np.asarray(image)


def cut(image: Image_, holes: Holes) -> Image_:
    """Blacken the holes."""
    return np.where(holes[:, :, None], np.uint8(0), image)


def filled(image: Image_, holes: Holes) -> Image_:
    """Fill the holes softly from what surrounds them, the wider they are the coarser.

    Parameters
    ----------
    image : (S, S, 3)
    holes : (S, S); what is known outside stays as it is
    """
    known = torch.tensor(~holes)[None, None].float()
    sums = torch.tensor(image).permute(2, 0, 1)[None] * known
    levels = []
    while known.shape[-1] > 1:
        levels.append((sums, known))
        sums, known = (F.avg_pool2d(part, 2, ceil_mode=True) for part in (sums, known))
    found = sums / known.clamp_min(torch.finfo().tiny)
    for sums, known in reversed(levels):
        coarser = F.interpolate(found, sums.shape[-2:], mode="bilinear")
        found = sums + (1 - known) * coarser
    return found[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


def calmed(image: Image_) -> Image_:
    """The median of 3 x 3 samples, which takes away most of the noise."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.MedianFilter(3)))


def coarse(image: Image_, factor: int) -> Image_:
    """Shrink by `factor` (bicubic, a = -1/2, antialiased), enlarge again (bilinear)."""
    if factor == 1:
        return image
    side = image.shape[0]
    small = max(side // factor, 1)
    shrunk = Image.fromarray(image).resize((small, small), Image.Resampling.BICUBIC)
    return np.asarray(shrunk.resize((side, side), Image.Resampling.BILINEAR))


def corrupt(
    image: Image_,
    task: str,
    rng: np.random.Generator,
    factors: Sequence[int] = (1,),
    *,
    soften: bool = False,
) -> Image_:
    """Apply the corruption of a task; those without one leave the image as it is.

    The task `restoration` draws one of the others; its holes are as often of any shape.

    Parameters
    ----------
    image : (S, S, 3) uint8 RGB
    task : name, as in `TrainConfig.task`
    rng : where random choices come from
    factors : of super-resolution, one of which is drawn
    soften : fill holes and calm noise; a linear base would draw their edges (`models/base.py`),
        which are sharper than what an encoder could take away again
    """
    holes = triangle
    if task == "restoration":
        task = str(rng.choice(RESTORATION))
        holes = shapes if rng.random() < 0.5 else triangle
    if task == "colorization":
        return gray(image)
    if task == "denoising":
        damaged = noisy(image, rng)
        return calmed(damaged) if soften else damaged
    if task == "inpainting":
        return (filled if soften else cut)(image, holes(image.shape[0], rng))
    if task == "super_resolution":
        return coarse(image, int(rng.choice(list(factors))))
    return image
