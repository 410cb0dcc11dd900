"""Pixel, perceptual and latent terms of the objective (paper, eqs. 2 and 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.models.alexnet import LPIPS


class PixelLoss(nn.Module):
    """Mean squared error over all elements (eq. 2, squared as the released code has it)."""

    def forward(self, painted: Tensor, target: Tensor) -> Tensor:
        """Pictures B 3 S S in [-1, 1], twice -> scalar."""
        return F.mse_loss(painted.float(), target.float())


class PerceptualLoss(nn.Module):
    """LPIPS of Zhang et al. 2018, batch mean; the target carries no gradient.

    Parameters
    ----------
    lpips : LPIPS; frozen by the caller
    """

    def __init__(self, lpips: LPIPS) -> None:
        super().__init__()
        self.lpips = lpips

    def forward(self, painted: Tensor, target: Tensor) -> Tensor:
        """Pictures B 3 S S in [-1, 1], twice -> scalar."""
        distances: Tensor = self.lpips(painted, target.detach())
        return distances.mean()


class LatentNormLoss(nn.Module):
    """Batch mean of the Frobenius norm of a code's offset from w_avg."""

    def forward(self, codes: Tensor, w_avg: Tensor) -> Tensor:
        """Codes B n 512 and w_avg n 512 -> scalar."""
        offsets = (codes - w_avg).float()
        lengths: Tensor = torch.linalg.vector_norm(offsets, dim=(1, 2))
        return lengths.mean()
