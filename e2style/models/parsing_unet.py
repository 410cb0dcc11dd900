"""U-Net of the CelebAMask-HQ face parser, behind the multi-layer parsing loss (paper, eq. 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128, 256)
CLASSES = 19


def _conv(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU())


def _pair(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(_conv(n_in, n_out), _conv(n_out, n_out))


class ParsingUNet(nn.Module):
    """Face parser with 19 classes; 1,944,355 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _pair(a, b) for a, b in zip((3, *WIDTHS[:-2]), WIDTHS[:-1], strict=True)
        )
        self.center = _pair(WIDTHS[-2], WIDTHS[-1])
        # Deepest first, in the order in which they run.
        steps = list(zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in steps)
        self.merges = nn.ModuleList(_pair(a, b) for a, b in steps)
        self.final = nn.Conv2d(WIDTHS[0], CLASSES, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Aligned images B 3 S S in [-1, 1], S = 256 in the paper -> five feature levels.

        Only the contracting half runs; the losses need no more.

        Returns
        -------
        the four pooled maps B 16 S/2, B 32 S/4, B 64 S/8, B 128 S/16, and the centre B 256 S/16
        """
        levels = []
        x = images
        for pair in self.down:
            x = F.max_pool2d(pair(x), 2)
            levels.append(x)
        levels.append(self.center(x))
        return levels

    def parse(self, images: Tensor) -> Tensor:
        """Aligned images B 3 S S in [-1, 1], S a multiple of 16 -> logits B 19 S S."""
        skips = []
        x = images
        for pair in self.down:
            x = pair(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.center(x)
        for up, merge, skip in zip(self.ups, self.merges, reversed(skips), strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))
        logits: Tensor = self.final(x)
        return logits
