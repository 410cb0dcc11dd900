"""Checkpoints of other programs: official E2Style files and StyleGAN2 generators.

Only names are translated here, from ours to theirs; the networks themselves are ours. Units
21 to 23 of the released trunk are stored but never run, and are dropped.
"""

from __future__ import annotations

import argparse
import logging
import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from e2style.checkpoints import nvidia
from e2style.checkpoints.tensors import State, fill
from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.errors import CheckpointError
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork, weightless
from e2style.models.ops import blur_kernel

log = logging.getLogger(__name__)

UNITS = (3, 4, 14)  # of the released trunk, without the group that never runs
HEADS = ("output_layer_5", "output_layer_4", "output_layer_3")  # shallow to deep
MEAN_SAMPLES = 65_536  # mapped z whose mean stands in for a missing latent_avg
MEAN_SEED = 0


def is_official(content: Any) -> bool:
    """Whether a loaded `.pt` holds an E2Style model."""
    return isinstance(content, dict) and any(
        key.startswith("encoder_firststage.") for key in content.get("state_dict", {})
    )


def read_inversion(content: dict[str, Any]) -> InversionNetwork:
    """Network of an official file {'state_dict', 'opts', 'latent_avg'}, one to three stages.

    Raises
    ------
    CheckpointError : a key is missing, unknown or of another shape; names the key
    """
    state: dict[str, Tensor] = dict(content["state_dict"])
    prefixes = ["encoder_firststage."]
    while any(k.startswith(f"encoder_refinestage_list.{len(prefixes) - 1}.") for k in state):
        prefixes.append(f"encoder_refinestage_list.{len(prefixes) - 1}.")
    generator = generator_config(part_of(state, "decoder."))
    config = InversionConfig(
        name="e2style-official",
        generator=generator,
        encoder=_encoder_config(part_of(state, prefixes[0]), generator.style_dim, prefixes[0]),
        stages=len(prefixes),
    )
    with weightless():
        network = InversionNetwork(config)
    average = content.get("latent_avg")
    shape = (generator.n_codes, generator.style_dim)
    state["latent_avg"] = torch.zeros(shape) if average is None else mean_codes(average, shape)

    def theirs(key: str) -> str:
        return network_key(key, lambda stage, rest: prefixes[stage] + encoder_key(rest))

    check_blur(state)
    fill(network, state, theirs, what="E2Style checkpoint", ignored=_never_runs)
    if average is None and options_of(content).get("start_from_latent_avg", True):
        estimated = estimated_mean(network.generator)
        network.w_avg = estimated.expand(shape).clone()
    return network


def read_generator(content: Any) -> tuple[Generator, Tensor | None]:
    """Generator of a file of rosinality's {'g_ema', 'latent_avg'} or NVIDIA's, of any size.

    Returns
    -------
    generator, and the file's mean code (512,) or None: `estimated_mean` stands in for it

    Raises
    ------
    CheckpointError : not such a file, or a key is missing, unknown or of another shape
    """
    theirs: Any = content.get("G_ema", content) if isinstance(content, dict) else None
    if nvidia.is_state(theirs):
        return _read_nvidia(theirs)
    if not isinstance(content, dict) or "g_ema" not in content:
        raise CheckpointError("generator file: key 'g_ema' is missing")
    state: State = content["g_ema"]
    config = generator_config(state)
    with weightless():
        generator = Generator(config)
    check_blur(state)
    fill(generator, state, generator_key, what="generator file", ignored=_never_runs)
    average = content.get("latent_avg")
    if average is None:
        return generator, None
    return generator, mean_codes(average, (1, config.style_dim))[0]


def _read_nvidia(state: State) -> tuple[Generator, Tensor | None]:
    """Generator and mean code of a state dict with NVIDIA's names."""
    config = nvidia.generator_config(state)
    with weightless():
        generator = Generator(config)
    nvidia.check_generator(state)
    fill(generator, state, nvidia.generator_key, what="generator file", ignored=nvidia.unused)
    average = state.get(nvidia.AVERAGE)
    if average is None:
        return generator, None
    return generator, mean_codes(average, (1, config.style_dim))[0]


@torch.no_grad()
def estimated_mean(
    generator: Generator, samples: int = MEAN_SAMPLES, seed: int = MEAN_SEED
) -> Tensor:
    """Mean code (512,) of `samples` mapped z, for files that lack `latent_avg`.

    Raises
    ------
    CheckpointError : the generator has no mapping network
    """
    if generator.mapping is None:
        raise CheckpointError("latent_avg is missing and there is no mapping network to average")
    log.warning("latent_avg is missing: taken as the mean of %d mapped z, seed %d", samples, seed)
    source = torch.Generator().manual_seed(seed)
    total = torch.zeros(generator.config.style_dim, dtype=torch.float64)
    done = 0
    while done < samples:
        count = min(4096, samples - done)
        z = torch.randn(count, generator.config.style_dim, generator=source)
        total += generator.mapping(z).double().sum(0)
        done += count
    return (total / samples).float()


