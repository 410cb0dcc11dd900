"""Feature pyramid over the taps of an encoder (Lin et al. 2017, as pSp uses it)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """Top-down sums: each level gets the enlarged deeper one and itself through a 1x1.

    Parameters
    ----------
    channels : of the taps, shallow to deep
    width : common width; a deepest tap that has it already goes through as it is
    smooth : a 3x3 convolution behind each sum
    """

    def __init__(self, channels: list[int], width: int, *, smooth: bool) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Identity() if n == width and k == len(channels) - 1 else nn.Conv2d(n, width, 1)
            for k, n in enumerate(channels)
        )
        self.smoothings = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) if smooth else nn.Identity()
            for _ in channels[:-1]
        )

    def forward(self, taps: list[Tensor]) -> list[Tensor]:
        """Maps B C_k S_k S_k, shallow to deep -> as many maps of the common width."""
        x = self.laterals[-1](taps[-1])
        levels = [x]
        for k in range(len(taps) - 2, -1, -1):
            tap = taps[k]
            larger = F.interpolate(x, tap.shape[2:], mode="bilinear", align_corners=True)
            x = larger + self.laterals[k](tap)
            levels.append(self.smoothings[k](x))
        return levels[::-1]
