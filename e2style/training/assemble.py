"""Assembly of networks from files: the network that stage t trains, and that of a run."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from e2style.checkpoints.loading import load, load_model
from e2style.checkpoints.locations import locate
from e2style.checkpoints.networks import load_generator, load_irse50
from e2style.checkpoints.official import trunk_key
from e2style.config import TrainConfig
from e2style.errors import CheckpointError, ConfigError
from e2style.files import in_words
from e2style.losses.rate import RateModel
from e2style.model import InversionModel
from e2style.models.encoder import Encoder
from e2style.models.generator import Generator
from e2style.models.inversion import IMAGE_CHANNELS, InversionNetwork
from e2style.models.rounding import rounded
from e2style.models.styled_base import at_rate
from e2style.settings import from_dict
from e2style.training.state import load_weights

log = logging.getLogger(__name__)


class CodedInversion(nn.Module):
    """An inversion network with the density of its codes, trained as one.

    Parameters
    ----------
    network : InversionNetwork
    """

    def __init__(self, network: InversionNetwork) -> None:
        super().__init__()
        self.network = network
        generator = network.config.generator
        self.rate = RateModel(generator.n_codes, generator.style_dim)

    def forward(self, x: Tensor, side: int, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Images B 3 S S and a step for each -> images B 3 side side, and bits B."""
        offsets = self.network.invert(x) - self.network.w_avg
        codes = self.network.w_avg + rounded(offsets, steps)
        bits = self.rate.bits(self.rate.perturb(offsets, steps), steps)
        return self.network.synthesize(codes, side), bits


