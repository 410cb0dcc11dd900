"""Registry of the kinds of training; a new one is a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from e2style.config import TrainConfig
from e2style.training.coded import RatedWork
from e2style.training.joint import JointWork
from e2style.training.ranks import Ranks
from e2style.training.stage import StageWork
from e2style.training.work import Work

__all__ = ["KINDS", "work_of"]

Networks = Mapping[str, nn.Module]
Maker = Callable[[TrainConfig, Ranks, Networks | None], Work]

# Which configs a kind is for, and what makes it; the first that fits is taken.
KINDS: tuple[tuple[Callable[[TrainConfig], bool], Maker], ...] = (
    (lambda config: config.stage == 0 and config.model.generator.base_styles, RatedWork),
    (lambda config: config.stage == 0, JointWork),
    (lambda config: config.stage != 0, StageWork),
)


def work_of(config: TrainConfig, ranks: Ranks, networks: Networks | None = None) -> Work:
    """Training that a config asks for.

    Parameters
    ----------
    config : TrainConfig
    ranks : this process among others
    networks : feature networks that are at hand, by term
    """
    return next(make for fits, make in KINDS if fits(config))(config, ranks, networks)
