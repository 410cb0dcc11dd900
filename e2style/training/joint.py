"""Joint training: encoder and generator together, for the rate that codes are sent at."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from e2style.config import TrainConfig
from e2style.data.faces import FaceSet
from e2style.models.generator import Generator, ToRGB
from e2style.models.heads import PooledHead
from e2style.models.inversion import InversionNetwork
from e2style.training.assemble import CodedInversion
from e2style.training.base import fit_base
from e2style.training.feature_networks import load_losses
from e2style.training.ranks import Ranks, share_batch_norms
from e2style.training.state import load_weights
from e2style.training.work import Terms, at_side

log = logging.getLogger(__name__)

# The feature networks cost as much as the generator, so they see a part of each batch; batches
# are drawn at random, so the gradient stays unbiased.
# Logarithm of the density's scale, in steps, of a row that nothing is sent in yet.
SILENT = -2.0
SHARES = {"identity": 0.5, "parsing": 0.25, "segmentation": 0.25}


class JointObjective(nn.Module):
    """Loss of an autoencoder at a random rate: errors of the image, and bits of the rounded code.

    Parameters
    ----------
    coded : CodedInversion
    terms : Terms
    side : images are generated and compared at this side
    lowest, highest : of the steps that are drawn
    """

    def __init__(
        self, coded: CodedInversion, terms: Terms, side: int, lowest: float, highest: float
    ) -> None:
        super().__init__()
        self.coded = coded
        self.terms = terms
        self.side = side
        self.lowest = lowest
        self.ratio = highest / lowest

    def train(self, mode: bool = True) -> JointObjective:
        """Switch the trained part; the feature networks stay in eval mode."""
        super().train(mode)
        self.terms.eval()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Images B 3 S S in [-1, 1] -> terms of the loss."""
        steps = self.lowest * self.ratio ** torch.rand(len(x), device=x.device)
        generated, bits = self.coded(x, self.side, steps)
        terms: dict[str, Tensor] = self.terms(generated, at_side(x, self.side))
        # The error of rounding grows with the square of the step, so does what a bit may cost.
        return terms | {"rate": (bits * steps.square()).mean()}


class JointWork:
    """Joint training as the loop sees it; see `Work`.

    Parameters
    ----------
    config : TrainConfig with stage 0
    ranks : this process among others
    networks : feature networks that are at hand, by term

    Attributes
    ----------
    inherited : images that the runs before this one saw
    """

    def __init__(
        self, config: TrainConfig, ranks: Ranks, networks: Mapping[str, nn.Module] | None = None
    ) -> None:
        self.config = config
        self.ranks = ranks
        self.side = config.side or config.model.generator.size
        # What is soonest to be missing comes first: images take a minute, a base many.
        losses = load_losses(config.loss, config.feature_networks, networks)
        # Data: everything decoded once.
        seen = max(config.model.encoder.image_size, self.side)
        self.faces = FaceSet(config.data, seen, hold_out=config.hold_out, fit=config.fit)
        log.info("%d pictures, %d skipped", len(self.faces), len(self.faces.skipped))
        self.weights = self.faces.weights(balance=config.balance)
        self.probe = FaceSet(config.validation, seen, fit=config.fit) if config.validation else None
        # Networks; the initial weights come from the seed alone.
        torch.manual_seed(config.seed)
        network = InversionNetwork(config.model)
        if config.channels_last:
            network.channels_last()
        network.generator.seed_noise(config.seed)
        coded = CodedInversion(network)
        self.inherited = load_weights(coded, Path(config.init)) if config.init else 0
        if not config.init:
            start_from_base(coded, self.faces, config)
        _freeze_unused(network.generator, self.side)
        if not config.train_generator:
            network.generator.requires_grad_(False)
        share_batch_norms(coded, ranks)
        self.trained: nn.Module = coded.to(ranks.device)
        averaged = coded
        if config.ema_images:
            averaged = copy.deepcopy(coded).requires_grad_(False).eval()
        self.average: nn.Module = averaged
        self._shown = averaged.network
        terms = Terms(losses, SHARES, exact=True)
        self.parts: dict[str, Any] = {}
        self.model: nn.Module = JointObjective(
            coded, terms.to(ranks.device), self.side, config.step_low, config.step_high
        )
        if config.compile:
            network.generator.compile()
        self._drawn: tuple[int, Tensor] = (-1, torch.empty(0))

    @property
    def skipped(self) -> set[str]:
        """Names of the images that could not be decoded."""
        left_out = {f"validation: {name}" for name in self.probe.skipped} if self.probe else set()
        return set(self.faces.skipped) | left_out

    def batch(self, images: int, part: int) -> tuple[Tensor, ...]:
        """Draw from (seed, images seen), so that a resumed run matches."""
        config = self.config
        if part == 0:
            torch.manual_seed(config.seed * 1_000_003 + images)
            chosen = torch.multinomial(self.weights, config.batch)
            self._drawn = (images, self.faces.batch(chosen, torch.rand(config.batch) < 0.5))
            if self.ranks.rank:  # the noise on the codes differs between processes
                torch.manual_seed(config.seed * 1_000_003 + images + 7919 * self.ranks.rank)
        share = self.ranks.share(0, config, part)
        return (self._drawn[1][share.start : share.stop].to(self.ranks.device),)

    def after_update(self, images: int) -> None:
        """Nothing follows an update."""

    def validate(self) -> dict[str, float]:
        """Joint training looks at samples only; `e2style evaluate` measures the model."""
        return {}

    @torch.no_grad()
    def columns(self) -> list[Tensor]:
        """Input and rounded reconstruction of eight images, spread over the set."""
        faces = self.probe or self.faces
        network = self._shown.eval()
        x = faces.batch(torch.linspace(0, len(faces) - 1, 8).long()).to(self.ranks.device)
        rounded = network.w_avg + (network.invert(x) - network.w_avg).round()
        return [at_side(x, self.side), network.synthesize(rounded, self.side)]

    def close(self) -> None:
        """Nothing is open."""


@torch.no_grad()
def start_from_base(coded: CodedInversion, faces: FaceSet, config: TrainConfig) -> None:
    """Fit the base of a generator that has one; encoder and layers behind it begin silently."""
    generator = coded.network.generator
    if generator.base is None:
        return
    spread = fit_base(
        generator.base, faces, face_weight=config.loss.face_weight, step=config.base_step
    )
    coded.rate.log_scale.fill_(SILENT)
    coded.rate.start_from(spread)
    for module in coded.network.modules():
        if isinstance(module, ToRGB):
            module.conv.weight.zero_()
        elif isinstance(module, PooledHead):
            module.silence()


def _freeze_unused(generator: Generator, side: int) -> None:
    """Freeze what is not used in generation: the mapping network, and layers above `side`."""
    if generator.mapping is not None:
        generator.mapping.requires_grad_(False)
    used = (side // 4).bit_length() - 1
    for layers in (generator.up_convs, generator.convs, generator.to_rgbs):
        for layer in list(layers)[used:]:
            layer.requires_grad_(False)
