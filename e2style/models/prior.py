"""Codes of faces as the end of a flow that begins in normal noise.

    z ~ N(0, 1) ──► dx/dt = v(x, t), t from 0 to 1 ──► values of a base's leading components

Flow matching (Lipman et al. 2023; straight paths as in Liu et al. 2023, "Flow Straight and Fast").
Components of faces occur together: drawn one by one they show ghosts. What StyleGAN's mapping
network does for styles, this does for the code of a base, in both directions.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.config import at_least

__all__ = ["CodePrior", "PriorConfig"]

FREQUENCIES = 32  # of the sines and cosines that tell the time
HIGHEST = 200.0
STEPS = 16  # of Heun's method


@dataclasses.dataclass(frozen=True)
class PriorConfig:
    """Size of a prior, and the model whose codes it knows."""

    components: int = 512  # leading ones of the first row
    width: int = 576
    blocks: int = 4
    fingerprint: str = ""  # of the model, in hexadecimal

    def __post_init__(self) -> None:
        at_least(1, "", self, "components", "width", "blocks")


class _Block(nn.Module):
    """Residual layers whose gain and shift follow from the time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.first = nn.Linear(width, width)
        self.told = nn.Linear(2 * FREQUENCIES, 2 * width)
        self.last = nn.Linear(width, width)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        gain, shift = self.told(time).chunk(2, dim=1)
        y: Tensor = self.last(F.silu(self.first(self.norm(x)) * (1 + gain) + shift))
        return x + y


class CodePrior(nn.Module):
    """Velocity of the flow, and the way along it.

    Parameters
    ----------
    config : PriorConfig

    Attributes
    ----------
    scale : (components,) buffer, unit of each value
    """

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(config.components))
        self.first = nn.Linear(config.components, config.width)
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, 2 * FREQUENCIES), nn.SiLU())
        self.blocks = nn.ModuleList(_Block(config.width) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.last = nn.Linear(config.width, config.components)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Places B k, in units of `scale`, and times B in [0, 1] -> velocities B k."""
        exponents = torch.linspace(0, math.log(HIGHEST), FREQUENCIES, dtype=torch.float64)
        angles = t[:, None] * exponents.exp().to(t)
        time = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        y = self.first(x)
        for block in self.blocks:
            y = block(y, time)
        velocity: Tensor = self.last(self.norm(y))
        return velocity

    @torch.no_grad()
    def values(self, noise: Tensor) -> Tensor:
        """Normal noise B k -> values of the components, B k."""
        return self._flow(noise, 0.0, 1.0) * self.scale

    @torch.no_grad()
    def noise(self, values: Tensor) -> Tensor:
        """The noise B k that `values` turns into these values."""
        return self._flow(values / self.scale, 1.0, 0.0)

    def _flow(self, x: Tensor, start: float, end: float) -> Tensor:
        step = (end - start) / STEPS
        for number in range(STEPS):
            t = x.new_full((len(x),), start + number * step)
            velocity = self(x, t)
            x = x + step / 2 * (velocity + self(x + step * velocity, t + step))
        return x

    def loss(self, values: Tensor) -> Tensor:
        """Mean squared error of the velocity on straight paths to values of faces, B k."""
        target = values / self.scale
        noise = torch.randn_like(target)
        # Times in the middle, where the paths of many faces cross, are the hard ones.
        t = torch.sigmoid(torch.randn(len(target), device=target.device))
        between = (1 - t)[:, None] * noise + t[:, None] * target
        return F.mse_loss(self(between, t), target - noise)
