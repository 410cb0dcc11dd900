"""Optimisers, learning-rate schedule, and the moving average of weights."""

from __future__ import annotations

import importlib
import math
from typing import Any

import torch
from torch import Tensor, nn

from e2style.config import TrainConfig
from e2style.errors import ConfigError


def learning_rate(config: TrainConfig, images: int) -> float:
    """Rate after `images` images: linear warm-up, then constant or a cosine down to a tenth."""
    warm = min(1.0, (images + config.batch) / max(config.warmup_images, 1))
    if config.schedule == "constant":
        return config.lr * warm
    done = min(1.0, images / config.images)
    return config.lr * warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))


def make_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Optimiser over everything that wants a gradient, in groups with rates of their own.

    The generator has a factor because its weights are stored with unit variance (equalised
    learning rate); the log-scales of the rate model follow the codes four times as fast.

    Raises
    ------
    ConfigError : Ranger is asked for and its library is not installed
    """
    factors = {"network.generator.": config.generator_lr, "rate.": 4.0, "": 1.0}
    groups: dict[str, list[nn.Parameter]] = {prefix: [] for prefix in factors}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            prefix = next(p for p in factors if name.startswith(p))
            groups[prefix].append(parameter)
    found: list[dict[str, Any]] = [
        {"params": v, "factor": factors[k]} for k, v in groups.items() if v
    ]
    if config.optimizer == "ranger":
        return ranger(found, config.lr)
    return torch.optim.Adam(found, lr=config.lr, betas=(0.9, 0.99), eps=1e-8, fused=True)


def ranger(params: Any, lr: float) -> torch.optim.Optimizer:
    """Ranger as the paper's code has it: RAdam, Lookahead, gradient centralisation.

    Liu et al. 2020 (rectified Adam, a plain momentum step until the variance is tractable),
    Zhang et al. 2019 (lookahead every 6 steps by half), Yong et al. 2020 (centralisation of
    gradients of more than one dimension). `test_optim.py` compares the library with that
    definition.

    Raises
    ------
    ConfigError : pytorch_optimizer is not installed
    """
    try:
        library = importlib.import_module("pytorch_optimizer")
    except ImportError as error:
        raise ConfigError(
            "optimizer 'ranger' needs pytorch_optimizer; install the extra: "
            "pip install 'deephide[train]'"
        ) from error
    optimizer: torch.optim.Optimizer = library.Ranger(
        params,
        lr=lr,
        betas=(0.95, 0.999),
        eps=1e-5,
        k=6,
        alpha=0.5,
        n_sma_threshold=5,
        degenerated_to_sgd=True,
        weight_decay=0.0,
    )
    return optimizer


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, config: TrainConfig, images: int) -> None:
    """Move the averaged weights towards the trained ones (half-life `ema_images`).

    Early on the half-life is a twentieth of what was seen, so that the start is forgotten.
    Where no average is kept, both are one module, and nothing is done.
    """
    if average is model:
        return
    half_life = min(config.ema_images, max(images / 20, 1))
    keep = 0.5 ** (config.batch / half_life)
    # What is not trained is the same in both, and may be most of the weights.
    pairs = zip(average.parameters(), model.parameters(), strict=True)
    trained = [(held, value) for held, value in pairs if value.requires_grad]
    means: list[Tensor] = [held for held, _ in trained]
    values: list[Tensor] = [value for _, value in trained]
    if trained:
        torch._foreach_lerp_(means, values, 1 - keep)
    for kept, current in zip(average.modules(), model.modules(), strict=True):
        own = list(current.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            continue
        both = zip(kept.buffers(recurse=False), current.buffers(recurse=False), strict=True)
        for held, value in both:
            held.copy_(value)
