"""A small face recogniser that ships: whether a painted face still looks like the same person.

Distilled from MobileFaceNet (Chen et al. 2018), whose weights do not ship; a tenth of its size.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from e2style.losses.features import ARCFACE_BOX
from e2style.models.recognisers import crop

SIDE = 64
WIDTHS = (32, 64, 128, 192)
DIM = 128


class SmallRecogniser(nn.Module):
    """Aligned pictures -> embeddings; depthwise-separable convolutions at 32, 16, 8 and 4."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTHS[0], 3, 2, 1), nn.PReLU(WIDTHS[0])]
        width = WIDTHS[0]
        for n_out in WIDTHS[1:]:
            layers += [_separable(width, n_out, 2), _Residual(n_out), _Residual(n_out)]
            width = n_out
        self.trunk = nn.Sequential(*layers)
        self.linear = nn.Linear(width * 16, DIM)

    def forward(self, pictures: Tensor) -> Tensor:
        """Aligned pictures B 3 S S in [-1, 1] -> embeddings B 128 of unit length."""
        x = self.trunk(crop(pictures, ARCFACE_BOX, SIDE))
        return F.normalize(self.linear(x.flatten(1)))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = _separable(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.body(x)
        return y


def _separable(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    """Depthwise 3x3, then 1x1; batch norm behind each, PReLU at the end."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_in, 3, stride, 1, groups=n_in, bias=False), nn.BatchNorm2d(n_in),
        nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out), nn.PReLU(n_out),
    )  # fmt: skip
