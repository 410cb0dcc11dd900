"""Image -> W+ code -> image: encoder stages and a generator (paper, Sec. III-C).

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

from e2style.config import GeneratorConfig, InversionConfig
from e2style.errors import DataError
from e2style.models.encoder import build_encoder
from e2style.models.generator import Generator
from e2style.models.rounding import rounded
from e2style.models.styled_base import StyledBaseGenerator, at_rate

IMAGE_CHANNELS = 3


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


def build_generator(config: GeneratorConfig) -> Generator:
    """Generator of any kind: W+ code B n 512 -> B 3 R R; both kinds are called alike."""
    return cast(Generator, StyledBaseGenerator(config)) if config.base_styles else Generator(config)


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
        self.generator = build_generator(config.generator)
        first = config.encoder
        later = dataclasses.replace(first, in_channels=first.in_channels + IMAGE_CHANNELS)
        dim = config.generator.style_dim
        self.encoders = nn.ModuleList(
            build_encoder(first if stage == 0 and not config.iterations else later, dim)
            for stage in range(config.stages)
        )
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(config.generator.n_codes, dim))

    def channels_last(self) -> Self:
        """Lay weights out as the fast convolutions of CPUs and GPUs want them; returns self."""
        return cast(Self, cast(Any, self).to(memory_format=torch.channels_last))

    @property
    def seen_side(self) -> int:
        """Side of the smallest images that carry all detail that is used, the base included."""
        side, base = self.config.encoder.image_size, self.generator.base
        # Sketches and label maps are nothing that a base could generate.
        if base is None or self.config.encoder.in_channels != IMAGE_CHANNELS:
            return side
        return max(side, base.picture_side)

    def pool(self, images: Tensor) -> Tensor:
        """Images of any side -> the side that the encoders work at.

        Averages areas going down, bilinear going up.
        """
        side = self.config.encoder.image_size
        if images.shape[-1] > side:
            return F.adaptive_avg_pool2d(images, side)
        if images.shape[-1] < side:
            return F.interpolate(images, (side, side), mode="bilinear")
        return images

    def invert(self, images: Tensor, stages: int | None = None) -> Tensor:
        """Invert images.

        Parameters
        ----------
        images : B 3 S S in [-1, 1], RGB; first-stage networks may take other channels
        stages : encoder runs, 1 to config.steps; None means all

        Returns
        -------
        B n 512, the codes of the last stage used

        Raises
        ------
        DataError : another shape, or more stages than there are
        """
        shape, channels = tuple(images.shape), self.config.encoder.in_channels
        if len(shape) != 4 or shape[1] != channels or shape[2] != shape[3]:
            raise DataError(f"images: got shape {shape}, needs (B, {channels}, S, S)")
        if stages is not None and not self.config.steps:
            raise DataError(f"stages: got {stages}, but the model has no encoder")
        if stages is not None and not 1 <= stages <= self.config.steps:
            raise DataError(f"stages: got {stages}, allowed 1 to {self.config.steps}")
        codes: Tensor | None = None
        # A base alone finds the code in one step as well, that of no encoder.
        for number in range(1, max(self.config.steps if stages is None else stages, 1) + 1):
            codes = self.step(images, codes, number)
        assert codes is not None
        return codes

    def step(self, images: Tensor, codes: Tensor | None, number: int) -> Tensor:
        """Codes B n 512 of one run of an encoder.

        Parameters
        ----------
        images : as in `invert`
        codes : B n 512, of the step before; None before the first
        number : of the step, from 1
        """
        x = self.pool(images)
        if self.config.generator.base_styles:
            offsets = self.first_guess(images) if codes is None else codes - self.w_avg
            if not self.encoders:
                return self.w_avg + offsets
            return self.w_avg + self._refined(x, offsets, None, number - 1)
        encoder = self.encoders[0 if self.config.iterations else number - 1]
        found: Tensor
        if codes is None and not self.config.iterations:
            found = self.w_avg + self.first_guess(images) + encoder(x)
            return found
        if codes is None:
            codes = self.w_avg.expand(len(x), -1, -1)
        generated = self.pool(self.generator(codes))
        start = codes if self.config.residual else self.w_avg
        found = start + encoder(torch.cat([x, generated], dim=1))
        return found

    def offsets(self, images: Tensor, steps: Tensor | None, stages: int | None = None) -> Tensor:
        """Offsets from `w_avg` of a network whose generator has base styles.

        Parameters
        ----------
        images : B 3 S S in [-1, 1], RGB
        steps : B, what the codes will be rounded to multiples of, where that is known: later
            stages then see what the receiver would; None: they see what is not rounded
        stages : encoder runs; None means all

        Returns
        -------
        B n 512; rows behind the base are 0
        """
        x = self.pool(images)
        offsets = self.first_guess(images)
        for stage in range(len(self.encoders) if stages is None else stages):
            offsets = self._refined(x, offsets, steps, stage)
        return offsets

    def _refined(self, x: Tensor, offsets: Tensor, steps: Tensor | None, stage: int) -> Tensor:
        """Offsets behind an encoder, from pooled images and the offsets before it."""
        if stage:
            codes = self.w_avg + offsets
            if steps is not None:
                codes = at_rate(self.w_avg + rounded(offsets, steps), steps)
            with torch.no_grad():
                painted = self.pool(self.generator(codes, self.seen_side))
            x = torch.cat([x, painted], dim=1)
        rows = self.config.generator.base_rows
        found = self.encoders[stage](x)[:, :rows]
        return offsets + F.pad(found, (0, 0, 0, len(self.w_avg) - rows))

    def first_guess(self, images: Tensor) -> Tensor:
        """Codes that a base finds in the images, before any encoder: B n 512; 0 without a base."""
        base = self.generator.base
        if base is None or images.shape[1] != IMAGE_CHANNELS:
            return self.w_avg.new_zeros(())
        x = F.adaptive_avg_pool2d(images, base.picture_side)
        return F.pad(base.project(x), (0, 0, 0, len(self.w_avg) - base.rows))

    def synthesize(self, codes: Tensor, side: int | None = None) -> Tensor:
        """Codes B n 512 -> images B 3 R R, nominally [-1, 1], stored noise."""
        images: Tensor = self.generator(codes, side)
        return images
