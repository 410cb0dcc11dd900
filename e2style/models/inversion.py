"""Picture -> W+ code -> picture: encoder stages and a generator (paper, Sec. III-C).

x ─► E_1 ─► (+) w_avg ─► w_1 ─► G ─► pool ─┐
│                                          ▼
└────────────────────────────────► E_2(x, y_1) ─► (+) w_1 ─► w_2 ─► ...
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from e2style.config import InversionConfig
from e2style.models.encoder import Encoder
from e2style.models.generator import Generator


class _WithoutDraws(TorchFunctionMode):
    """Leaves out the random initialisation of weights that will be replaced anyway."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def weightless() -> Iterator[None]:
    """Build networks without memory or random numbers, to be filled from a file.

    Drawing on the meta device would import the compiler of torch, which takes a second.
    """
    with torch.device("meta"), _WithoutDraws():
        yield


class InversionNetwork(nn.Module):
    """Encoder stages and generator of one config; the constructor touches no file.

    Parameters
    ----------
    config : InversionConfig

    Attributes
    ----------
    w_avg : (n, 512) buffer; the first stage predicts offsets from it
    """

    def __init__(self, config: InversionConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config.generator)
        later = dataclasses.replace(config.encoder, in_channels=6)
        dim = config.generator.style_dim
        self.encoders = nn.ModuleList(
            Encoder(config.encoder if stage == 0 else later, dim) for stage in range(config.stages)
        )
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(config.generator.n_codes, dim))

    def channels_last(self) -> Self:
        """Lay weights out as the fast convolutions of CPUs and GPUs want them; returns self."""
        return cast(Self, cast(Any, self).to(memory_format=torch.channels_last))

    def pool(self, pictures: Tensor) -> Tensor:
        """Pictures of any side -> the side that the encoders work at.

        Averages areas going down, bilinear going up.
        """
        side = self.config.encoder.image_size
        if pictures.shape[-1] > side:
            return F.adaptive_avg_pool2d(pictures, side)
        if pictures.shape[-1] < side:
            return F.interpolate(pictures, (side, side), mode="bilinear")
        return pictures

    def invert(self, pictures: Tensor, stages: int | None = None) -> Tensor:
        """Invert pictures.

        Parameters
        ----------
        pictures : B 3 S S in [-1, 1], RGB
        stages : encoders used, 1 to config.stages; None means all

        Returns
        -------
        B n 512, the codes of the last stage used
        """
        x = self.pool(pictures)
        codes: Tensor = self.w_avg + self.encoders[0](x)
        for encoder in list(self.encoders)[1:stages]:
            painted = self.pool(self.generator(codes))
            codes = codes + encoder(torch.cat([x, painted], dim=1))
        return codes

    def synthesize(self, codes: Tensor, side: int | None = None) -> Tensor:
        """Codes B n 512 -> pictures B 3 R R, nominally [-1, 1], stored noise."""
        pictures: Tensor = self.generator(codes, side)
        return pictures
