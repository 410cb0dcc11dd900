"""Fitting of a prior to the codes of faces; see `e2style.models.prior`."""

from __future__ import annotations

import copy
import logging
import math

import torch
from torch import Tensor, nn

from e2style.errors import DataError
from e2style.models.prior import CodePrior, PriorConfig

__all__ = ["fit_prior"]

log = logging.getLogger(__name__)

BATCH = 256
WARMUP = 200  # steps
CLIP = 1.0
DECAY = 0.01
FORGET = 0.002  # of the moving average, a step
# Power of the spread of a component that is its unit: at 1 all would be alike, and what shows least
# would count as much as the rest; at 0 small ones drown in noise until the end.
UNIT_POWER = 0.25
REPORT = 500


def fit_prior(
    config: PriorConfig,
    values: Tensor,
    odd: Tensor,
    *,
    weights: Tensor | None = None,
    held_out: Tensor | None = None,
    steps: int = 20_000,
    lr: float = 1e-3,
    seed: int = 0,
) -> CodePrior:
    """Fit the flow to values of components in faces and in their mirror images.

    Parameters
    ----------
    config : PriorConfig
    values : N k, of faces
    odd : k, whether a component changes its sign in the mirror
    weights : N, how often each face is drawn; None: alike
    held_out : M k, of other faces, whose loss is logged
    steps : of Adam, with 256 faces each
    lr : at its highest; a cosine takes it down to a fiftieth
    seed : of weights and draws

    Returns
    -------
    Moving average of the weights, in eval mode

    Raises
    ------
    DataError : values of another number of components, or of no faces
    """
    if values.ndim != 2 or values.shape[1] != config.components or not len(values):
        raise DataError(f"values: got shape {tuple(values.shape)}, needs (N, {config.components})")
    torch.manual_seed(seed)
    prior = CodePrior(config)
    prior.scale.copy_(_units(values))
    average = copy.deepcopy(prior).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(prior.parameters(), lr, betas=(0.9, 0.99), weight_decay=DECAY)
    chances = torch.ones(len(values)) if weights is None else weights
    for step in range(steps):
        rate = lr * min(1.0, step / WARMUP) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = values[torch.multinomial(chances, BATCH, replacement=True)].float()
        mirrored = torch.rand(BATCH, 1) < 0.5
        loss = prior.loss(torch.where(mirrored & odd, -batch, batch))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(prior.parameters(), CLIP)
        optimizer.step()
        with torch.no_grad():
            # At first the average follows quickly, to forget where the weights began.
            share = max(FORGET, 1 / (step + 1))
            for mean, weight in zip(average.parameters(), prior.parameters(), strict=True):
                mean.lerp_(weight, share)
        if step % REPORT == REPORT - 1:
            own = f"step {step + 1}: loss {float(loss.detach()):.4f}"
            other = "" if held_out is None else f", held out {_known_loss(average, held_out):.4f}"
            log.info("%s%s", own, other)
    return average


def _units(values: Tensor) -> Tensor:
    """Units of the components, in which their values have a mean square of 1 together."""
    spread = values.float().square().mean(0).sqrt().clamp_min(1e-3)
    units = spread**UNIT_POWER
    return units * (spread / units).square().mean().sqrt()


@torch.no_grad()
def _known_loss(prior: CodePrior, values: Tensor) -> float:
    """Loss of faces with noise and times that are the same at every step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return float(prior.loss(values.float()))
