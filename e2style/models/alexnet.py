"""AlexNet's features and LPIPS on top of them (Zhang et al. 2018; paper, eq. 3).

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018, eq. 1, with the learned linear heads of their version 0.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (64, 192, 384, 256, 256)
# What the heads were trained behind: images in [-1, 1] shifted and scaled per channel.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class AlexNet(nn.Module):
    """The five convolutions of AlexNet, in torchvision's layout; 2,469,696 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            (
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
            )
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised images B 3 H W -> five levels, each behind its ReLU."""
        levels = []
        for k, conv in enumerate(self.convs):
            if k in {1, 2}:
                x = F.max_pool2d(x, 3, 2)
            x = torch.relu(conv(x))
            levels.append(x)
        return levels


class LPIPSHeads(nn.Module):
    """One non-negative weight per channel and level; 1,152 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.ones(n) for n in WIDTHS)


class LPIPS(nn.Module):
    """Learned perceptual distance of two images.

    Parameters
    ----------
    net : AlexNet
    heads : LPIPSHeads
    """

    def __init__(self, net: AlexNet, heads: LPIPSHeads) -> None:
        super().__init__()
        self.net = net
        self.heads = heads
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).reshape(1, 3, 1, 1), persistent=False)

    def features(self, images: Tensor) -> list[Tensor]:
        """Images B 3 H W in [-1, 1] -> five levels, unit length over channels."""
        # Single precision: in half, squares overflow and the constant below is zero.
        levels = [x.float() for x in self.net((images - self.shift) / self.scale)]
        return [x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in levels]

    def forward(self, a: Tensor, b: Tensor, *, spatial: bool = False) -> Tensor:
        """Distance of images B 3 H W in [-1, 1], pair by pair.

        Parameters
        ----------
        a, b : B 3 H W
        spatial : keep one distance per place instead of averaging over the image

        Returns
        -------
        (B,), or B 1 H W where `spatial`
        """
        total = torch.zeros((), device=a.device)
        weights = self.heads.weights
        for x, y, weight in zip(self.features(a), self.features(b), weights, strict=True):
            level = ((x - y).square() * weight[None, :, None, None]).sum(1, keepdim=True)
            if spatial:
                level = F.interpolate(level, a.shape[2:], mode="bilinear")
            else:
                level = level.mean((1, 2, 3))
            total = total + level
        return total