def generator_config(state: State) -> GeneratorConfig:
    """Size, depth and widths of a generator, from the shapes of its tensors.

    Raises
    ------
    CheckpointError : a key is missing; names it
    """
    try:
        convs = 1 + max(int(k.split(".")[1]) for k in state if k.startswith("convs."))
        size = 2 ** (convs // 2 + 2)
        last = state[f"convs.{convs - 1}.conv.weight"].shape[1]
        return GeneratorConfig(
            size=size,
            style_dim=state["conv1.conv.modulation.weight"].shape[1],
            mapping_layers=sum(1 for k in state if re.fullmatch(r"style\.\d+\.weight", k)),
            channel_base=last * size,
            channel_max=state["input.input"].shape[1],
        )
    except KeyError as error:
        raise CheckpointError(f"generator: key {error} is missing") from error
    except (ValueError, IndexError) as error:
        raise CheckpointError("generator: keys 'convs.0…' are missing") from error


def generator_key(key: str) -> str:
    """Key of our generator -> key of rosinality's."""
    part, _, rest = key.partition(".")
    if part == "const":
        return "input.input"
    if part == "mapping":
        _, number, leaf = rest.split(".")
        return f"style.{int(number) + 1}.{leaf}"
    if part == "first_rgb":
        return f"to_rgb1.{rest}"
    if part == "to_rgbs":
        return key
    conv = 0  # number of the convolution, 0 at 4x4
    if part != "first":
        number, _, rest = rest.partition(".")
        conv = 2 * int(number) + (1 if part == "up_convs" else 2)
    if rest == "noise":
        return f"noises.noise_{conv}"
    rest = {"noise_gain": "noise.weight", "bias": "activate.bias"}.get(rest, rest)
    return f"conv1.{rest}" if conv == 0 else f"convs.{conv - 1}.{rest}"


def network_key(key: str, of_encoder: Callable[[int, str], str]) -> str:
    """Key of our network -> key of a file whose generator is `decoder`.

    `of_encoder` gets the stage and the rest of the key.
    """
    part, _, rest = key.partition(".")
    if part == "w_avg":
        return "latent_avg"
    if part == "generator":
        return f"decoder.{generator_key(rest)}"
    stage, _, rest = rest.partition(".")
    return of_encoder(int(stage), rest)


def trunk_key(key: str, units: tuple[int, ...] = UNITS) -> str:
    """Key of `stem` or `groups` -> key of the released trunk, whose units are one flat list."""
    part, _, rest = key.partition(".")
    if part == "stem":
        return f"input_layer.{rest}"
    level, unit, rest = rest.split(".", 2)
    number = sum(units[: int(level)]) + int(unit)
    rest = rest.replace("residual", "res_layer").replace("shortcut", "shortcut_layer")
    rest = rest.replace("5.squeeze", "5.fc1").replace("5.excite", "5.fc2")
    return f"body.{number}.{rest}"


def encoder_key(key: str) -> str:
    """Key of our encoder -> key of an official one."""
    if not key.startswith("heads."):
        return trunk_key(key)
    _, level, part, leaf = key.split(".")
    return f"{HEADS[int(level)]}.{ {'norm': 0, 'linear': 3}[part] }.{leaf}"


def _encoder_config(state: State, dim: int, prefix: str) -> EncoderConfig:
    widths, pools, split = [], [], []
    try:
        for name in HEADS:
            channels = len(state[f"{name}.0.weight"])
            n_out, n_in = state[f"{name}.3.weight"].shape
            widths.append(channels)
            pools.append(math.isqrt(n_in // channels))
            split.append(n_out // dim)
        in_channels = state["input_layer.0.weight"].shape[1]
    except KeyError as error:
        raise CheckpointError(
            f"E2Style checkpoint: key {prefix + error.args[0]!r} is missing"
        ) from error
    return EncoderConfig(
        in_channels=in_channels,
        widths=tuple(widths),
        units=UNITS,
        pools=tuple(pools),
        split=tuple(split),
    )


def part_of(state: State, prefix: str) -> dict[str, Tensor]:
    """Tensors whose key starts with a prefix, by the rest of it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def mean_codes(average: Any, shape: tuple[int, int]) -> Tensor:
    """Mean code (n, dim) of a file's `latent_avg`, which may be one row.

    Raises
    ------
    CheckpointError : of another shape
    """
    try:
        return torch.as_tensor(average).float().expand(shape).clone()
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint: key 'latent_avg' does not have shape {shape}"
        ) from error


def options_of(content: dict[str, Any]) -> dict[str, Any]:
    """Training options in a file; the codes of most are offsets from its mean code."""
    options = content.get("opts")
    if isinstance(options, argparse.Namespace):
        options = vars(options)
    return options if isinstance(options, dict) else {}


def _never_runs(key: str) -> bool:
    """Blur filters, constants here, and the last three units of the released trunk."""
    return key.endswith(".kernel") or re.search(r"\bbody\.2[123]\.", key) is not None


def check_blur(state: State) -> None:
    """Reject a generator whose filters are not the usual ones.

    Raises
    ------
    CheckpointError : names the key
    """
    for key, value in state.items():
        if key.endswith(".kernel") and not value.is_meta:
            usual = blur_kernel(4.0)
            if value.shape != usual.shape or not torch.allclose(value.float(), usual, atol=1e-6):
                raise CheckpointError(f"generator: {key!r} is not the usual [1, 3, 3, 1] filter")