class RatedInversion(nn.Module):
    """An inversion network with the density of its codes, trained as one.

    Parameters
    ----------
    network : InversionNetwork with a generator that has base styles
    encoding : False leaves the encoders out, and the code to the projection of the base
    """

    def __init__(self, network: InversionNetwork, *, encoding: bool = True) -> None:
        super().__init__()
        self.stages = None if encoding else 0
        self.network = network
        generator = network.config.generator
        self.rate = RateModel(generator.base_rows, generator.style_dim)

    def forward(self, x: Tensor, side: int, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Images B 3 S S and a step for each -> images B 3 side side, and bits B."""
        offsets = self.network.offsets(x, steps, self.stages)
        codes = at_rate(self.network.w_avg + rounded(offsets, steps), steps)
        rows = self.network.generator.base.rows  # type: ignore[union-attr]
        perturbed = self.rate.perturb(offsets[:, :rows], steps)
        bits = self.rate.bits(perturbed, steps)
        return self.network.synthesize(codes, side), bits


def config_of_run(run: Path) -> TrainConfig:
    """Config that a run folder was trained with.

    Raises
    ------
    CheckpointError : the folder holds no run
    """
    try:
        return from_dict(TrainConfig, json.loads((run / "config.json").read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"run {run}: {in_words(error)}") from error


def network_of_run(run: Path) -> tuple[InversionNetwork, int]:
    """Network that a run has made so far, with averaged weights, and the images it saw.

    Raises
    ------
    CheckpointError : no run, no snapshot, or a file that it builds on is gone
    """
    config = config_of_run(run)
    if config.stage == 0:
        kind = RatedInversion if config.model.generator.base_styles else CodedInversion
        coded = kind(InversionNetwork(config.model))
        seen = load_weights(coded, run)
        network = coded.network
    else:
        network = assemble(dataclasses.replace(config, backbone=""))  # only the start needed it
        seen = load_weights(network.encoders[-1], run)
    network.config = dataclasses.replace(network.config, fit=config.fit)
    return network, seen


def assemble(config: TrainConfig) -> InversionNetwork:
    """Network of `config.stage` stages, the last one untrained, the others from files.

    The fresh encoder is drawn from `config.seed`, then takes its trunk from the backbone.

    Raises
    ------
    ConfigError : nothing says where the generator or the earlier stages are, or they do not fit
    CheckpointError : a file cannot be used
    """
    stage = config.stage
    model = dataclasses.replace(config.model, stages=stage)
    torch.manual_seed(config.seed)
    network = InversionNetwork(model)
    if stage == 1:
        if not config.generator:
            raise ConfigError("generator: stage 1 is trained on one; give its file")
        network.generator, network.w_avg = generator_of(config.generator)
    else:
        earlier = _earlier(config)
        network.generator, network.w_avg = earlier.generator, earlier.w_avg
        for t, encoder in enumerate(list(earlier.encoders)[: stage - 1]):
            network.encoders[t] = encoder
    _check("model.generator", "the file", network.generator.config, model.generator)
    if config.backbone:
        encoder = network.encoders[-1]
        if not isinstance(encoder, Encoder):
            raise ConfigError(
                f"backbone: the trunk {model.encoder.trunk!r} is no face recogniser's"
            )
        start_from_backbone(encoder, config.backbone)
    return network


def generator_of(path: str) -> tuple[Generator, Tensor]:
    """Generator and (n, 512) mean code of any file that holds one.

    Raises
    ------
    CheckpointError : it holds none
    """
    loaded = load(path)
    if isinstance(loaded, InversionModel):
        return loaded.network.generator, loaded.network.w_avg
    if not isinstance(loaded, Generator):
        raise CheckpointError(f"generator {path}: holds {type(loaded).__name__}, not Generator")
    generator, average = load_generator(locate(path)[0])
    return generator, average.expand(generator.config.n_codes, -1).clone()


def _check(name: str, where: str, found: Any, wanted: Any) -> None:
    """Reject parts of other settings than those of the model; says what to set."""
    has, said = dataclasses.asdict(found), dataclasses.asdict(wanted)
    changes = [
        f"--set {name}.{key}={json.dumps(value, separators=(',', ':'))}"
        for key, value in has.items()
        if value != said[key]
    ]
    if changes:
        raise ConfigError(f"{name}: {where} was made with {' '.join(changes)}; set the same")


def _earlier(config: TrainConfig) -> InversionNetwork:
    if not config.checkpoint:
        raise ConfigError(
            f"checkpoint: stage {config.stage} refines the one before it; give its file or run"
        )
    path = Path(config.checkpoint)
    network = network_of_run(path)[0] if path.is_dir() else load_model(config.checkpoint).network
    if network.config.stages < config.stage - 1:
        raise ConfigError(
            f"checkpoint: {config.checkpoint} has {network.config.stages} stages, "
            f"but stage {config.stage} needs {config.stage - 1} before it"
        )
    if network.config.iterations:
        raise ConfigError(f"checkpoint: {config.checkpoint} is ReStyle's, which has no stages")
    _check("model.encoder", config.checkpoint, network.config.encoder, config.model.encoder)
    if config.stage > 2 and network.config.residual != config.model.residual:
        setting = f"--set model.residual={json.dumps(network.config.residual)}"
        raise ConfigError(f"model.residual: {config.checkpoint} was made with {setting}")
    return network


@torch.no_grad()
def start_from_backbone(encoder: Encoder, path: str | Path) -> None:
    """Start an encoder from a face recogniser, model_ir_se50.pth or converted, or from a model.

    Of a recogniser the trunk is taken, of a model its first encoder, heads included. The stem is
    taken where it sees what it saw there.

    Raises
    ------
    CheckpointError : no such file, or a tensor is missing or of another shape; names it
    """
    found, named = _start_of(path)
    wanted = encoder.state_dict()
    if encoder.config.in_channels != IMAGE_CHANNELS:
        wanted = {key: value for key, value in wanted.items() if not key.startswith("stem.")}
    if not any(key.startswith("heads.") for key in found):
        wanted = {key: value for key, value in wanted.items() if not key.startswith("heads.")}
    for key, value in wanted.items():
        tensor = found.get(key)
        if tensor is None or tensor.shape != value.shape:
            has = "is missing" if tensor is None else f"has shape {tuple(tensor.shape)}"
            raise CheckpointError(
                f"backbone {path}: key {named(key)!r} {has}, needs {tuple(value.shape)}"
            )
        value.copy_(tensor)
    log.info("%d tensors of the encoder are from %s", len(wanted), path)


def _start_of(path: str | Path) -> tuple[dict[str, Tensor], Callable[[str], str]]:
    """Tensors to start an encoder from by our keys, and how the file calls a key."""
    loaded = load(path)
    if isinstance(loaded, InversionModel):
        return loaded.network.encoders[0].state_dict(), str
    return load_irse50(path).state_dict(), trunk_key
