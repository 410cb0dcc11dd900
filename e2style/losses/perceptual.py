"""Pixel, perceptual and latent terms of the objective (paper, eqs. 2 and 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.models.alexnet import LPIPS

# Ellipse of eyes, nose, mouth and chin in an image aligned like FFHQ, as fractions of its side.
FACE_CENTRE = (0.58, 0.5)  # down, across
FACE_RADII = (0.33, 0.27)
FACE_EDGE = 8.0  # how steeply the weight falls where the ellipse ends


def face_weights(side: int, face_weight: float) -> Tensor:
    """(side, side) weights of errors in an aligned image, mean 1.

    Parameters
    ----------
    side : of the image, in pixels or in whatever is weighted
    face_weight : how much more an error in the middle of the face counts than one far outside
    """
    at = (torch.arange(side) + 0.5) / side
    down = (at - FACE_CENTRE[0]) / FACE_RADII[0]
    across = (at - FACE_CENTRE[1]) / FACE_RADII[1]
    distance = (down[:, None].square() + across[None].square()).sqrt()
    weights = 1 + (face_weight - 1) * torch.sigmoid((1 - distance) * FACE_EDGE)
    return weights / weights.mean()


class PixelLoss(nn.Module):
    """Mean squared error over all elements (eq. 2, squared as the released code has it).

    Parameters
    ----------
    face_weight : see `face_weights`; 1 is the paper's
    """

    def __init__(self, face_weight: float = 1.0) -> None:
        super().__init__()
        self.face_weight = face_weight

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Images B 3 S S in [-1, 1], twice -> scalar."""
        if self.face_weight == 1.0:
            return F.mse_loss(generated.float(), target.float())
        weights = face_weights(target.shape[-1], self.face_weight).to(target.device)
        return (weights * (generated.float() - target.float()).square()).mean()


class PerceptualLoss(nn.Module):
    """LPIPS of Zhang et al. 2018, batch mean; the target carries no gradient.

    Parameters
    ----------
    lpips : LPIPS; frozen by the caller
    """

    def __init__(self, lpips: LPIPS) -> None:
        super().__init__()
        self.lpips = lpips

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Images B 3 S S in [-1, 1], twice -> scalar."""
        distances: Tensor = self.lpips(generated, target.detach())
        return distances.mean()


class LatentNormLoss(nn.Module):
    """Batch mean of the Frobenius norm of a code's offset from w_avg."""

    def forward(self, codes: Tensor, w_avg: Tensor) -> Tensor:
        """Codes B n 512 and w_avg n 512 -> scalar."""
        offsets = (codes - w_avg).float()
        lengths: Tensor = torch.linalg.vector_norm(offsets, dim=(1, 2))
        return lengths.mean()
