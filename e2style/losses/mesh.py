"""Error in what repeats: the mesh that upsampling leaves.

A pixel shuffle whose phases are not quite alike adds a pattern with the period of its cells, 2, 4
or 8 pixels, and the patches of a base one of 16. It is faint, so that the squared error hardly sees
it, and an adversary takes it for texture (Odena et al. 2016, "Deconvolution and Checkerboard
Artifacts").
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

PERIOD = 16  # pixels; shorter ones repeat in it
CELLS = 4  # a side of the windows that are averaged


class MeshLoss(nn.Module):
    """Squared error of the mean cell of 16 x 16 pixels, over windows of 4 x 4 cells, less its mean.

    What a face has of these frequencies by chance differs from cell to cell and averages out.
    """

    def forward(self, painted: Tensor, target: Tensor) -> Tensor:
        """Images B 3 S S in [-1, 1], twice -> scalar."""
        cells = F.pixel_unshuffle((painted - target).float(), PERIOD)
        means: Tensor = F.avg_pool2d(cells, min(CELLS, *cells.shape[2:]), 1)
        count, _, high, wide = means.shape
        pattern = means.reshape(count, -1, PERIOD**2, high, wide)
        return (pattern - pattern.mean(2, keepdim=True)).square().mean()
