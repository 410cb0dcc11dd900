"""Joint training of a generator with base styles: every integer that is sent buys the face.

  x ─► base, E_1 ─► rounded at a drawn step ─► G ─► y ─► losses ◄─ x
                      └──► bits               └─► E_2(x, y) corrects the code, rounded again

Losses look at pixels, structure, a recogniser, and at features that an adversary judges as well.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from e2style.checkpoints.loading import load_model
from e2style.checkpoints.tensors import read_tensors
from e2style.config import TrainConfig
from e2style.data.augment import augment
from e2style.data.faces import FaceSet
from e2style.data.mix import FaceMix, names_in
from e2style.errors import CheckpointError, ConfigError
from e2style.losses.efficientnet import feature_distance, load_efficientnet
from e2style.losses.identity import JitteredIdentityLoss
from e2style.losses.mesh import MeshLoss
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.losses.projected import ProjectedAdversary
from e2style.losses.structure import StructureLoss
from e2style.models.heads import PooledHead
from e2style.models.inversion import InversionNetwork
from e2style.models.styled_base import PhaseToRGB, StyledBaseGenerator
from e2style.training.assemble import RatedInversion, config_of_run
from e2style.training.feature_networks import load_losses
from e2style.training.ranks import Ranks, share_batch_norms
from e2style.training.state import load_weights
from e2style.training.work import Terms, at_side

log = logging.getLogger(__name__)

SHARES = {"identity": 0.5, "parsing": 0.25, "features": 0.5}
ADVERSARY_LR = 5e-4
LEVELS = 3  # of EfficientNet-lite0 that are looked at
EMBEDDING = 2.0  # weight of the recogniser's embedding beside that of each level before it


class Realism(nn.Module):
    """What EfficientNet-lite0's features say of images: distance from the target, and likelihood.

    Parameters
    ----------
    features : frozen network, images to a list of levels
    adversary : its weights carry no gradient but in its own updates; None: the distance alone

    Attributes
    ----------
    seen : features of the last batch, real and generated, without gradient
    """

    def __init__(self, features: nn.Module, adversary: ProjectedAdversary | None) -> None:
        super().__init__()
        self.features = features
        self.adversary = adversary
        self.seen: tuple[list[Tensor], list[Tensor]] | None = None
        if adversary is not None:
            adversary.requires_grad_(False)

    def forward(self, painted: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Images B 3 S S in [-1, 1], twice -> terms of the loss, on one random window of both."""
        painted, target = window(painted, target)
        with torch.no_grad():
            wanted = self.features(target)
        got = self.features(painted)
        terms = {"features": feature_distance(got, wanted)}
        if self.adversary is not None:
            terms["adversarial"] = self.adversary.generator_loss(got)
            self.seen = (wanted, [level.detach() for level in got])
        return terms


def window(*images: Tensor) -> list[Tensor]:
    """The same random window of images B 3 S S, seven eighths of their side.

    Strided features see some pixels more than others; moved, they see all alike. That is the
    translation of Zhao et al. 2020, "Differentiable Augmentation", and a quarter less to compute.
    """
    side = images[0].shape[-1]
    kept = side * 7 // 8
    top, left = torch.randint(side - kept + 1, (2,)).tolist()
    return [x[..., top : top + kept, left : left + kept] for x in images]


