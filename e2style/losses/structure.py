"""Structural similarity as a loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 7
C1, C2 = 0.01**2 * 4, 0.03**2 * 4  # of Wang et al. 2004, for the range [-1, 1]


class StructureLoss(nn.Module):
    """1 - SSIM over uniform windows of 7 pixels, mean over the channels."""

    def forward(self, painted: Tensor, target: Tensor) -> Tensor:
        """Images B 3 S S in [-1, 1], twice -> scalar."""
        x, y = painted.float(), target.float()
        with torch.autocast(x.device.type, enabled=False):
            means = F.avg_pool2d(torch.cat([x, y, x * x + y * y, x * y], 1), WINDOW, 1)
            mx, my, squares, product = means.chunk(4, dim=1)
            both = mx * mx + my * my
            # Local means count as brightness in [0, 2], as the range of the constants has it.
            light = (2 * (mx + 1) * (my + 1) + C1) / ((mx + 1) ** 2 + (my + 1) ** 2 + C1)
            form = (2 * (product - mx * my) + C2) / (squares - both + C2)
        return 1 - (light * form).mean()
