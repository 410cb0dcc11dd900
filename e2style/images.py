"""Pictures as people have them, PIL ones, to and from codes and what networks take and give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from e2style.model import InversionModel
from e2style.training.runlog import to_uint8

__all__ = ["from_tensor", "invert", "paint", "side_by_side", "to_tensor"]


def invert(
    model: InversionModel, pictures: Sequence[Image.Image], stages: int | None = None
) -> NDArray[np.float32]:
    """Codes (N, n, 512) of aligned square pictures; errors as in `InversionModel.invert`."""
    codes: NDArray[np.float32]
    codes = model.invert(to_tensor(pictures, model.image_size), stages).cpu().numpy()
    return codes


def paint(model: InversionModel, codes: NDArray[np.float32]) -> list[Image.Image]:
    """Pictures of codes (N, n, 512), made one at a time: at 1024 each takes a gigabyte."""
    ready = torch.from_numpy(np.ascontiguousarray(codes))
    painted = (model.synthesize(ready[k : k + 1]) for k in range(len(ready)))
    return [from_tensor(picture)[0] for picture in painted]


def to_tensor(pictures: Sequence[Image.Image], side: int) -> Tensor:
    """Square pictures -> B C side side float; RGB in [-1, 1], gray ones (mode L) in [0, 1]."""
    arrays = []
    for picture in pictures:
        small = picture.resize((side, side), Image.Resampling.LANCZOS)
        array = np.asarray(small, dtype=np.float32)
        if picture.mode == "L":
            arrays.append(array[None] / np.float32(255))
        else:
            arrays.append(array.transpose(2, 0, 1) / np.float32(127.5) - np.float32(1))
    return torch.from_numpy(np.stack(arrays))


def from_tensor(pictures: Tensor) -> list[Image.Image]:
    """B 3 S S, nominally [-1, 1] -> RGB pictures."""
    return [Image.fromarray(array) for array in to_uint8(pictures)]


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Join pictures of one height into a strip."""
    strip = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height))
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width
    return strip
