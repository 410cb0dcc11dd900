"""Checkpoints of other programs: official E2Style files and rosinality's StyleGAN2 files.

Only names are translated here, one rule per line; the networks themselves are ours. Units
21 to 23 of the released trunk are stored but never run, and are dropped.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor

from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.errors import CheckpointError
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork, weightless

State = dict[str, Tensor]

UNITS = (3, 4, 14)  # of the released trunk, without the group that never runs
_HEADS = {"output_layer_5": 0, "output_layer_4": 1, "output_layer_3": 2}


def is_official(content: Any) -> bool:
    """Whether a loaded `.pt` holds an E2Style model."""
    return isinstance(content, dict) and any(
        key.startswith("encoder_firststage.") for key in content.get("state_dict", {})
    )


def read_inversion(content: dict[str, Any]) -> InversionNetwork:
    """Network of an official file {'state_dict', 'opts', 'latent_avg'}, one to three stages.

    Raises
    ------
    CheckpointError : a key is missing or has another shape; names the key
    """
    state: State = content["state_dict"]
    generator = generator_config(_part(state, "decoder."))
    prefixes = ["encoder_firststage."]
    while any(k.startswith(f"encoder_refinestage_list.{len(prefixes) - 1}.") for k in state):
        prefixes.append(f"encoder_refinestage_list.{len(prefixes) - 1}.")
    config = InversionConfig(
        name="e2style-official",
        generator=generator,
        encoder=_encoder_config(_part(state, prefixes[0]), generator.style_dim),
        stages=len(prefixes),
    )
    ours = {f"generator.{k}": v for k, v in _rename_generator(_part(state, "decoder.")).items()}
    for stage, prefix in enumerate(prefixes):
        renamed = _rename_encoder(_part(state, prefix))
        ours |= {f"encoders.{stage}.{k}": v for k, v in renamed.items()}
    average = content.get("latent_avg")
    ours["w_avg"] = (
        torch.zeros(generator.n_codes, generator.style_dim)
        if average is None
        else torch.as_tensor(average).float().expand(generator.n_codes, -1).clone()
    )
    with weightless():
        network = InversionNetwork(config)
    _fill(network, ours)
    return network


def read_generator(content: dict[str, Any]) -> tuple[Generator, Tensor | None]:
    """Generator of a rosinality file {'g_ema', 'latent_avg'} of any size.

    Returns
    -------
    generator, and the file's mean code (512,) or None

    Raises
    ------
    CheckpointError : not such a file, or a key is missing
    """
    if not isinstance(content, dict) or "g_ema" not in content:
        raise CheckpointError("generator file: key 'g_ema' is missing")
    state: State = content["g_ema"]
    with weightless():
        generator = Generator(generator_config(state))
    _fill(generator, _rename_generator(state))
    average = content.get("latent_avg")
    return generator, None if average is None else torch.as_tensor(average).float()


def generator_config(state: State) -> GeneratorConfig:
    """Size, depth and widths of a generator, from the shapes of its tensors."""
    try:
        noises = sum(1 for k in state if k.startswith("noises."))
        size = 2 ** ((noises + 3) // 2)
        last = state[f"convs.{noises - 2}.conv.weight"].shape[1]
        return GeneratorConfig(
            size=size,
            style_dim=state["conv1.conv.modulation.weight"].shape[1],
            mapping_layers=sum(1 for k in state if re.fullmatch(r"style\.\d+\.weight", k)),
            channel_base=last * size,
            channel_max=state["input.input"].shape[1],
        )
    except KeyError as error:
        raise CheckpointError(f"generator: key {error} is missing") from error


def _part(state: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _encoder_config(state: State, dim: int) -> EncoderConfig:
    widths, pools, split = [], [], []
    for name in ("output_layer_5", "output_layer_4", "output_layer_3"):
        channels = len(state[f"{name}.0.weight"])
        n_out, n_in = state[f"{name}.3.weight"].shape
        widths.append(channels)
        pools.append(math.isqrt(n_in // channels))
        split.append(n_out // dim)
    return EncoderConfig(
        in_channels=state["input_layer.0.weight"].shape[1],
        widths=tuple(widths),
        units=UNITS,
        pools=tuple(pools),
        split=tuple(split),
    )


def _rename_encoder(state: State) -> State:
    ours: State = {}
    for key, value in state.items():
        head, _, rest = key.partition(".")
        if head == "input_layer":
            ours[f"stem.{rest}"] = value
        elif head in _HEADS:
            inner = {"0": "norm", "3": "linear"}[rest[0]]
            ours[f"heads.{_HEADS[head]}.{inner}{rest[1:]}"] = value
        elif head == "body":
            number, _, inside = rest.partition(".")
            place = _place(int(number))
            if place is not None:
                inside = inside.replace("res_layer.5.fc1", "residual.5.squeeze")
                inside = inside.replace("res_layer.5.fc2", "residual.5.excite")
                inside = inside.replace("res_layer", "residual").replace(
                    "shortcut_layer", "shortcut"
                )
                ours[f"groups.{place[0]}.{place[1]}.{inside}"] = value
        else:
            raise CheckpointError(f"encoder: key {key!r} is not known")
    return ours


def _place(unit: int) -> tuple[int, int] | None:
    """Flat unit number -> (group, unit), or None for a unit that never runs."""
    for group, count in enumerate(UNITS):
        if unit < count:
            return group, unit
        unit -= count
    return None


def _rename_generator(state: State) -> State:
    ours: State = {}
    for key, value in state.items():
        parts = key.split(".")
        if "kernel" in parts:  # blur filters are constants here
            continue
        if parts[0] == "style":
            ours[f"mapping.layers.{int(parts[1]) - 1}.{parts[2]}"] = value
        elif key == "input.input":
            ours["const"] = value
        elif parts[0] == "noises":
            ours[f"{_layer(int(parts[1].removeprefix('noise_')))}.noise"] = value
        elif parts[0] in {"conv1", "to_rgb1"}:
            target = "first" if parts[0] == "conv1" else "first_rgb"
            ours |= _rename_layer(target, parts[1:], value)
        elif parts[0] == "convs":
            ours |= _rename_layer(_layer(int(parts[1]) + 1), parts[2:], value)
        elif parts[0] == "to_rgbs":
            ours |= _rename_layer(f"to_rgbs.{parts[1]}", parts[2:], value)
        else:
            raise CheckpointError(f"generator: key {key!r} is not known")
    return ours


def _layer(number: int) -> str:
    """Number of a convolution, 0 at 4x4, -> where it lives in ours."""
    if number == 0:
        return "first"
    return f"{'up_convs' if number % 2 else 'convs'}.{(number - 1) // 2}"


def _rename_layer(target: str, parts: list[str], value: Tensor) -> State:
    inner = ".".join(parts)
    if inner == "conv.weight":
        return {f"{target}.conv.weight": value[0]}
    if inner == "noise.weight":
        return {f"{target}.noise_gain": value}
    if inner in {"activate.bias", "bias"}:
        return {f"{target}.bias": value.reshape(-1)}
    return {f"{target}.{inner}": value}


def _fill(module: torch.nn.Module, state: State) -> None:
    try:
        module.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        first = str(error).split("\n\t")[1:2] or [str(error)]
        raise CheckpointError(f"checkpoint: {first[0].strip()}") from error
