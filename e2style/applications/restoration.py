"""Damaged images, sketches and label maps to faces (paper, Algorithms 5 and 6).

All that is special about a task is in the encoder that was trained for it; what is here shows the
encoder images as its training did.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from e2style.data.archive import UNREADABLE, decode, why
from e2style.data.corruptions import RESTORATION as TASKS
from e2style.data.corruptions import Holes, calmed, corrupt, cut, filled, gray
from e2style.data.scaling import scaled
from e2style.errors import ConfigError, DataError
from e2style.images import from_tensor, to_tensor
from e2style.metrics import images as metrics
from e2style.model import InversionModel

__all__ = [
    "TASKS",
    "Gain",
    "Restored",
    "damaged",
    "gain",
    "keep_known",
    "keep_light",
    "restore",
    "summary",
    "translate",
]

FACTORS = (1, 2, 4, 8, 16)
_SEAM = 0.01  # of the side: how far filled and known pixels run into one another


@dataclasses.dataclass(frozen=True, eq=False)
class Restored:
    """A restored face.

    Attributes
    ----------
    shown : what was to be restored, RGB, of the side that the network looks at
    code : (1, n, 512)
    generated : RGB, of the generator's size
    """

    shown: Image.Image
    code: NDArray[np.float32]
    generated: Image.Image


@dataclasses.dataclass(frozen=True)
class Gain:
    """Agreement with the truth before restoration and after: dB, and SSIM."""

    psnr_before: float
    psnr: float
    ssim_before: float
    ssim: float


def gain(truth: Image.Image, before: Image.Image, after: Image.Image) -> Gain:
    """Compare at the size of `before`, which is what doing nothing would give.

    Parameters
    ----------
    truth, before, after : square, RGB

    Raises
    ------
    ConfigError : torchmetrics is not installed
    """
    wanted = np.asarray(scaled(truth, before.width))
    found = np.asarray(after.resize(before.size, Image.Resampling.BICUBIC))
    pair = np.stack([np.asarray(before), found])
    both = np.stack([wanted, wanted])
    psnr, ssim = metrics.psnr(both, pair), metrics.ssim(both, pair)
    return Gain(float(psnr[0]), float(psnr[1]), float(ssim[0]), float(ssim[1]))


def summary(gains: Sequence[Gain]) -> dict[str, float]:
    """Means over images, by the names of `Gain`."""
    rows = [dataclasses.asdict(each) for each in gains]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def damaged(
    image: Image.Image, task: str, side: int, seed: int, factor: int | None = None
) -> Image.Image:
    """Damage an aligned image as the training of a task does.

    Parameters
    ----------
    image : square, RGB
    task : one of TASKS
    side : of the result, `seen_side` of the network
    seed : of what is random
    factor : of super-resolution; None draws one of 1, 2, 4, 8 and 16
    """
    _check(task)
    small = np.asarray(scaled(image, side))
    factors = FACTORS if factor is None else (factor,)
    return Image.fromarray(corrupt(small, task, np.random.default_rng(seed), factors))


def restore(
    model: InversionModel, image: Image.Image, task: str, mask: Image.Image | None = None
) -> Restored:
    """Restore an aligned image (Alg. 5).

    Parameters
    ----------
    model : trained for the task
    image : square, RGB, of any side; damaged, or with a mask still to be
    task : one of TASKS; for colorization colours are taken out, a small image is enlarged as
        super-resolution saw them, and before a network with a base holes are filled softly and
        noise goes through a median
    mask : white where an inpainted image is to be filled; None means where it is black

    Raises
    ------
    ConfigError : no such task, or a mask for another task than inpainting
    """
    _check(task)
    if mask is not None and task != "inpainting":
        raise ConfigError(f"mask: the task {task} takes none")
    side = model.network.seen_side
    shown = scaled(image, side)
    holes = None
    if task == "colorization":
        shown = Image.fromarray(gray(np.asarray(shown)))
    if mask is not None:
        levels = mask.convert("L").resize((side, side), Image.Resampling.NEAREST)
        holes = np.asarray(levels) > 127
        shown = Image.fromarray(cut(np.asarray(shown), holes))
    seen = _softened(shown, task, holes) if model.config.generator.base_side else shown
    return _generated(model, shown, to_tensor([seen], side))


def _softened(shown: Image.Image, task: str, holes: Holes | None) -> Image.Image:
    """Holes filled and noise calmed, as `corrupt` shows them to a network with a base."""
    array = np.asarray(shown)
    if task == "denoising":
        return Image.fromarray(calmed(array))
    if task != "inpainting":
        return shown
    if holes is None:
        black = Image.fromarray(array.max(axis=2) == 0).convert("L")
        # Single black samples are no holes; one more sample at each border belongs to them.
        grown = black.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MaxFilter(5))
        holes = np.asarray(grown) > 0
    return Image.fromarray(filled(array, holes))


def keep_known(generated: Image.Image, original: Image.Image, mask: Image.Image) -> Image.Image:
    """Fill the holes of an image and leave the rest of it as it was.

    Parameters
    ----------
    generated : square, RGB
    original : aligned, RGB; the result has its size
    mask : white where the hole is
    """
    holes = mask.convert("L").resize(original.size, Image.Resampling.BILINEAR)
    soft = holes.filter(ImageFilter.GaussianBlur(_SEAM * original.width))
    filled = generated.resize(original.size, Image.Resampling.BICUBIC)
    return Image.composite(filled, original, soft)


def keep_light(generated: Image.Image, original: Image.Image) -> Image.Image:
    """Give an image the colours of another, and leave its light and detail as they were.

    Parameters
    ----------
    generated : square, RGB
    original : aligned, RGB, whose luma stays; the result has its size
    """
    coloured = generated.resize(original.size, Image.Resampling.BICUBIC).convert("YCbCr")
    luma = original.convert("YCbCr").getchannel("Y")
    return Image.merge("YCbCr", (luma, *coloured.split()[1:])).convert("RGB")


def translate(model: InversionModel, data: bytes) -> Restored:
    """Generate the face of a sketch or of a label map (Alg. 6).

    Parameters
    ----------
    model : trained for sketches, with one input channel, or for label maps, with one a class
    data : content of an image file; of a label map the gray levels or palette indices are classes

    Raises
    ------
    ConfigError : the model takes ordinary images
    DataError : no image, or a class that the model does not know
    """
    side, channels = model.config.encoder.image_size, model.config.encoder.in_channels
    if channels == 3:
        raise ConfigError(f"model {model.name}: takes images, neither sketches nor label maps")
    try:
        array = decode(data, side, "L" if channels == 1 else "labels")
    except UNREADABLE as error:
        raise DataError(f"the input cannot be read: {why(error)}") from error
    if channels == 1:
        sketch = Image.fromarray(array)
        return _generated(model, sketch.convert("RGB"), to_tensor([sketch], side))
    if array.max() >= channels:
        raise DataError(f"label {array.max()}, allowed are 0 to {channels - 1}")
    planes = F.one_hot(torch.from_numpy(array).long(), channels).permute(2, 0, 1)[None].float()
    # Neighbouring classes would be neighbouring grays, so hues tell them apart.
    hues = (array.astype(np.float64) * 255 / channels).astype(np.uint8)
    full = np.full_like(hues, 255)
    colours = np.dstack([hues, full, np.where(array == 0, 0, full)])
    shown = Image.frombytes("HSV", (side, side), colours.tobytes()).convert("RGB")
    return _generated(model, shown, planes)


def _generated(model: InversionModel, shown: Image.Image, x: Tensor) -> Restored:
    code = model.invert(x)
    return Restored(shown, code.cpu().numpy(), from_tensor(model.synthesize(code))[0])


def _check(task: str) -> None:
    if task not in TASKS:
        raise ConfigError(f"task: got {task!r}, allowed are {', '.join(TASKS)}")
