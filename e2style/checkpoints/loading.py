"""Loading of models by name or by file; the content of a file says what it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from e2style.checkpoints import networks
from e2style.checkpoints.baselines import read_inverter
from e2style.checkpoints.headers import check_digest, kind_of_file
from e2style.checkpoints.identity import fingerprint, generator_tensors
from e2style.checkpoints.layout import FORMAT, Header
from e2style.checkpoints.locations import locate
from e2style.checkpoints.tensors import fill, read_content, read_tensors
from e2style.checkpoints.untrusted import reason
from e2style.devices import usable
from e2style.errors import CheckpointError
from e2style.model import InversionModel
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork, weightless

__all__ = ["load", "load_generator", "load_model"]


def load(path_or_name: str | os.PathLike[str] | None = None, device: str = "cpu") -> Any:
    """Load a model by name or by file; the content of a file says what it is.

    Parameters
    ----------
    path_or_name : name of a shipped or added model, a file, or a file name in
        DEEPHIDE_MODEL_DIR; None means the default model
    device : torch device

    Returns
    -------
    InversionModel, of a file of ours or an official `.pt` of E2Style, pSp, e4e or ReStyle; of a
    file that holds a generator, an encoder or a feature network alone, that network (see
    `e2style.checkpoints.networks`)

    Raises
    ------
    CheckpointError : missing, hash mismatch, or incompatible; names what is wrong
    ConfigError : no such device
    """
    usable(device)
    path, digest = locate(path_or_name)
    if digest is None and kind_of_file(path) != "safetensors":
        return _read_foreign(path, device)
    return _read(path, device, digest)


def load_model(
    path_or_name: str | os.PathLike[str] | None = None, device: str = "cpu"
) -> InversionModel:
    """Load what can invert, as `load` does; a file that holds one network is rejected.

    Raises
    ------
    CheckpointError : as in `load`
    """
    model = load(path_or_name, device)
    if not isinstance(model, InversionModel):
        found = type(model).__name__
        raise CheckpointError(f"model {path_or_name}: holds {found} alone, which cannot invert")
    return model


def load_generator(path: str | os.PathLike[str], device: str = "cpu") -> Generator:
    """Load a StyleGAN2 generator of any size from a rosinality-format file, or a converted one.

    Raises
    ------
    CheckpointError : not such a file, or a key is missing
    """
    return networks.load_generator_alone(path, device)


def _read(path: Path, device: str, digest: str | None = None) -> Any:
    check_digest(path, digest)
    try:
        header, tensors = read_tensors(path)
    except CheckpointError as error:
        raise CheckpointError(f"model {path}: {error}") from error
    if header.get("format") == networks.FORMAT:
        return networks.load_network(path, device)
    if header.get("format") != FORMAT:
        raise CheckpointError(f"model {path}: not a model file of this program")
    try:
        return _build(header, tensors, device)
    except Exception as error:  # a crafted file can make its reader fail nearly anywhere
        raise CheckpointError(f"model {path}: {reason(error)}") from error


def _read_foreign(path: Path, device: str) -> Any:
    """Model of a file of another program; one that can invert has no quantizer."""
    content = read_content(path)
    try:
        network = read_inverter(content)
        if network is None:
            return networks.read_network(content, device)
    except Exception as error:  # as in `_read`
        raise CheckpointError(f"model {path}: {reason(error)}") from error
    stored = {f"network.{key}": value for key, value in network.state_dict().items()}
    return InversionModel(network.channels_last(), fingerprint=fingerprint(stored), device=device)


def _build(header: dict[str, str], tensors: dict[str, Tensor], device: str) -> InversionModel:
    if header.get("generator"):
        shared = generator_tensors(header["generator"])
        if fingerprint(shared).hex() != header.get("generator_fingerprint"):
            raise CheckpointError(
                f"was trained with another generator than {header['generator']}'s"
            )
        tensors = tensors | shared
    found = Header.of(header, tensors, lambda key: tensors[key].numpy())
    with weightless():
        network = InversionNetwork(found.config)
    state = {
        key.removeprefix("network."): value.float() if value.is_floating_point() else value
        for key, value in tensors.items()
        if key.startswith("network.")
    }
    fill(network, state)
    return InversionModel(
        network.channels_last(),
        fingerprint=fingerprint(tensors),
        quantizers=found.quantizers,
        quality=found.quality,
        card=found.card,
        accept_psnr=found.accept_psnr,
        accept_bits=found.accept_bits,
        accept_likeness=found.accept_likeness,
        accept_face=found.accept_face,
        device=device,
    )
