"""Building blocks of the IR-SE trunk that encoders and the identity network share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Channel attention (reduction 16), B C H W -> B C H W."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel by a gate in (0, 1)."""
        gate = self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class IRSEUnit(nn.Module):
    """Improved residual unit of ArcFace with squeeze-and-excite.

    BN, 3x3 conv, PReLU, strided 3x3 conv, BN, SE; the shortcut subsamples, through a 1x1
    convolution where the channels change. Without `attention` there is no SE (ArcFace's IR).
    """

    def __init__(self, n_in: int, n_out: int, stride: int, *, attention: bool = True) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(n_in),
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.PReLU(n_out),
            nn.Conv2d(n_out, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            *([SqueezeExcite(n_out)] if attention else []),
        )
        self.shortcut: nn.Module
        if n_in == n_out:
            self.shortcut = nn.MaxPool2d(1, stride)
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """B I H W -> B O H/stride W/stride."""
        y: Tensor = self.residual(x) + self.shortcut(x)
        return y


def stem(n_in: int, width: int) -> nn.Sequential:
    """3x3 convolution, BN, PReLU: B I H W -> B width H W."""
    return nn.Sequential(
        nn.Conv2d(n_in, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
    )


def group(n_in: int, n_out: int, units: int, *, attention: bool = True) -> nn.Sequential:
    """`units` residual units, the first of stride 2: B I H W -> B O H/2 W/2."""
    first = IRSEUnit(n_in, n_out, 2, attention=attention)
    rest = (IRSEUnit(n_out, n_out, 1, attention=attention) for _ in range(units - 1))
    return nn.Sequential(first, *rest)
