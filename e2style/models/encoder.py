"""The E2Style encoder: a shallow IR-SE trunk with one pooled head per tap.

Paper, Sec. III-A. For the full-size model:

  B 3 256 256 ─► stem ─► group ─┬─► group ─┬─► group ─┐      taps at 1/2, 1/4, 1/8
                                ▼          ▼          ▼
                             pool 3     pool 5     pool 7
                                ▼          ▼          ▼
                              linear     linear     linear
                                ▼          ▼          ▼
                             4 codes    5 codes    9 codes ──► B 18 512, deep rows first
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e2style.config import EncoderConfig
from e2style.models.irse import group, stem


class PooledHead(nn.Module):
    """BN, adaptive average pool, flatten (C, H, W order), linear: one tap -> its codes."""

    def __init__(self, channels: int, pool: int, codes: int, dim: int, rank: int = 0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.pool = nn.AdaptiveAvgPool2d(pool)
        n_in, n_out = channels * pool * pool, codes * dim
        self.linear: nn.Module
        if rank:
            self.linear = nn.Sequential(nn.Linear(n_in, rank, bias=False), nn.Linear(rank, n_out))
        else:
            self.linear = nn.Linear(n_in, n_out)
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B codes 512, float32."""
        pooled = self.pool(self.norm(x)).float()
        # reshape, not view: the features may be channels_last.
        rows: Tensor = self.linear(pooled.reshape(len(x), -1))
        return rows.float().reshape(len(x), -1, self.dim)


class Encoder(nn.Module):
    """Picture (or picture and reconstruction) -> W+ code.

    Parameters
    ----------
    config : EncoderConfig
    style_dim : length of one code
    """

    def __init__(self, config: EncoderConfig, style_dim: int = 512) -> None:
        super().__init__()
        self.config = config
        width = config.widths[0]
        self.stem = stem(config.in_channels, width)
        self.groups = nn.ModuleList()
        self.heads = nn.ModuleList()
        deepest = len(config.widths) - 1
        for level, (n_out, units) in enumerate(zip(config.widths, config.units, strict=True)):
            self.groups.append(group(width, n_out, units))
            width = n_out
            rank = config.head_rank if level == deepest else 0
            self.heads.append(
                PooledHead(n_out, config.pools[level], config.split[level], style_dim, rank)
            )

    def forward(self, x: Tensor) -> Tensor:
        """B 3|6 S S in [-1, 1], RGB -> B n 512, deep rows first."""
        x = self.stem(x)
        rows = []
        for units, head in zip(self.groups, self.heads, strict=True):
            x = units(x)
            rows.append(head(x))
        return torch.cat(rows[::-1], dim=1)
