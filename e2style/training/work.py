"""Protocol of a kind of training, as the loop sees it, and the parts that all kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.devices import autocast_type, without_autocast


class Work(Protocol):
    """One kind of training; `e2style.training.kinds` lists them.

    Attributes
    ----------
    inherited : images that the runs before this one saw
    model : from the tensors of a batch to the unweighted terms of the loss
    trained : the part whose weights are trained and saved
    average : its moving average; the same module where none is kept
    parts : what else has a state to be saved, by name
    """

    inherited: int
    model: nn.Module
    trained: nn.Module
    average: nn.Module
    parts: dict[str, Any]

    @property
    def skipped(self) -> set[str]:
        """Names of the images that this process could not decode so far."""

    def batch(self, images: int, part: int) -> tuple[Tensor, ...]:
        """Share of this process in accumulation step `part` of the batch behind `images`."""

    def after_update(self, images: int) -> None:
        """Do what follows each update of the weights; `images` were seen before it."""

    def validate(self) -> dict[str, float]:
        """Losses of the average over the validation set; empty without one."""

    def columns(self) -> list[Tensor]:
        """Images to look at, B 3 S S each: the input, then what the stages generate."""

    def close(self) -> None:
        """Release files and threads."""


class Terms(nn.Module):
    """The losses between images, by name.

    Parameters
    ----------
    losses : from (generated, target) to a scalar
    shares : fraction of the batch that a loss looks at; those not named see all of it
    exact : compare in float32, whatever autocast says; the gradient of an identity loss in bf16
        has another direction near convergence
    """

    def __init__(
        self,
        losses: Mapping[str, nn.Module],
        shares: Mapping[str, float] | None = None,
        *,
        exact: bool = False,
    ) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(losses)
        self.shares = dict(shares or {})
        self.exact = exact

    def forward(self, generated: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Images B 3 S S in [-1, 1], twice -> a scalar by name."""
        if self.exact and autocast_type(generated.device) is not None:
            with without_autocast(generated.device):
                return self.forward(generated.float(), target.float())
        terms = {}
        for name, loss in self.losses.items():
            count = max(int(len(generated) * self.shares.get(name, 1.0)), 1)
            terms[name] = loss(generated[:count], target[:count])
        return terms


def at_side(images: Tensor, side: int) -> Tensor:
    """Images B C S S at another side, by averages of areas."""
    if side == images.shape[-1]:
        return images
    return F.interpolate(images, (side, side), mode="area")


def shown(source: Tensor, labels: int) -> Tensor:
    """Input of an encoder as an RGB image: B C S S -> B 3 S S in [-1, 1].

    Sketches (one channel) become gray, label maps (`labels` channels) one colour a class.
    """
    channels = source.shape[1]
    if channels == 3:
        return source
    if channels == 1:
        return (source * 2 - 1).expand(-1, 3, -1, -1)
    # Hues a golden ratio apart differ well, however many there are.
    hue = torch.arange(labels, device=source.device) * 0.618034 * 2 * torch.pi
    turns = torch.tensor([0.0, 2.0944, 4.1888], device=source.device)
    palette = torch.cos(hue[:, None] + turns) * 0.8
    image: Tensor = torch.einsum("blhw,lc->bchw", source, palette)
    return image
