"""Generator whose styles come from the base rows of a code: nonlinear in what is sent.

StyleGAN2's layers (Karras et al. 2020) behind a linear base (see `e2style.models.base`). A mapping
network turns the dequantised base rows into one style for all layers, at no byte; in a code that is
not sent a later row may say the style of its layer instead, and that of ToRGB whose light and
colours the image has. The features that the base decodes start the first layer, and the base image
is seen again at every side.

  rows 0..2 ──► base ──► C 16 16 ──► patches ──► B 3 128 128 ─────────────────┐
      │           └────► 1x1 ─► conv ─► conv ─► up ─► conv ─► conv ─► ... ─► ToRGB ─► (+) ─► B 3 R R
      └──► mapping ──► style, or rows 4..n ──► ▲       ▲       ▲

Upsampling is a 1x1 convolution and a pixel shuffle in front of a styled convolution, where the
model has it so with a small filter in between. The last doubling is a ToRGB of four phases, so that
no features are computed at the full side.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.config import GeneratorConfig
from e2style.models.base import PATCH, LinearBase, whole
from e2style.models.ops import EqualLinear, scaled_leaky_relu, upsample

RATE_ROW = 3  # its first entry is the logarithm of the quantiser's step, the same for every image
FIRST_ROW = 4  # of the layers
HIDDEN = 512
TONE_SIDE = 4  # fields a side whose means are the light and colours of an image


def at_rate(codes: Tensor, steps: Tensor) -> Tensor:
    """Codes B n 512 that say which step, B, they were rounded to multiples of."""
    told = codes.clone()
    told[:, RATE_ROW, 0] = steps.log()
    return told


class StyledLayer(nn.Module):
    """3x3 modulated convolution, demodulation, stored noise, bias, activation, in few passes.

    Computes what `StyledConv` computes; gain and demodulation are one factor, noise and bias one
    term, since training spends more time on passes over the maps than on the convolution.
    """

    def __init__(self, n_in: int, n_out: int, side: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 3, 3))
        self.modulation = EqualLinear(style_dim, n_in, bias_init=1.0)
        self.noise_gain = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise: Tensor
        self.register_buffer("noise", torch.zeros(1, 1, side, side))
        self.scale = 1.0 / math.sqrt(n_in * 9)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features B I s s and style B 512 -> B O s s."""
        style = self.modulation(w).float()
        weight = self.weight * self.scale
        energy = style.square() @ weight.float().square().sum((2, 3)).t()
        factor = math.sqrt(2.0) * torch.rsqrt(energy + 1e-8)
        y = F.conv2d(x * style.to(x.dtype)[:, :, None, None], weight.to(x.dtype), padding=1)
        shift = math.sqrt(2.0) * (self.noise_gain * self.noise + self.bias[:, None, None])
        shift = shift.to(y.dtype).contiguous(memory_format=torch.channels_last)
        y = torch.addcmul(shift, y, factor.to(y.dtype)[:, :, None, None])
        return F.leaky_relu(y, 0.2)


