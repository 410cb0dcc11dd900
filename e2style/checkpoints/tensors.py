"""Reading files of tensors, and filling networks from them strictly, without running code."""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from e2style.checkpoints import nvidia
from e2style.checkpoints.headers import kind_of_file
from e2style.checkpoints.untrusted import check_bytes, check_claims, reason
from e2style.errors import CheckpointError, OutputError
from e2style.files import in_words, replacing

State = Mapping[str, Tensor]


def read_content(path: str | os.PathLike[str]) -> Any:
    """Content of a file of torch, of NVIDIA's, or the arrays of an `.npz` by key.

    The first bytes tell which it is.

    Tensors and plain containers only, never code. Large files stay on the disk until their
    tensors are used.

    Raises
    ------
    CheckpointError : the file is missing, damaged, or holds something else
    """
    path = Path(path)
    kind = kind_of_file(path)
    if kind == "safetensors":
        raise CheckpointError(f"model {path}: is a safetensors file, not one of torch or numpy")
    try:
        if kind == "numpy":
            with zipfile.ZipFile(path) as archive:
                claimed = sum(member.file_size for member in archive.infolist())
            check_bytes(claimed, 2 * path.stat().st_size)  # weights may be deflated a little
            with np.load(path, allow_pickle=False) as arrays:
                return {key: torch.from_numpy(arrays[key]) for key in arrays.files}
        if kind == "pickle":
            return nvidia.read(path)
        # Files from before torch 1.6 are no archives and cannot be mapped; torch itself would
        # read what is called .safetensors as that.
        misnamed = path.suffix == ".safetensors"
        mapped = zipfile.is_zipfile(path) and not misnamed
        # Training programs store their options beside the weights; a Namespace runs no code.
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # remarks about the pickle's protocol
            with path.open("rb") if misnamed else contextlib.nullcontext(path) as source:
                content = torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
        check_claims(content, path.stat().st_size)
        return content
    except Exception as error:  # a damaged file can raise nearly anything
        raise CheckpointError(f"model {path}: cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Fault of a file, without advice to load it in an unsafe way."""
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) or "allow_pickle" in text:
        return "it is damaged, or holds Python objects, which are never loaded"
    return reason(error)


def check_target(path: str | os.PathLike[str]) -> None:
    """Reject what no file can be written to, before the work that makes its content.

    Raises
    ------
    OutputError : there is no such folder, it must not be written to, or it is a folder itself
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"the output {target} is a folder")
    if not target.parent.is_dir():
        raise OutputError(f"the output {target}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"the output {target}: the folder {target.parent} is write-protected")


def write_tensors(
    path: str | os.PathLike[str], tensors: dict[str, Tensor], header: dict[str, str]
) -> None:
    """Write a safetensors file; it appears whole or not at all.

    Raises
    ------
    OutputError : it cannot be written
    """
    target = Path(path)
    try:
        with replacing(target) as partial:
            safetensors.torch.save_file(tensors, partial, header)
    except (OSError, safetensors.SafetensorError) as error:
        raise OutputError(f"the output {target} cannot be written: {in_words(error)}") from error


def stored_as_half(key: str, value: Tensor) -> bool:
    """Whether a network tensor is stored in half precision.

    Running statistics of the batch norms are not: a variance may leave its range.
    """
    return value.is_floating_point() and "running_" not in key


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a safetensors file.

    Raises
    ------
    CheckpointError : the file is missing or damaged
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"cannot be read: {in_words(error)}") from error


def fill(
    network: nn.Module,
    state: State,
    rename: Callable[[str], str] = str,
    *,
    what: str = "checkpoint",
    ignored: Callable[[str], bool] = lambda key: False,
) -> None:
    """Give every tensor of a network its value from a file; nothing may be missing or left over.

    Parameters
    ----------
    network : built with `weightless`, or with weights of its own
    state : tensors by the keys of the file
    rename : key of the network -> key of the file
    what : how errors call the file
    ignored : whether a key of the file may be left over

    Raises
    ------
    CheckpointError : a key is missing, unknown or of another shape; names the key of the file
    """
    filled: dict[str, Tensor] = {}
    used: set[str] = set()
    for key, own in network.state_dict().items():
        name = rename(key)
        if name not in state:
            raise CheckpointError(f"{what}: key {name!r} is missing")
        used.add(name)
        value = state[name]
        # Axes of length one stand in some files and not in others.
        if [n for n in value.shape if n > 1] != [n for n in own.shape if n > 1]:
            got, needed = tuple(value.shape), tuple(own.shape)
            raise CheckpointError(f"{what}: key {name!r} has shape {got}, needs {needed}")
        value = value.float() if value.is_floating_point() else value
        filled[key] = value.reshape(own.shape)
    unknown = [key for key in state if key not in used and not ignored(key)]
    if unknown:
        raise CheckpointError(f"{what}: key {unknown[0]!r} is not known")
    network.load_state_dict(filled, strict=True, assign=True)
