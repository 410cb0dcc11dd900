"""Face recognisers that measure identity; none of them takes part in training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.models.irse import group, stem
from e2style.models.mobilefacenet import ARCFACE_BOX

CURRICULAR_WIDTHS, CURRICULAR_UNITS = (64, 128, 256, 512), (3, 13, 30, 3)
CURRICULAR_SIDE = 112
# Crop of an FFHQ-aligned image that dlib's network expects, x0, y0, x1, y1 as fractions.
DLIB_BOX = (0.161, 0.257, 0.851, 0.947)
DLIB_SIDE = 150
DLIB_MEAN = (122.782, 117.001, 104.298)
SMALL_SIDE, SMALL_WIDTHS, SMALL_DIM = 64, (32, 64, 128, 192), 128


def crop(images: Tensor, box: tuple[float, float, float, float], side: int) -> Tensor:
    """Cut a fixed part out of aligned images: B 3 S S -> B 3 side side, antialiased bilinear."""
    size = images.shape[-1]
    x0, y0, x1, y1 = (round(edge * size) for edge in box)
    part = images[:, :, y0:y1, x0:x1]
    return F.interpolate(part, (side, side), mode="bilinear", antialias=True)


class CurricularFace(nn.Module):
    """IR-101 of CurricularFace (Huang et al. 2020), what the paper measures identity with."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = stem(3, CURRICULAR_WIDTHS[0])
        self.groups = nn.ModuleList()
        n_in = CURRICULAR_WIDTHS[0]
        for n_out, units in zip(CURRICULAR_WIDTHS, CURRICULAR_UNITS, strict=True):
            self.groups.append(group(n_in, n_out, units, attention=False))
            n_in = n_out
        self.norm = nn.BatchNorm2d(n_in)
        self.linear = nn.Linear(n_in * 7 * 7, 512)
        self.last_norm = nn.BatchNorm1d(512, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """Aligned images B 3 S S in [-1, 1] -> embeddings B 512 of unit length."""
        x = self.stem(crop(images, ARCFACE_BOX, CURRICULAR_SIDE))
        for part in self.groups:
            x = part(x)
        return F.normalize(self.last_norm(self.linear(self.norm(x).flatten(1))))


class _Affine(nn.Module):
    """Convolution, then a scale and a shift per channel."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, *, pad: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2 if pad else 0)
        self.gain = nn.Parameter(torch.ones(n_out))
        self.shift = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y * self.gain[:, None, None] + self.shift[:, None, None]


class _DlibUnit(nn.Module):
    """Two convolutions beside a shortcut; one that halves pools it and pads it with zeros."""

    def __init__(self, n_in: int, n_out: int, *, halve: bool) -> None:
        super().__init__()
        self.first = _Affine(n_in, n_out, 3, 2 if halve else 1, pad=not halve)
        self.second = _Affine(n_out, n_out, 3, 1, pad=True)
        self.halve = halve

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.relu(self.first(x)))
        if self.halve:
            x = F.avg_pool2d(x, 2)
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return torch.relu(x + y)


class DlibResNet(nn.Module):
    """The face network of dlib 19.4, 128-d."""

    def __init__(self) -> None:
        super().__init__()
        self.first = _Affine(3, 32, 7, 2, pad=False)
        units: dict[str, nn.Module] = {}
        n_in = 32
        for n_out, repeats in ((32, 3), (64, 3), (128, 2), (256, 2)):
            if n_out != n_in:
                units[f"conv{n_out}_down"] = _DlibUnit(n_in, n_out, halve=True)
            units |= {
                f"conv{n_out}_{k + 1}": _DlibUnit(n_out, n_out, halve=False) for k in range(repeats)
            }
            n_in = n_out
        units["conv256_down_out"] = _DlibUnit(256, 256, halve=True)
        self.units = nn.ModuleDict(units)
        self.linear = nn.Linear(256, 128, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Aligned images B 3 S S in [-1, 1] -> embeddings B 128 of unit length."""
        return F.normalize(self.descriptors(images))

    def descriptors(self, images: Tensor) -> Tensor:
        """Aligned images B 3 S S in [-1, 1] -> B 128, of the lengths that dlib gives them."""
        mean = images.new_tensor(DLIB_MEAN)[:, None, None]
        x = ((crop(images, DLIB_BOX, DLIB_SIDE) + 1) * 127.5 - mean) / 255
        x = F.max_pool2d(torch.relu(self.first(x)), 3, 2)
        for unit in self.units.values():
            x = unit(x)
        found: Tensor = self.linear(x.mean((2, 3)))
        return found


class SmallRecogniser(nn.Module):
    """The recogniser that ships, of half the weights of MobileFaceNet, which taught it.

    Depthwise-separable convolutions at sides 32, 16, 8 and 4; see recipes/recogniser.py.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, SMALL_WIDTHS[0], 3, 2, 1),
            nn.PReLU(SMALL_WIDTHS[0]),
        ]
        width = SMALL_WIDTHS[0]
        for n_out in SMALL_WIDTHS[1:]:
            layers += [_separable(width, n_out, 2), _Residual(n_out), _Residual(n_out)]
            width = n_out
        self.trunk = nn.Sequential(*layers)
        self.linear = nn.Linear(width * 16, SMALL_DIM)

    def forward(self, images: Tensor) -> Tensor:
        """Aligned images B 3 S S in [-1, 1] -> embeddings B 128 of unit length."""
        x = self.trunk(crop(images, ARCFACE_BOX, SMALL_SIDE))
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
