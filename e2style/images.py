"""Images: PIL ones, arrays of 8 bits, and the tensors that networks take and give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from e2style.data.scaling import scaled

__all__ = ["COMPARED_SIDE", "as_compared", "from_tensor", "side_by_side", "to_tensor", "to_uint8"]

COMPARED_SIDE = 256  # at which images are compared, where nothing else is said


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """B 3 S S in [-1, 1], unbounded -> (B, S, S, 3) uint8, rounded."""
    scaled = (images.detach().float().clamp(-1, 1) + 1) * 127.5
    levels: NDArray[np.uint8] = scaled.round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return levels


def as_compared(images: Tensor, side: int) -> NDArray[np.uint8]:
    """Generated images B 3 R R, nominally [-1, 1] -> (B, side, side, 3) as they are compared.

    Larger ones are averaged over areas and then rounded; smaller ones are rounded and then
    enlarged bicubically (a = -0.5), as a viewer would.
    """
    if images.shape[-1] >= side:
        return to_uint8(F.adaptive_avg_pool2d(images.float(), side))
    size = (side, side)
    enlarged = [
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        for image in to_uint8(images)
    ]
    return np.stack(enlarged)


def to_tensor(images: Sequence[Image.Image], side: int) -> Tensor:
    """Square images -> B C side side float; RGB in [-1, 1], gray ones (mode L) in [0, 1]."""
    arrays = []
    for image in images:
        array = np.asarray(scaled(image, side), dtype=np.float32)
        if image.mode == "L":
            arrays.append(array[None] / np.float32(255))
        else:
            arrays.append(array.transpose(2, 0, 1) / np.float32(127.5) - np.float32(1))
    return torch.from_numpy(np.stack(arrays))


def from_tensor(images: Tensor) -> list[Image.Image]:
    """B 3 S S, nominally [-1, 1] -> RGB images."""
    return [Image.fromarray(array) for array in to_uint8(images)]


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """Join images of one height into a strip."""
    strip = Image.new("RGB", (sum(p.width for p in images), images[0].height))
    left = 0
    for image in images:
        strip.paste(image, (left, 0))
        left += image.width
    return strip


def grid(images: Sequence[Image.Image], columns: int | None = None) -> Image.Image:
    """Images of one size in rows, as square as can be without `columns`."""
    across = columns or max(1, round(len(images) ** 0.5 + 0.49))
    across = min(across, len(images))
    width, height = images[0].size
    whole = Image.new("RGB", (across * width, -(-len(images) // across) * height))
    for k, image in enumerate(images):
        whole.paste(image, (k % across * width, k // across * height))
    return whole