class RatedObjective(nn.Module):
    """Generate from the rounded code, then weigh errors and bits.

    Parameters
    ----------
    coded : RatedInversion
    terms : Terms
    side : images are generated and compared at this side
    lowest, highest : of the steps that are drawn, evenly in their logarithm
    augmented : change the faces a little first
    realism : looks at a part of each batch; None: nothing does
    """

    def __init__(
        self,
        coded: RatedInversion,
        terms: Terms,
        side: int,
        lowest: float,
        highest: float,
        *,
        augmented: bool,
        realism: Realism | None = None,
    ) -> None:
        super().__init__()
        self.realism = realism
        self.coded = coded
        self.terms = terms
        self.side = side
        self.lowest = lowest
        self.ratio = highest / lowest
        self.augmented = augmented

    def train(self, mode: bool = True) -> RatedObjective:
        """Switch the trained part; the feature networks stay in eval mode."""
        super().train(mode)
        self.terms.eval()
        if self.realism is not None:
            self.realism.features.eval()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Images B 3 S S in [-1, 1] -> terms of the loss."""
        if self.augmented:
            with torch.autocast(x.device.type, enabled=False):
                x = augment(x)
        steps = self.lowest * self.ratio ** torch.rand(len(x), device=x.device)
        painted, bits = self.coded(x, self.side, steps)
        target = at_side(x, self.side)
        terms: dict[str, Tensor] = self.terms(painted, target)
        if self.realism is not None:
            count = max(int(len(x) * SHARES["features"]), 1)
            terms |= self.realism(painted[-count:], target[-count:])
        # The error of rounding grows with the square of the step, so does what a bit may cost.
        return terms | {"rate": (bits * steps.square()).mean()}


class RatedWork:
    """Joint training of this kind as the loop sees it; see `Work`.

    Parameters
    ----------
    config : TrainConfig with stage 0 and base styles
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
        seen = max(config.model.encoder.image_size, self.side)
        self.faces = FaceMix(
            config.data, seen, shares=config.shares, left_out=names_in(config.held_out)
        )
        log.info("%d images, %d skipped", len(self.faces), len(self.faces.skipped))
        self.probe = FaceSet(config.validation, seen) if config.validation else None
        torch.manual_seed(config.seed)
        network = InversionNetwork(config.model)
        if config.channels_last:
            network.channels_last()
        assert isinstance(network.generator, StyledBaseGenerator)
        network.generator.seed_noise(config.seed)
        coded = RatedInversion(network, encoding=config.train_encoder)
        if config.init:
            path = Path(config.init)
            start = start_from_run if path.is_dir() else start_from_model
            self.inherited = start(coded, path)
        else:
            self.inherited = 0
            start_from_base(coded, config)
        network.generator.base.requires_grad_(config.train_generator)
        if config.train_fine:
            network.generator.requires_grad_(False)
            network.generator.fine.requires_grad_(True)
        network.encoders.requires_grad_(config.train_encoder)
        coded.rate.requires_grad_(config.train_encoder)
        share_batch_norms(coded, ranks)
        self.trained: nn.Module = coded.to(ranks.device)
        averaged = coded
        if config.ema_images:
            averaged = copy.deepcopy(coded).requires_grad_(False).eval()
        self.average: nn.Module = averaged
        self._shown: nn.Module = averaged
        identity = losses.get("identity")
        if isinstance(identity, MultiLayerCosineLoss):
            losses["identity"] = JitteredIdentityLoss(identity, EMBEDDING)
        terms = Terms(losses, SHARES)
        if config.loss.ssim:
            terms.losses["ssim"] = StructureLoss()
        if config.loss.mesh:
            terms.losses["mesh"] = MeshLoss()
        self.parts: dict[str, Any] = {}
        self.adversary: ProjectedAdversary | None = None
        realism = self._realism()
        self.model: nn.Module = RatedObjective(
            coded,
            terms.to(ranks.device),
            self.side,
            config.step_low,
            config.step_high,
            augmented=config.augment,
            realism=realism,
        )
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
            chosen = torch.multinomial(self.faces.probabilities, config.batch, replacement=True)
            self._drawn = (images, self.faces.batch(chosen, torch.rand(config.batch) < 0.5))
            if self.ranks.rank:  # the noise on the codes differs between processes
                torch.manual_seed(config.seed * 1_000_003 + images + 7919 * self.ranks.rank)
        share = self.ranks.share(0, config, part)
        return (self._drawn[1][share.start : share.stop].to(self.ranks.device),)

    def _realism(self) -> Realism | None:
        """What looks through EfficientNet-lite0, with the adversary that it trains."""
        loss = self.config.loss
        if not (loss.features or loss.adversarial):
            return None
        features = load_efficientnet(self.config.feature_networks, LEVELS)
        if self.config.channels_last:
            features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if loss.adversarial:
            self.adversary = ProjectedAdversary(features.channels).to(self.ranks.device)
            self.optimizer = torch.optim.Adam(
                self.adversary.parameters(), lr=ADVERSARY_LR, betas=(0.0, 0.99)
            )
            self.parts |= {"adversary": self.adversary, "adversary_optimizer": self.optimizer}
        return Realism(features.to(self.ranks.device), self.adversary)

    def after_update(self, images: int) -> None:
        """One step of the adversary on what the last batch showed."""
        assert isinstance(self.model, RatedObjective)
        if self.adversary is None or self.model.realism is None:
            return
        seen = self.model.realism.seen
        assert seen is not None
        self.adversary.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        real, fake = ([level.float() for level in levels] for levels in seen)
        self.adversary.own_loss(real, fake).backward()  # type: ignore[no-untyped-call]
        for parameter in self.adversary.parameters():
            if parameter.grad is not None:
                parameter.grad = self.ranks.sum(parameter.grad) / self.ranks.world
        self.optimizer.step()
        self.adversary.requires_grad_(False)

    def validate(self) -> dict[str, float]:
        """Joint training looks at samples only; `e2style evaluate` measures the model."""
        return {}

    @torch.no_grad()
    def columns(self) -> list[Tensor]:
        """Input and rounded reconstruction, step 1, of eight images, spread over the set."""
        faces = self.probe or self.faces
        coded = self._shown.eval()
        x = faces.batch(torch.linspace(0, len(faces) - 1, 8).long()).to(self.ranks.device)
        return [at_side(x, self.side), coded(x, self.side, torch.ones(len(x)))[0]]

    def close(self) -> None:
        """Nothing is open."""


