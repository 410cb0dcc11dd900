"""Small U-Net that parses faces into 19 classes; its weights do not ship."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 19


def _pair(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.Conv2d(n_out, n_out, 3, padding=1),
        nn.ReLU(),
    )  # fmt: skip


class ParsingEncoder(nn.Module):
    """Contracting half of a small face-parsing U-Net; the expanding half is never needed."""

    def __init__(self) -> None:
        super().__init__()
        self.enc1 = _pair(3, 32)
        self.enc2 = _pair(32, 64)
        self.bottleneck = _pair(64, 128)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Aligned images B 3 S S in [-1, 1] -> three feature levels."""
        levels = [self.enc1(images)]
        levels.append(self.enc2(F.max_pool2d(levels[-1], 2)))
        levels.append(self.bottleneck(F.max_pool2d(levels[-1], 2)))
        return levels


class SmallParser(ParsingEncoder):
    """Both halves of the U-Net."""

    def __init__(self) -> None:
        super().__init__()
        self.up1, self.up2 = nn.ConvTranspose2d(128, 64, 2, 2), nn.ConvTranspose2d(64, 32, 2, 2)
        self.dec1, self.dec2 = _pair(128, 64), _pair(64, 32)
        self.out = nn.Conv2d(32, CLASSES, 1)

    def parse(self, images: Tensor) -> Tensor:
        """Aligned images B 3 256 256 in [-1, 1] -> classes B 256 256."""
        first, second, deep = self.forward(images)
        x = self.dec1(torch.cat([self.up1(deep), second], 1))
        classes: Tensor = self.out(self.dec2(torch.cat([self.up2(x), first], 1))).argmax(1)
        return classes
