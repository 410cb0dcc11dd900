"""MobileFaceNet (Chen et al. 2018), a small face recogniser; its weights do not ship."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Crop of an FFHQ-aligned image that face recognisers of the ArcFace family expect.
ARCFACE_BOX = (0.128, 0.124, 0.874, 0.870)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def _conv_bn_relu6(n_in: int, n_out: int, stride: int, groups: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU6())


class _Separable(nn.Module):
    """Depthwise 3x3, BN, ReLU, 1x1, BN, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.depthwise(x)))
        return torch.relu(self.bn2(self.pointwise(x)))


class _InvertedResidual(nn.Module):
    """MobileNetV2 block: expand, depthwise, project."""

    def __init__(self, n_in: int, n_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = n_in * expansion
        self.conv = nn.Sequential(
            _conv_bn_relu6(n_in, hidden, 1, 1, 1),
            _conv_bn_relu6(hidden, hidden, stride, hidden, 3),
            nn.Conv2d(hidden, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class _GlobalDepthwise(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.depthwise(x))
        return y


class MobileFaceNet(nn.Module):
    """Face recogniser, 128-d (Chen et al. 2018); a stand-in for IR-SE50 in small trainings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv_bn_relu6(3, 64, 2, 1, 3)
        self.dw_conv = _Separable(64)
        blocks: list[nn.Module] = []
        n_in = 64
        for expansion, n_out, repeats, stride in (
            (2, 64, 5, 2),
            (4, 128, 1, 2),
            (2, 128, 6, 1),
            (4, 128, 1, 2),
            (2, 128, 2, 1),
        ):
            for k in range(repeats):
                blocks.append(_InvertedResidual(n_in, n_out, stride if k == 0 else 1, expansion))
                n_in = n_out
        self.features = nn.ModuleList(blocks)
        self.conv2 = _conv_bn_relu6(128, 512, 1, 1, 1)
        self.gdconv = _GlobalDepthwise(512)
        self.conv3 = nn.Conv2d(512, 128, 1)
        self.bn = nn.BatchNorm2d(128)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Aligned images B 3 S S in [-1, 1] -> five feature levels, the last one B 128."""
        side = images.shape[-1]
        x0, y0, x1, y1 = (round(f * side) for f in ARCFACE_BOX)
        crop = images[:, :, y0:y1, x0:x1]
        crop = F.interpolate(crop, (112, 112), mode="bilinear", antialias=side > 160)
        mean = crop.new_tensor(IMAGENET_MEAN)[None, :, None, None]
        std = crop.new_tensor(IMAGENET_STD)[None, :, None, None]
        x = self.dw_conv(self.conv1(((crop + 1) / 2 - mean) / std))
        levels = []
        for k, block in enumerate(self.features):
            x = block(x)
            if k in {0, 5, 12}:  # behind each change of resolution, before the next
                levels.append(x)
        x = self.conv2(x)
        levels.append(x)
        levels.append(self.bn(self.conv3(self.gdconv(x))).flatten(1))
        return levels
