"""Adversary on random projections of pretrained features (Sauer et al. 2021, "Projected GANs").

A frozen classifier sees the images; fixed random 1x1 projections of its levels go to one light
discriminator each, which learn to tell faces from what the generator makes of their codes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

WIDTH = 64
SCALE = 0.1  # brings the features to about unit variance


class _Judge(nn.Module):
    """Discriminator of one level: features B C s s -> logits B 1 s/2 s/2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection: Tensor
        mixed = torch.empty(WIDTH, channels, 1, 1)
        nn.init.kaiming_normal_(mixed)
        self.register_buffer("projection", mixed)
        self.layers = nn.Sequential(
            spectral_norm(nn.Conv2d(WIDTH, WIDTH, 4, 2, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(WIDTH, WIDTH, 3, 1, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(WIDTH, 1, 3, 1, 1)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(F.conv2d(x * SCALE, self.projection.to(x.dtype)))
        return y


class ProjectedAdversary(nn.Module):
    """Light discriminators, one for each level of features."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.judges = nn.ModuleList(_Judge(c) for c in channels)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Features by level -> logits by level, larger where they look real."""
        return [judge(x).float() for judge, x in zip(self.judges, levels, strict=True)]

    def generator_loss(self, levels: list[Tensor]) -> Tensor:
        """What the generator pays for images that do not look real."""
        return torch.stack([-logits.mean() for logits in self(levels)]).mean()

    def own_loss(self, real: list[Tensor], fake: list[Tensor]) -> Tensor:
        """Hinge loss of the discriminators."""
        parts = [F.relu(1 - logits).mean() for logits in self(real)]
        parts += [F.relu(1 + logits).mean() for logits in self(fake)]
        return torch.stack(parts).sum() / len(self.judges)
