"""Reading and writing of files that hold one network: see the registry in `kinds`."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from e2style.checkpoints.headers import kind_of_file
from e2style.checkpoints.kinds import KINDS, kind_of, read_feature_network
from e2style.checkpoints.official import estimated_mean, read_generator
from e2style.checkpoints.shipped import weights_file
from e2style.checkpoints.tensors import (
    fill,
    read_content,
    read_tensors,
    stored_as_half,
    write_tensors,
)
from e2style.checkpoints.untrusted import check_settings, reason
from e2style.devices import usable
from e2style.errors import CheckpointError, ConfigError
from e2style.models.alexnet import LPIPS, AlexNet, LPIPSHeads
from e2style.models.generator import Generator
from e2style.models.inversion import weightless
from e2style.models.irse50 import IRSE50
from e2style.models.parsing_unet import ParsingUNet
from e2style.settings import from_dict, to_json

FORMAT = "e2style-network-1"
MEAN_KEY = "latent_avg"
# The linear heads of LPIPS 0.1, which are small enough to ship; AlexNet itself is not.
LPIPS_HEADS = weights_file("lpips_alex.safetensors")
SMALL_RECOGNISER = weights_file("recogniser.safetensors")
_N = TypeVar("_N", bound=nn.Module)


def load_network(path: str | os.PathLike[str], device: str = "cpu") -> nn.Module:
    """Load the one network of a file, whatever it is: see the table in `kinds`.

    Parameters
    ----------
    path : file of torch, numpy or safetensors
    device : torch device

    Returns
    -------
    network, frozen, in eval mode

    Raises
    ------
    CheckpointError : not such a file, or a key is missing, unknown or of another shape
    """
    if kind_of_file(path) != "safetensors":
        content = read_content(path)
        with _naming(path):
            return read_network(content, device)
    with _naming(path):
        return _ready(_converted(path)[0], device)


def read_network(content: Any, device: str = "cpu") -> nn.Module:
    """Network of a loaded file.

    Raises
    ------
    CheckpointError : as in `load_network`
    """
    kind = kind_of(content)
    if kind is None:
        raise CheckpointError("its keys are those of no network that is known")
    network = kind.read(content) if kind.read else read_feature_network(kind.name, content)
    return _ready(network, device)


def load_generator(path: str | os.PathLike[str], device: str = "cpu") -> tuple[Generator, Tensor]:
    """Load a generator and its mean code.

    Returns
    -------
    generator, and the file's latent_avg (512,); where it has none, `estimated_mean`,
    with a warning

    Raises
    ------
    CheckpointError : as in `load_network`, or neither mean nor mapping network
    """
    converted = kind_of_file(path) == "safetensors"
    content = None if converted else read_content(path)
    with _naming(path):
        network, mean = _converted(path) if converted else read_generator(content)
        if not isinstance(network, Generator):
            raise CheckpointError(f"holds {type(network).__name__}, not Generator")
        if mean is None:
            mean = estimated_mean(network)
    return _ready(network, device), mean


def load_generator_alone(path: str | os.PathLike[str], device: str = "cpu") -> Generator:
    """Load a generator whose mean code is not needed; errors as in `load_network`."""
    return _typed(path, device, Generator)


def load_irse50(path: str | os.PathLike[str], device: str = "cpu") -> IRSE50:
    """Load the face recogniser of the identity loss; errors as in `load_network`."""
    return _typed(path, device, IRSE50)


def load_parsing_unet(path: str | os.PathLike[str], device: str = "cpu") -> ParsingUNet:
    """Load the face parser of the parsing loss; errors as in `load_network`."""
    return _typed(path, device, ParsingUNet)


def load_lpips(
    alexnet: str | os.PathLike[str],
    heads: str | os.PathLike[str] = LPIPS_HEADS,
    device: str = "cpu",
) -> LPIPS:
    """Load the perceptual distance from AlexNet's file; errors as in `load_network`."""
    return LPIPS(_typed(alexnet, device, AlexNet), _typed(heads, device, LPIPSHeads)).to(device)


def save_network(
    path: str | os.PathLike[str],
    network: nn.Module,
    mean: Tensor | None = None,
    *,
    half: bool = False,
) -> None:
    """Write a network of the registry as safetensors.

    Parameters
    ----------
    path : file to write
    network : of a class in the registry
    mean : (512,) mean code of a generator
    half : store weights, but not the statistics of batch norms, in half precision

    Raises
    ------
    CheckpointError : of no such class
    OutputError : the file cannot be written
    """
    kind = next((kind for kind in KINDS.values() if type(network) is kind.network), None)
    if kind is None:
        raise CheckpointError(f"{type(network).__name__}: no network that has files")
    config = to_json(network.config) if kind.config else ""
    header = {"format": FORMAT, "kind": kind.name, "config": config}
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    if half:
        tensors = {k: v.half() if stored_as_half(k, v) else v for k, v in tensors.items()}
    if mean is not None:
        tensors[MEAN_KEY] = mean.contiguous()
    write_tensors(path, tensors, header)


def _typed(path: str | os.PathLike[str], device: str, wanted: type[_N]) -> _N:
    network = load_network(path, device)
    if not isinstance(network, wanted):
        found = type(network).__name__
        raise CheckpointError(f"model {os.fspath(path)}: holds {found}, not {wanted.__name__}")
    return network


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say which file an error speaks of; a crafted one can make its reader fail anywhere."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise CheckpointError(f"model {os.fspath(path)}: {reason(error)}") from error


def _ready(network: _N, device: str) -> _N:
    usable(device)
    return network.eval().requires_grad_(False).to(device)


def _converted(path: str | os.PathLike[str]) -> tuple[nn.Module, Tensor | None]:
    header, tensors = read_tensors(path)
    kind = KINDS.get(header.get("kind", ""))
    if header.get("format") != FORMAT or kind is None:
        raise CheckpointError("not a network file of this program")
    with weightless():
        if kind.config is None:
            network = kind.network()
        else:
            settings = json.loads(header["config"])
            check_settings(settings)
            network = kind.network(from_dict(kind.config, settings))
    mean = tensors.pop(MEAN_KEY, None)
    fill(network, tensors, what=kind.name)
    return network, mean


def load_state(network: nn.Module, path: str | Path) -> nn.Module:
    """Fill a feature network from an `.npz` of arrays by key, freeze it, return it.

    Raises
    ------
    CheckpointError : the file is missing or damaged, or lacks a key of the network, or has one of
        another shape
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            state = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
        wanted = network.state_dict()
        missing = sorted(set(wanted) - set(state))
        if missing:
            raise CheckpointError(f"key {missing[0]!r} is missing")
        network.load_state_dict({key: state[key] for key in wanted})
    except Exception as error:  # a damaged archive can raise nearly anything
        raise CheckpointError(f"feature network {path}: {reason(error)}") from error
    network.requires_grad_(False)
    return network.eval()
