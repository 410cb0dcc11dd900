"""IR-SE50, the face recogniser behind the multi-layer identity loss (paper, eq. 4)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from e2style.models.irse import group, stem

WIDTHS = (64, 128, 256, 512)
UNITS = (3, 4, 14, 3)
INPUT_SIDE = 112  # side of the crop that the network was trained on
CROP = (35, 223, 32, 220)  # top, bottom, left, right of the face in an aligned 256 x 256 image
CROP_OF = 256


class IRSE50(nn.Module):
    """ArcFace's improved ResNet-50 with squeeze-and-excite; 43,797,696 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = stem(3, WIDTHS[0])
        self.groups = nn.ModuleList()
        n_in = WIDTHS[0]
        for n_out, units in zip(WIDTHS, UNITS, strict=True):
            self.groups.append(group(n_in, n_out, units))
            n_in = n_out
        self.norm = nn.BatchNorm2d(n_in)
        self.linear = nn.Linear(n_in * 7 * 7, 512)
        self.last_norm = nn.BatchNorm1d(512)

    @staticmethod
    def crop(images: Tensor) -> Tensor:
        """Cut the face out: aligned images B 3 S S -> B 3 112 112, areas averaged."""
        side = images.shape[-1]
        top, bottom, left, right = (round(edge * side / CROP_OF) for edge in CROP)
        return F.adaptive_avg_pool2d(images[:, :, top:bottom, left:right], INPUT_SIDE)

    def features(self, crops: Tensor) -> list[Tensor]:
        """Crops B 3 112 112 in [-1, 1] -> five levels.

        Returns
        -------
        B 64 56 56, B 128 28 28, B 256 14 14, B 512 7 7, and the embedding B 512, not normalised
        """
        x = self.stem(crops)
        levels = []
        for part in self.groups:
            x = part(x)
            levels.append(x)
        embedding = self.linear(self.norm(x).flatten(1))
        levels.append(self.last_norm(embedding))
        return levels

    def forward(self, images: Tensor) -> list[Tensor]:
        """Aligned images B 3 S S in [-1, 1], S = 256 in the paper -> the five levels."""
        return self.features(self.crop(images))