def silence(encoders: Iterable[nn.Module]) -> None:
    """Let encoders correct nothing, until training finds something to say."""
    for encoder in encoders:
        for module in encoder.modules():
            if isinstance(module, PooledHead):
                module.silence()


def _own(module: nn.Module, encoders: str, kept: int) -> dict[str, Tensor]:
    """What other weights do not replace: encoders from the `kept`-th on, and filters."""
    later = tuple(f"{encoders}{k}." for k in range(kept, 9))
    state = module.state_dict()
    return {k: v for k, v in state.items() if k.startswith(later) or k.endswith(".smoothing")}


@torch.no_grad()
def start_from_run(coded: RatedInversion, run: Path) -> int:
    """Take the averaged weights of a run; stages that it lacks begin silently, filters are our own.

    Returns
    -------
    Images that were seen, along the chain of runs.

    Raises
    ------
    CheckpointError : no run, no snapshot, or one of another shape
    """
    earlier = RatedInversion(InversionNetwork(config_of_run(run).model))
    seen = load_weights(earlier, run)
    state = earlier.state_dict()
    kept = len(earlier.network.encoders)
    silence(list(coded.network.encoders)[kept:])
    try:
        coded.load_state_dict(state | _own(coded, "network.encoders.", kept))
    except RuntimeError as error:
        raise CheckpointError(f"run {run}: {error}") from error
    return seen


@torch.no_grad()
def start_from_model(coded: RatedInversion, path: Path) -> int:
    """Take the weights of a model file; stages that it lacks begin silently, filters are our own.

    Returns
    -------
    Images that were seen, as its card says.

    Raises
    ------
    CheckpointError : no model, or one of another shape
    """
    model = load_model(path)
    earlier = model.network.state_dict()
    kept = model.config.stages
    silence(list(coded.network.encoders)[kept:])
    try:
        coded.network.load_state_dict(earlier | _own(coded.network, "encoders.", kept))
    except RuntimeError as error:
        raise CheckpointError(f"model {path}: {error}") from error
    coded.network.w_avg.zero_()  # what is sent with a code says the rate
    return model.card.images_seen if model.card else 0


@torch.no_grad()
def start_from_base(coded: RatedInversion, config: TrainConfig) -> None:
    """Take the base from a file; encoders and all that is behind the base begin silently.

    Raises
    ------
    ConfigError : no file is given
    CheckpointError : it cannot be read, or is of another shape
    """
    network = coded.network
    generator = network.generator
    assert isinstance(generator, StyledBaseGenerator)
    if not config.base_file:
        raise ConfigError("base_file: training from nothing starts from a fitted base; give one")
    _, tensors = read_tensors(Path(config.base_file))
    spread = tensors.pop("spread")
    features = tensors.pop("feature_spread")
    try:
        generator.base.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"base {config.base_file}: {error}") from error
    generator.mapping.spread.copy_(spread.flatten().clamp_min(1e-3))
    generator.feature_scale.copy_(1 / features.clamp_min(1e-3)[:, None, None])
    coded.rate.start_from(spread)
    for module in network.modules():
        if isinstance(module, PhaseToRGB):
            module.weight.zero_()
    silence(network.encoders)