class PhaseToRGB(nn.Module):
    """3x3 styled convolution without demodulation into `phases`² pixels a place."""

    def __init__(self, n_in: int, phases: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3 * phases * phases, n_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(3 * phases * phases))
        self.modulation = EqualLinear(style_dim, n_in, bias_init=1.0)
        self.scale = 1.0 / math.sqrt(n_in * 9)
        self.phases = phases

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features B I H W and style B 512 -> B 3 H*phases W*phases, float32."""
        x = x * self.modulation(w).to(x.dtype)[:, :, None, None]
        y = F.conv2d(x, (self.weight * self.scale).to(x.dtype), padding=1).float()
        return F.pixel_shuffle(y + self.bias[:, None, None], self.phases)


class StyleMapping(nn.Module):
    """Dequantised base rows and the rate -> one style."""

    def __init__(self, count: int, style_dim: int) -> None:
        super().__init__()
        self.spread: Tensor
        self.register_buffer("spread", torch.ones(count))
        self.first = EqualLinear(count, HIDDEN)
        self.rate = EqualLinear(1, HIDDEN)
        self.second = EqualLinear(HIDDEN, HIDDEN)
        self.last = EqualLinear(HIDDEN, style_dim)

    def forward(self, values: Tensor, log_step: Tensor) -> Tensor:
        """Values B count and logarithms of the step B 1 -> B 512."""
        # Spread is that of the data, so that every component counts alike at the start.
        x = (values / self.spread).clamp(-4, 4)
        x = scaled_leaky_relu(self.first(x) + self.rate(log_step))
        style: Tensor = self.last(scaled_leaky_relu(self.second(x)))
        return style


class Block(nn.Module):
    """Layers of one side: features of the side before, and the base image -> features.

    With `smooth` the doubled features are filtered by [1 2 1] / 4 in both directions. What
    alternates from place to place is gone then, such as the weave that the four phases of a pixel
    shuffle leave. The filter is stored, since a fingerprint covers tensors alone.
    """

    def __init__(
        self, n_in: int, n_out: int, side: int, style_dim: int, base_side: int, smooth: bool
    ) -> None:
        super().__init__()
        self.up = nn.Conv2d(n_in, 4 * n_out, 1)
        taps = torch.tensor([0.25, 0.5, 0.25])
        self.smoothing: Tensor | None
        self.register_buffer("smoothing", torch.outer(taps, taps)[None, None] if smooth else None)
        self.unshuffle = max(base_side // side, 1)
        self.seen = nn.Conv2d(3 * self.unshuffle**2, n_out, 3, padding=1)
        self.first = StyledLayer(n_out, n_out, side, style_dim)
        # The side of the base image has one layer: at that size they are the dearest.
        self.second = None
        if self.unshuffle > 1:
            self.second = StyledLayer(n_out, n_out, side, style_dim)

    def forward(self, x: Tensor, base: Tensor, style: Tensor, second: Tensor) -> Tensor:
        """Features B I s/2 s/2, base B 3 S S, a style B 512 for each layer -> B O s s."""
        x = F.pixel_shuffle(self.up(x), 2)
        if self.smoothing is not None:
            kernel = self.smoothing.to(x.dtype).expand(x.shape[1], -1, -1, -1)
            x = F.conv2d(x, kernel, padding=1, groups=x.shape[1])
        x = x + self.seen(F.pixel_unshuffle(base, self.unshuffle)).to(x.dtype)
        x = self.first(x, style)
        return x if self.second is None else x + self.second(x, second)


class StyledBaseGenerator(nn.Module):
    """W+ code -> image, with stored noise maps so that two machines generate the same.

    Parameters
    ----------
    config : GeneratorConfig with `base_styles`
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        dim, start = config.style_dim, config.base_side
        width = config.channels(start)
        self.base = LinearBase(
            start, config.base_rows, config.base_channels, dim, config.base_metric
        )
        self.mapping = StyleMapping(config.base_rows * dim, dim)
        self.const = nn.Parameter(torch.zeros(1, width, start, start))
        self.features = nn.Conv2d(config.base_channels, width, 1)
        self.first = StyledLayer(width, width, start, dim)
        self.second = StyledLayer(width, width, start, dim)
        self.blocks = nn.ModuleList()
        side, shown = 2 * start, start * PATCH
        while side <= min(shown, config.size):
            n_out = config.channels(side)
            self.blocks.append(Block(width, n_out, side, dim, shown, config.base_smooth))
            width, side = n_out, 2 * side
        self.rgb = PhaseToRGB(width, 1, dim)
        self.fine: nn.ModuleList = nn.ModuleList()
        if config.size > shown:
            self.fine.append(StyledLayer(width, width, shown, dim))
            self.fine.append(PhaseToRGB(width, config.size // shown, dim))
        self.feature_scale: Tensor
        self.register_buffer("feature_scale", torch.ones(config.base_channels, 1, 1))

    @torch.no_grad()
    def seed_noise(self, seed: int) -> None:
        """Fill the noise maps from a seed; they are saved with the weights."""
        source = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, StyledLayer):
                module.noise.copy_(torch.randn(module.noise.shape, generator=source))

    def style(self, codes: Tensor) -> Tensor:
        """Codes B n 512 -> style B 512, what all layers share."""
        with torch.autocast(codes.device.type, enabled=False):
            values = codes[:, : self.base.rows].flatten(1)
            style: Tensor = self.mapping(values, codes[:, RATE_ROW, :1])
        return style

    @property
    def layers(self) -> int:
        """Styled layers; a block that has one layer leaves the second's place to ToRGB."""
        return 2 * len(self.blocks) + 4

    @property
    def tone_row(self) -> int | None:
        """Row of ToRGB, which says light and colours; None where layers share rows."""
        if FIRST_ROW + self.layers > self.config.n_codes:
            return None
        return FIRST_ROW + self.layers - 3

    def with_styles(self, codes: Tensor) -> Tensor:
        """Codes B n 512 that say in the rows of the layers what their base rows imply.

        The image is the same. What is changed in the base then leaves styles, light and colours
        alone, and rows can be mixed with those of another face, as in any W+ space.
        """
        found, rows = codes.clone(), codes[:, FIRST_ROW:]
        implied = self.style(codes) - self._mean_style(codes)
        found[:, FIRST_ROW:] = torch.where(_told(rows), rows, implied[:, None])
        if self.tone_row is not None:
            found[:, self.tone_row] = self._toned(codes, self.tone_row)
        return found

    def _mean_style(self, codes: Tensor) -> Tensor:
        """Style B 512 of the mean face at the rates of codes B n 512."""
        return self.style(F.pad(codes[:, RATE_ROW:], (0, 0, RATE_ROW, 0)))

    def _toned(self, codes: Tensor, row: int) -> Tensor:
        """First row B 512 of the face whose light and colours the image is to have."""
        told = codes[:, row]
        return torch.where(_told(told), told, codes[:, 0])

    def _tone(self, codes: Tensor) -> Tensor | float:
        """What another light and other colours add to the image, B 3 S S: soft fields."""
        if self.tone_row is None:
            return 0.0
        change = self._toned(codes, self.tone_row) - codes[:, 0]
        with torch.autocast(codes.device.type, enabled=False):
            fields = change @ self.base.fields(TONE_SIDE).flatten(1)
        fields = fields.reshape(-1, 3, TONE_SIDE, TONE_SIDE)
        return F.interpolate(fields, (self.base.picture_side,) * 2, mode="bilinear")

    def _styles(self, codes: Tensor) -> list[Tensor]:
        """Styles B 512 of the layers; in small generators the last ones share a row.

        A row says the offset from the mean face's style; one of zeros leaves it to the base rows.
        """
        implied, rows = self.style(codes)[:, None], codes[:, FIRST_ROW:]
        styles = torch.where(_told(rows), self._mean_style(codes)[:, None] + rows, implied)
        found = [styles[:, min(k, styles.shape[1] - 1)] for k in range(self.layers)]
        if self.tone_row is not None:
            found[self.tone_row - FIRST_ROW] = implied[:, 0]
        return found

    def forward(self, codes: Tensor, side: int | None = None) -> Tensor:
        """Generate.

        Parameters
        ----------
        codes : B n 512
        side : that of the base, or None for the full size

        Returns
        -------
        B 3 side side, float32, nominally [-1, 1], RGB, not clamped
        """
        shown = self.base.picture_side
        target = side or self.config.size
        halves = self.base.halves(codes)
        base = self.base.image(halves)
        x = whole((halves - self.base.mean) * self.feature_scale)
        x = self.features(x) + self.const
        x = x.contiguous(memory_format=torch.channels_last)
        style = self._styles(codes)
        x = self.first(x, style[0])
        x = x + self.second(x, style[1])
        for k, block in enumerate(self.blocks, 1):
            x = block(x, base, style[2 * k], style[2 * k + 1])
        image: Tensor = base + self.rgb(x, style[-3]) + self._tone(codes)
        if target > shown:
            x = x + self.fine[0](x, style[-2])
            image = upsample(image) + self.fine[1](x, style[-1])
        elif target < shown:
            image = F.adaptive_avg_pool2d(image, target)
        return image


def _told(rows: Tensor) -> Tensor:
    """Whether rows B ... 512 say something: B ... 1."""
    return rows.abs().sum(-1, keepdim=True) > 0
