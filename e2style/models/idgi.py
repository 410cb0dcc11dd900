"""Encoder of in-domain GAN inversion (Zhu et al. 2020), a baseline of the paper.

A convolution, residual blocks behind halvings down to 4 x 4, and one linear layer that
predicts all rows at once.
"""

from __future__ import annotations

import itertools
import math

import torch.nn.functional as F
from torch import Tensor, nn

from e2style.config import EncoderConfig

SLOPE = 0.2
MOMENTUM = 0.1


def _conv(n_in: int, n_out: int, kernel: int, *, bias: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=bias),
        nn.BatchNorm2d(n_out, momentum=MOMENTUM),
        nn.LeakyReLU(SLOPE),
    )


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 where the channels change."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        hidden = min(n_in, n_out)
        self.first = _conv(n_in, hidden, 3, bias=True)
        self.second = _conv(hidden, n_out, 3, bias=True)
        self.shortcut = nn.Identity() if n_in == n_out else _conv(n_in, n_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x)) + self.shortcut(x)
        return y


class IDGIEncoder(nn.Module):
    """Image -> W+ code, all rows from the last feature.

    Parameters
    ----------
    config : EncoderConfig; `widths` are those of the blocks, the rest of the trunk is unused
    style_dim : length of one code
    """

    def __init__(self, config: EncoderConfig, style_dim: int = 512) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.first = _conv(config.in_channels, widths[0], 3, bias=False)
        self.blocks = nn.ModuleList(_Block(a, b) for a, b in itertools.pairwise(widths))
        side = config.image_size >> (len(widths) - 1)
        n_in, n_out = widths[-1] * side * side, sum(config.split) * style_dim
        self.linear = nn.Linear(n_in, n_out, bias=False)
        self.norm = nn.BatchNorm1d(n_out, momentum=MOMENTUM)
        self.scale = 1 / math.sqrt(n_in)
        self.dim = style_dim

    def forward(self, x: Tensor) -> Tensor:
        """B 3 S S in [-1, 1], RGB -> B n 512, float32."""
        x = self.first(x)
        for block in self.blocks:
            x = block(F.avg_pool2d(x, 2))
        rows: Tensor = self.norm(self.linear(x.float().flatten(1)) * self.scale)
        return rows.reshape(len(x), -1, self.dim)
