"""Identity loss that looks at faces through small, random changes of the crop."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.losses.multilayer import MultiLayerCosineLoss

SCALE, TURN, SHIFT = 0.02, 0.03, 0.02  # standard deviations; of half a side, and radians


class JitteredIdentityLoss(nn.Module):
    """Multi-layer identity loss (paper, eq. 4) on one random crop of both images.

    What pleases a single recogniser at a single crop need not be likeness: shifts, turns, scales
    and mirrored images leave less to exploit.

    Parameters
    ----------
    loss : MultiLayerCosineLoss on a recogniser; frozen by the caller
    embedding : how much more the embedding counts than each level before it
    """

    def __init__(self, loss: MultiLayerCosineLoss, embedding: float = 1.0) -> None:
        super().__init__()
        self.loss = loss
        self.embedding = embedding

    def forward(self, painted: Tensor, target: Tensor) -> Tensor:
        """Images B 3 S S in [-1, 1], twice -> scalar."""
        one, other = jitter(painted, target)
        levels: Tensor = self.loss.levels(one, other)
        return levels[:-1].sum() + self.embedding * levels[-1]


def jitter(*images: Tensor) -> list[Tensor]:
    """The same small, random change of images B 3 S S of the same faces, mirror included."""
    grid = _grid(len(images[0]), images[0].shape[-1]).to(images[0].device)
    return [
        F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False) for x in images
    ]


def _grid(count: int, side: int) -> Tensor:
    scale = 1 + torch.randn(count) * SCALE
    turn = torch.randn(count) * TURN
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * mirror, turn
    theta[:, 1, 0], theta[:, 1, 1] = -turn * mirror, scale
    theta[:, :, 2] = torch.randn(count, 2) * SHIFT
    return F.affine_grid(theta, [count, 3, side, side], align_corners=False)
