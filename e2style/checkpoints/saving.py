"""Writing of model files: weights, quantizers, config and card."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence

import torch

from e2style.checkpoints.identity import fingerprint, generator_tensors
from e2style.checkpoints.layout import FORMAT, GENERATOR, quantizer_key
from e2style.checkpoints.tensors import stored_as_half, write_tensors
from e2style.errors import ConfigError
from e2style.model import DEFAULT_LIKENESS, ModelCard
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import ARRAYS, Quantizer
from e2style.settings import to_json

__all__ = ["save"]


def save(
    path: str | os.PathLike[str],
    network: InversionNetwork,
    *,
    quantizers: Sequence[Quantizer] = (),
    quality: int = 1,
    card: ModelCard | None = None,
    accept_psnr: float = 0.0,
    accept_bits: float = math.inf,
    accept_likeness: float = DEFAULT_LIKENESS,
    accept_face: bool = False,
    half: bool = True,
    generator: str = "",
) -> None:
    """Write a model file: weights, in half precision or as they are, quantizers, config, card.

    Parameters
    ----------
    path : file to write
    network : InversionNetwork
    quantizers, quality, card, accept_psnr, accept_bits, accept_likeness, accept_face : as in
        `InversionModel`
    half : store weights in half precision
    generator : name of the shipped model whose generator this is, which is then left out; a
        quantizer's fingerprint would not hold without it, so there must be none

    Raises
    ------
    ConfigError : no such model, another generator than its own, or there are quantizers
    OutputError : the file cannot be written
    """
    shared = _shared_generator(generator, network, quantizers) if generator else ""
    tensors = {}
    for key, value in network.state_dict().items():
        if shared and key.startswith("generator."):
            continue
        stored = value.half() if half and stored_as_half(key, value) else value
        tensors[f"network.{key}"] = stored.contiguous()
    for number, quantizer in enumerate(quantizers, 1):
        prefix = quantizer_key(number, len(quantizers))
        for name in ARRAYS:
            tensors[prefix + name] = torch.from_numpy(getattr(quantizer, name))
    header = {
        "format": FORMAT,
        "config": to_json(network.config),
        "card": json.dumps(dataclasses.asdict(card)) if card else "",
        "quality": repr(quality),
        "prices": json.dumps([quantizer.price for quantizer in quantizers]),
        "accept_psnr": repr(accept_psnr),
        "accept_bits": repr(accept_bits),
        "accept_likeness": repr(accept_likeness),
        "accept_face": repr(accept_face),
    }
    if shared:
        header |= {"generator": generator, "generator_fingerprint": shared}
    write_tensors(path, tensors, header)


def _shared_generator(name: str, network: InversionNetwork, quantizers: Sequence[Quantizer]) -> str:
    """Fingerprint of a shipped generator, hexadecimal, which the network's must be."""
    if quantizers:
        raise ConfigError("generator: a model with quantizers is written whole")
    tensors = generator_tensors(name)
    own = {f"{GENERATOR}{key}": value for key, value in network.generator.state_dict().items()}
    same = own.keys() == tensors.keys() and all(
        torch.equal(own[key].to(value.dtype).cpu(), value) for key, value in tensors.items()
    )
    if not same:
        raise ConfigError(f"generator: the network's is not that of {name}")
    return fingerprint(tensors).hex()
