"""StyleGAN2 synthesis network (config-f with skip connections).

Karras et al. 2020. Rows of a W+ code drive, in this order: the 4x4 convolution, its ToRGB,
then for every doubling the upsampling convolution, the second convolution and the ToRGB.

            w0        w1        w2     w3
             │         │         │      │
  const ──► conv ──┬─ conv↑ ──► conv ──┬─ ...
                   ▼                   ▼
                 ToRGB ────── ↑ ────►(+) ─ ... ──► B 3 R R
                   w1                  w3

With a base (see `e2style.models.base`) the rows of the layers up to its side give an
image linearly instead. Later convolutions see it at every side and correct it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.config import GeneratorConfig
from e2style.devices import without_autocast
from e2style.models.base import LinearBase
from e2style.models.ops import (
    EqualLinear,
    limited,
    modulated_conv,
    scaled_leaky_relu,
    styled_conv,
    styled_conv_is_quicker,
    upsample,
)


class ModulatedConv(nn.Module):
    """Style-modulated convolution with equalised learning rate; B I H W -> B O H' W'."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, style_dim: int, *, up: bool, demodulate: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in, kernel, kernel))
        nn.init.normal_(self.weight)
        self.modulation = EqualLinear(style_dim, n_in, bias_init=1.0)
        self.scale = 1.0 / math.sqrt(n_in * kernel * kernel)
        self.up = up
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Convolve B I H W under the code B 512."""
        return modulated_conv(
            x, self.weight * self.scale, self.style(w), demodulate=self.demodulate, up=self.up
        )

    def style(self, w: Tensor) -> Tensor:
        """Factors of the input channels, B I, in float32 under autocast too."""
        with without_autocast(w.device):
            style: Tensor = self.modulation(w.to(self.modulation.weight.dtype))
        return style


class StyledConv(nn.Module):
    """Modulated convolution, stored noise, bias, activation."""

    def __init__(self, n_in: int, n_out: int, side: int, style_dim: int, *, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(n_in, n_out, 3, style_dim, up=up, demodulate=True)
        self.noise_gain = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise: Tensor
        self.register_buffer("noise", torch.zeros(1, 1, side, side))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features B I H W and code B 512 -> features B O side side."""
        if styled_conv_is_quicker(x, self.conv.weight):
            weight = self.conv.weight * self.conv.scale
            noise, style = self.noise_gain * self.noise, self.conv.style(w)
            return styled_conv(x, weight, style, noise, self.bias, up=self.conv.up)
        y = self.conv(x, w)
        y = y + (self.noise_gain * self.noise).to(y.dtype)
        return limited(scaled_leaky_relu(y + self.bias.to(y.dtype)[None, :, None, None]))


class ToRGB(nn.Module):
    """1x1 modulated convolution without demodulation: features -> image."""

    def __init__(self, n_in: int, style_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(n_in, 3, 1, style_dim, up=False, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features B I H W -> B 3 H W, float32."""
        if len(x) == 1:  # the weight is smaller than the features
            style = self.conv.style(w)[0].to(self.conv.weight.dtype)
            own = self.conv.weight * (self.conv.scale * style)[None, :, None, None]
            return limited(F.conv2d(x, own.to(x.dtype))).float() + self.bias[None, :, None, None]
        y: Tensor = self.conv(x, w)
        return limited(y).float() + self.bias[None, :, None, None]


class MappingNetwork(nn.Module):
    """z -> w: pixel norm, then equalised linear layers with a hundredth of the rate."""

    def __init__(self, style_dim: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EqualLinear(style_dim, style_dim, lr_mul=0.01) for _ in range(layers)
        )

    def forward(self, z: Tensor) -> Tensor:
        """B 512 -> B 512."""
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = scaled_leaky_relu(layer(x))
        return x


class Generator(nn.Module):
    """W+ code -> image, with stored noise maps so that two machines generate the same.

    Parameters
    ----------
    config : GeneratorConfig
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.style_dim
        self.mapping = MappingNetwork(dim, config.mapping_layers) if config.mapping_layers else None
        start = config.base_side or 4
        self.const = nn.Parameter(torch.empty(1, config.channels(start), start, start))
        nn.init.normal_(self.const)
        self.base: LinearBase | None = None
        if config.base_side:
            self.base = LinearBase(start, config.base_rows, config.base_channels, dim)
        else:
            self.first = StyledConv(config.channels(4), config.channels(4), 4, dim, up=False)
            self.first_rgb = ToRGB(config.channels(4), dim)
        self.up_convs = nn.ModuleList()
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        self.from_base = nn.ModuleList()
        side = 2 * start
        while side <= config.size:
            n_in, n_out = config.channels(side // 2), config.channels(side)
            self.up_convs.append(StyledConv(n_in, n_out, side, dim, up=True))
            self.convs.append(StyledConv(n_out, n_out, side, dim, up=False))
            self.to_rgbs.append(ToRGB(n_out, dim))
            if config.base_side:
                self.from_base.append(nn.Conv2d(3, n_out, 3, padding=1))
            side *= 2

    @torch.no_grad()
    def seed_noise(self, seed: int) -> None:
        """Fill the noise maps from a seed; they are saved with the weights."""
        source = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, StyledConv):
                module.noise.copy_(torch.randn(module.noise.shape, generator=source))

    def forward(self, codes: Tensor, side: int | None = None) -> Tensor:
        """Generate an image.

        Parameters
        ----------
        codes : B n 512
        side : stop at this resolution (the skip image there); None means the full size

        Returns
        -------
        B 3 side side, float32, nominally [-1, 1], RGB, not clamped
        """
        target = side or self.config.size
        x = self.const.expand(len(codes), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        if self.base is not None:
            return self._refine(x, self.base(codes), codes, target)
        x = self.first(x, codes[:, 0])
        image: Tensor = self.first_rgb(x, codes[:, 1])
        at = 4
        for k, (up, conv, rgb) in enumerate(
            zip(self.up_convs, self.convs, self.to_rgbs, strict=True)
        ):
            if at >= target:
                break
            x = up(x, codes[:, 2 * k + 1])
            x = conv(x, codes[:, 2 * k + 2])
            image = upsample(image) + rgb(x, codes[:, 2 * k + 3])
            at *= 2
        return image

    def _refine(self, x: Tensor, base: Tensor, codes: Tensor, target: int) -> Tensor:
        """Generate what the base lacks, from features at its side and the base itself."""
        at = self.config.base_side
        row = self.config.row_behind(at)
        change = base.new_zeros(len(base), 3, at, at)
        for up, conv, rgb, seen in zip(
            self.up_convs, self.convs, self.to_rgbs, self.from_base, strict=True
        ):
            if at >= target:
                break
            at *= 2
            x = up(x, codes[:, row])
            x = x + seen(_resized(base, at)).to(x.dtype)
            x = conv(x, codes[:, row + 1])
            change = upsample(change) + rgb(x, codes[:, row + 2])
            row += 2
        return _resized(base, at) + change


def _resized(image: Tensor, side: int) -> Tensor:
    """Image at another side, a power of two apart: averaged areas, or `upsample`."""
    if side < image.shape[-1]:
        return F.adaptive_avg_pool2d(image, side)
    while image.shape[-1] < side:
        image = upsample(image)
    return image
