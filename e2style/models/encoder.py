"""The E2Style encoder and its relatives: an IR-SE trunk with a head per tap.

Paper, Sec. III-A. For the full-size model:

  B 3 256 256 ─► stem ─► group ─┬─► group ─┬─► group ─┐      taps at 1/2, 1/4, 1/8
                                ▼          ▼          ▼
                             pool 3     pool 5     pool 7
                                ▼          ▼          ▼
                              linear     linear     linear
                                ▼          ▼          ▼
                             4 codes    5 codes    9 codes ──► B 18 512, deep rows first

With convolutional heads and a feature pyramid over a deeper trunk it is the encoder of pSp
(Richardson et al. 2021), with rows as offsets from the first one that of e4e (Tov et al.
2021), with all heads on the deepest tap that of ReStyle (Alaluf et al. 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e2style.config import EncoderConfig
from e2style.models.heads import ConvHeads, PooledHead, shrinking_convs
from e2style.models.idgi import IDGIEncoder
from e2style.models.irse import group, stem
from e2style.models.pyramid import FeaturePyramid


class Encoder(nn.Module):
    """Image (or image and reconstruction) -> W+ code.

    Parameters
    ----------
    config : EncoderConfig with an IR-SE trunk
    style_dim : length of one code

    Attributes
    ----------
    open_rows : rows behind the first that may leave it, in e4e's progressive training; else all
    """

    def __init__(self, config: EncoderConfig, style_dim: int = 512) -> None:
        super().__init__()
        self.config = config
        self.open_rows = sum(config.split) - 1
        width = config.widths[0]
        self.stem = stem(config.in_channels, width)
        self.groups = nn.ModuleList()
        for n_out, units in zip(config.widths, config.units, strict=True):
            self.groups.append(group(width, n_out, units))
            width = n_out
        self.taps = [level for level, codes in enumerate(config.split) if codes]
        self.pyramid: FeaturePyramid | None = None
        if config.pyramid:
            channels = [config.widths[level] for level in self.taps]
            self.pyramid = FeaturePyramid(channels, config.pyramid, smooth=config.pyramid_smooth)
        self.heads = nn.ModuleDict(
            {str(level): _head(config, level, style_dim) for level in self.taps}
        )

    def forward(self, x: Tensor) -> Tensor:
        """B 3|6 S S in [-1, 1], RGB -> B n 512, deep rows first."""
        x = self.stem(x)
        maps = []
        for level, units in enumerate(self.groups):
            x = units(x)
            if level in self.taps:
                maps.append(x)
        if self.pyramid is not None:
            maps = self.pyramid(maps)
        rows = [head(x) for head, x in zip(self.heads.values(), maps, strict=True)]
        codes = torch.cat(rows[::-1], dim=1)
        if self.config.deltas:
            first, deltas = codes[:, :1], codes[:, 1:]
            # Times 0, not left out: a head that is not open yet still gets a gradient, of zeros.
            is_open = torch.arange(deltas.shape[1], device=x.device) < self.open_rows
            codes = torch.cat([first, first + deltas * is_open[:, None]], dim=1)
        return codes


def build_encoder(config: EncoderConfig, style_dim: int = 512) -> nn.Module:
    """Encoder of any kind: B 3|6 S S -> B n 512."""
    if config.trunk == "idgi":
        return IDGIEncoder(config, style_dim)
    return Encoder(config, style_dim)


def _head(config: EncoderConfig, level: int, dim: int) -> nn.Module:
    channels = config.pyramid or config.widths[level]
    side = config.image_size >> (level + 1)
    codes, pool = config.split[level], config.pools[level]
    if config.head == "conv":
        return ConvHeads(channels, side, codes, dim)
    reduce = (
        shrinking_convs(channels, side, pool)
        if config.head == "shrinking"
        else nn.AdaptiveAvgPool2d(pool)
    )
    rank = config.head_rank if level == len(config.widths) - 1 else 0
    return PooledHead(channels, reduce, pool, codes, dim, rank)
