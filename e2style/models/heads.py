"""Heads that turn one feature map into rows of a W+ code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.devices import without_autocast
from e2style.models.ops import EqualLinear

SMALL_SIDE = 8  # maps up to this side are gathered into one matrix where heads are trained


class PooledHead(nn.Module):
    """BN, reduction to a small map, flatten (C, H, W order), linear: one tap -> its codes.

    Parameters
    ----------
    channels : of the tap
    reduce : B C S S -> B C pool pool
    pool : side of the reduced map
    codes : rows that are predicted
    dim : length of one row
    rank : > 0 puts a linear bottleneck of this width in between
    """

    def __init__(
        self, channels: int, reduce: nn.Module, pool: int, codes: int, dim: int, rank: int = 0
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.pool = reduce
        n_in, n_out = channels * pool * pool, codes * dim
        self.linear: nn.Module
        if rank:
            self.linear = nn.Sequential(nn.Linear(n_in, rank, bias=False), nn.Linear(rank, n_out))
        else:
            self.linear = nn.Linear(n_in, n_out)
        self.dim = dim

    @torch.no_grad()
    def silence(self) -> None:
        """Let every row be 0, until training finds something to say."""
        last = self.linear[-1] if isinstance(self.linear, nn.Sequential) else self.linear
        assert isinstance(last, nn.Linear)
        last.weight.zero_()
        if last.bias is not None:
            last.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B codes dim, float32."""
        pooled = self.pool(self.norm(x)).float()
        # Codes are exact to float32 under autocast too. For small batches this is also the
        # quicker way: casting a weight of 58 million takes longer than one product with it.
        with without_autocast(x.device):
            # reshape, not view: the features may be channels_last.
            rows: Tensor = self.linear(pooled.reshape(len(x), -1))
        return rows.reshape(len(x), -1, self.dim)


def shrinking_convs(channels: int, side: int, pool: int) -> nn.Sequential:
    """Unpadded 3x3 convolutions from `side` to `pool`, in place of the pool (1Stage-C).

    The paper says "continuous convolutional layers" and no more. Stride 2 as long as it does
    not fall short of the target, then stride 1, at constant width: this gives its 87 M.
    """
    layers = nn.Sequential()
    while side > pool:
        stride = 2 if (side - 3) // 2 + 1 >= pool else 1
        side = (side - 3) // stride + 1
        layers.append(nn.Conv2d(channels, channels, 3, stride))
        layers.append(nn.LeakyReLU())
    return layers


class HalvingConv(nn.Conv2d):
    """3x3 convolution that halves the side, B C S S -> B D S/2 S/2.

    Trained on a CPU, small maps are one matrix product: a convolution would repack its weights at
    every step, which takes two or three times as long as multiplying a few places by them.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, in whichever form is quicker."""
        packed = self.weight.is_contiguous(memory_format=torch.channels_last)
        if not (self.training and packed and x.device.type == "cpu" and x.shape[-1] <= SMALL_SIDE):
            return super().forward(x)
        around = F.pad(x, (1, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2)  # B C h w 3 3
        rows = around.permute(0, 2, 3, 4, 5, 1)
        weight = self.weight.permute(0, 2, 3, 1)
        found = F.linear(rows.flatten(3), weight.flatten(1), self.bias)
        return found.permute(0, 3, 1, 2)


class ConvHeads(nn.Module):
    """One chain of strided convolutions per row, down to a single place (pSp's map2style).

    Richardson et al. 2021, Sec. 3.1.

    Parameters
    ----------
    channels : of the tap
    side : of the tap, a power of two
    codes : rows, each with a chain of its own
    dim : length of one row
    """

    def __init__(self, channels: int, side: int, codes: int, dim: int) -> None:
        super().__init__()
        self.chains = nn.ModuleList()
        for _ in range(codes):
            chain = nn.Sequential()
            n_in = channels
            for _ in range(side.bit_length() - 1):
                chain.append(HalvingConv(n_in, dim))
                chain.append(nn.LeakyReLU())
                n_in = dim
            self.chains.append(nn.Sequential(chain, nn.Flatten(), EqualLinear(dim, dim)))

    def forward(self, x: Tensor) -> Tensor:
        """B C S S -> B codes dim, float32."""
        return torch.stack([chain(x).float() for chain in self.chains], dim=1)
