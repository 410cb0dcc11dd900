"""Small changes of aligned faces: other aligners, other cameras."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT = 0.009  # of half a side: a pixel of 256
SCALE = TURN = 0.008
GAIN = 0.05


def augment(images: Tensor) -> Tensor:
    """Shift, scale and turn by a pixel or two, and change the gain of each colour.

    Parameters
    ----------
    images : B 3 S S in [-1, 1]

    Returns
    -------
    B 3 S S in [-1, 1], channels_last; drawn from torch's global generator
    """
    count = len(images)
    theta = torch.zeros(count, 2, 3)
    scale, turn = 1 + torch.randn(count) * SCALE, torch.randn(count) * TURN
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, 0, 1], theta[:, 1, 0] = turn, -turn
    theta[:, :, 2] = torch.randn(count, 2) * SHIFT
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
    gain = 1 + torch.randn(count, 3, 1, 1) * GAIN + torch.randn(count, 1, 1, 1) * GAIN
    changed = ((moved + 1) * gain - 1).clamp(-1, 1)
    return changed.contiguous(memory_format=torch.channels_last)
