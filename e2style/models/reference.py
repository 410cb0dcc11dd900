"""Reference implementation of E2Style for speed and numbers: straightforward, without tricks.

Weights modulated per sample and grouped convolutions, zero insertion and a filter for every
resampling, NCHW, float32, and the residual units of the released trunk that are built, handed
to the optimiser, and never run. Weights are those of one of our networks, so outputs are equal.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.models.generator import Generator, ModulatedConv, StyledConv, ToRGB
from e2style.models.inversion import InversionNetwork
from e2style.models.irse import group
from e2style.models.ops import modulated_conv_reference, upsample_reference

DEAD_UNITS = 3
DEAD_WIDTH = 512


class ReferenceGenerator(nn.Module):
    """StyleGAN2 synthesis with a weight per sample.

    Parameters
    ----------
    generator : whose weights are shared
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.inner = generator

    def forward(self, codes: Tensor, *, random_noise: bool = False) -> Tensor:
        """Codes B n 512 -> images B 3 R R; `random_noise` draws fresh maps."""
        inner = self.inner
        start = inner.const.expand(len(codes), -1, -1, -1)
        x = _styled(inner.first, start, codes[:, 0], random_noise)
        image = _rgb(inner.first_rgb, x, codes[:, 1])
        layers = zip(inner.up_convs, inner.convs, inner.to_rgbs, strict=True)
        for k, (up, conv, rgb) in enumerate(layers):
            x = _styled(cast(StyledConv, up), x, codes[:, 2 * k + 1], random_noise)
            x = _styled(cast(StyledConv, conv), x, codes[:, 2 * k + 2], random_noise)
            own = _rgb(cast(ToRGB, rgb), x, codes[:, 2 * k + 3])
            image = upsample_reference(image) + own
        return image


def _convolve(conv: ModulatedConv, x: Tensor, w: Tensor) -> Tensor:
    return modulated_conv_reference(
        x, conv.weight * conv.scale, conv.modulation(w), demodulate=conv.demodulate, up=conv.up
    )


def _styled(layer: StyledConv, x: Tensor, w: Tensor, random_noise: bool) -> Tensor:
    y = _convolve(layer.conv, x, w)
    maps = layer.noise
    if random_noise:
        maps = torch.randn(len(y), 1, *y.shape[2:], device=y.device)
    y = y + layer.noise_gain * maps
    return F.leaky_relu(y + layer.bias[None, :, None, None], 0.2) * math.sqrt(2.0)


def _rgb(layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    return _convolve(layer.conv, x, w) + layer.bias[None, :, None, None]


class ReferenceInversion(nn.Module):
    """Encoder stages and generator, computing what a network computes.

    Parameters
    ----------
    network : whose weights are shared; its encoders must lie in memory as NCHW
    """

    def __init__(self, network: InversionNetwork) -> None:
        super().__init__()
        self.encoders = network.encoders
        self.generator = ReferenceGenerator(network.generator)
        self.w_avg: Tensor
        self.register_buffer("w_avg", network.w_avg)
        self.side = network.config.encoder.image_size
        width = network.config.encoder.widths[-1]
        self.never_run = nn.ModuleList(group(width, DEAD_WIDTH, DEAD_UNITS) for _ in self.encoders)

    def invert(self, images: Tensor, *, random_noise: bool = False) -> Tensor:
        """Images B 3 S S -> codes B n 512 of the last stage."""
        codes: Tensor = self.w_avg + self.encoders[0](images)
        for encoder in list(self.encoders)[1:]:
            generated = self.pool(self.generator(codes, random_noise=random_noise))
            codes = codes + encoder(torch.cat([images, generated], dim=1))
        return codes

    def pool(self, images: Tensor) -> Tensor:
        """Area average to the side of the encoders."""
        return F.adaptive_avg_pool2d(images, self.side)
