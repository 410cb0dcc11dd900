"""Optimiser, learning-rate schedule, and the moving average of weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from e2style.config import TrainConfig


def learning_rate(config: TrainConfig, images: int) -> float:
    """Rate after `images` images: linear warm-up, then a cosine down to a tenth."""
    warm = min(1.0, (images + config.batch) / max(config.warmup_images, 1))
    done = min(1.0, images / config.images)
    return config.lr * warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))


def make_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Adam:
    """Adam over everything that wants a gradient, in groups with rates of their own.

    The generator has a factor because its weights are stored with unit variance (equalised
    learning rate); the log-scales of the rate model follow the codes four times as fast.
    """
    factors = {"network.generator.": config.generator_lr, "rate.": 4.0, "": 1.0}
    groups: dict[str, list[nn.Parameter]] = {prefix: [] for prefix in factors}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            prefix = next(p for p in factors if name.startswith(p))
            groups[prefix].append(parameter)
    found = [{"params": v, "factor": factors[k]} for k, v in groups.items() if v]
    return torch.optim.Adam(found, lr=config.lr, betas=(0.9, 0.99), eps=1e-8, fused=True)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, config: TrainConfig, images: int) -> None:
    """Move the averaged weights towards the trained ones (half-life `ema_images`).

    Early on the half-life is a twentieth of what was seen, so that the start is forgotten.
    """
    half_life = min(config.ema_images, max(images / 20, 1))
    keep = 0.5 ** (config.batch / half_life)
    for mean, value in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - keep)
    for held, current in zip(average.buffers(), model.buffers(), strict=True):
        held.copy_(current)
