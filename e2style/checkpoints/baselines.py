"""Checkpoints of the baselines' own programs: pSp, e4e, ReStyle, and IDGI's encoder.

Only names are translated, as in `e2style.checkpoints.official`. Files of the first three hold
encoder, generator and mean code; pSp's and e4e's have the same tensors, and their options say which
it is.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from e2style.checkpoints.official import (
    check_blur,
    estimated_mean,
    generator_config,
    is_official,
    mean_codes,
    network_key,
    options_of,
    part_of,
    read_inversion,
    trunk_key,
)
from e2style.checkpoints.tensors import State, fill
from e2style.config import EncoderConfig, InversionConfig
from e2style.errors import CheckpointError
from e2style.models.idgi import IDGIEncoder
from e2style.models.inversion import InversionNetwork, weightless

WIDTHS, UNITS = (64, 128, 256, 512), (3, 4, 14, 3)
COARSE, MIDDLE = 3, 4  # rows of pSp's two deeper levels
# What the options call an encoder: our name, whether rows are offsets, whether one encoder refines.
ENCODERS = {
    "GradualStyleEncoder": ("psp", False, False),
    "Encoder4Editing": ("e4e", True, False),
    "BackboneEncoder": ("restyle", False, True),
    "ProgressiveBackboneEncoder": ("restyle-e4e", True, True),
}
STEPS = 5  # of ReStyle, where its options do not say
IDGI_SIGN = "block0.conv.weight"


def read_inverter(content: Any) -> InversionNetwork | None:
    """Network of a loaded `.pt` of E2Style, pSp, e4e or ReStyle; None where it is none of them.

    Raises
    ------
    CheckpointError : as in `read_baseline`
    """
    if is_official(content):
        return read_inversion(content)
    state = content.get("state_dict", ()) if isinstance(content, dict) else ()
    return read_baseline(content) if any(key.startswith("encoder.") for key in state) else None


def read_baseline(content: dict[str, Any]) -> InversionNetwork:
    """Network of a file {'state_dict', 'opts', 'latent_avg'} of pSp, e4e or ReStyle.

    Raises
    ------
    CheckpointError : an encoder that is not known, or a key is missing, unknown or of another
        shape; names it
    """
    state: dict[str, Tensor] = dict(content["state_dict"])
    options = options_of(content)
    kind = str(options.get("encoder_type", ""))
    if kind not in ENCODERS:
        allowed = ", ".join(ENCODERS)
        raise CheckpointError(f"opts: encoder_type is {kind!r}, known are {allowed}")
    name, deltas, repeats = ENCODERS[kind]
    generator = generator_config(part_of(state, "decoder."))
    stem = state.get("encoder.input_layer.0.weight")
    if stem is None:
        raise CheckpointError("baseline: key 'encoder.input_layer.0.weight' is missing")
    rows = generator.n_codes
    split = (0, 0, 0, rows) if repeats else (0, rows - COARSE - MIDDLE, MIDDLE, COARSE)
    config = InversionConfig(
        name=f"{name}-official",
        generator=generator,
        encoder=EncoderConfig(
            in_channels=stem.shape[1] - 3 * repeats,
            widths=WIDTHS,
            units=UNITS,
            pools=(0, 0, 0, 7),
            split=split,
            head="conv",
            pyramid=0 if repeats else WIDTHS[-1],
            deltas=deltas,
        ),
        iterations=int(options.get("n_iters_per_batch", STEPS)) if repeats else 0,
    )
    with weightless():
        network = InversionNetwork(config)
    average = content.get("latent_avg")
    starts_from_mean = bool(options.get("start_from_latent_avg", True))
    shape = (rows, generator.style_dim)
    given = average if average is not None and starts_from_mean else 0.0
    state["latent_avg"] = mean_codes(given, shape)

    def theirs(key: str) -> str:
        return network_key(key, lambda _, rest: f"encoder.{encoder_key(rest, split)}")

    check_blur(state)
    fill(network, state, theirs, what=f"{name} checkpoint", ignored=_is_filter)
    if average is None and starts_from_mean:
        network.w_avg = estimated_mean(network.generator).expand(shape).clone()
    return network


def encoder_key(key: str, split: tuple[int, ...]) -> str:
    """Key of our encoder -> key of theirs, for rows split as in `EncoderConfig`."""
    part, _, rest = key.partition(".")
    if part == "pyramid":
        _, number, leaf = rest.split(".")
        return f"latlayer{2 - int(number)}.{leaf}"  # ours run shallow to deep
    if part != "heads":
        return trunk_key(key)
    level, _, chain, within, leaf = rest.split(".", 4)
    row = sum(split[int(level) + 1 :]) + int(chain)
    return f"styles.{row}.convs.{leaf}" if within == "0" else f"styles.{row}.linear.{leaf}"


def read_idgi(state: State) -> IDGIEncoder:
    """Encoder of in-domain inversion, of any size.

    Raises
    ------
    CheckpointError : a key is missing, unknown or of another shape; names it
    """
    numbers = sorted({int(m[1]) for key in state if (m := re.match(r"block(\d+)\.", key))})
    last = numbers[-1]
    try:
        widths = [len(state[IDGI_SIGN])]
        widths += [len(state[f"block{k}.conv2.weight"]) for k in range(1, last)]
        channels = state[IDGI_SIGN].shape[1]
        rows = 2 * last
        dim = len(state[f"block{last}.fc.weight"]) // rows
    except KeyError as error:
        raise CheckpointError(f"IDGI encoder: key {error} is missing") from error
    config = EncoderConfig(
        image_size=4 << (last - 1),
        in_channels=channels,
        trunk="idgi",
        widths=tuple(widths),
        units=(1,) * last,
        pools=(0,) * last,
        split=(0,) * (last - 1) + (rows,),
    )
    with weightless():
        network = IDGIEncoder(config, dim)

    fill(network, state, lambda key: idgi_key(key, last), what="IDGI encoder")
    return network


def idgi_key(key: str, last: int) -> str:
    """Key of our IDGI encoder -> key of theirs, whose block `last` is the linear one."""
    part, _, rest = key.partition(".")
    if part == "first":
        return "block0." + _conv_key(rest, "")
    if part == "blocks":
        number, conv, rest = rest.split(".", 2)
        which = {"first": "1", "second": "2", "shortcut": ""}[conv]
        return f"block{int(number) + 1}.{_conv_key(rest, which)}"
    return f"block{last}.{'fc.' if part == 'linear' else 'bn.bn.'}{rest}"


def _conv_key(key: str, which: str) -> str:
    layer, leaf = key.split(".")
    if layer == "1":
        return f"bn{which}.bn.{leaf}"
    return f"conv{which}.weight" if leaf == "weight" else f"wscale{which}.bias"


def _is_filter(key: str) -> bool:
    return key.endswith(".kernel")
