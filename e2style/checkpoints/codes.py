"""Codes on the disk: safetensors that name the generator they belong to."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from e2style.checkpoints.tensors import read_tensors
from e2style.errors import CheckpointError
from e2style.files import in_words
from e2style.model import InversionModel

__all__ = ["FORMAT", "Codes", "check_model", "joined", "load_codes"]

FORMAT = "e2style-codes-1"


@dataclasses.dataclass(frozen=True, eq=False)
class Codes:
    """W+ codes and whose they are.

    Attributes
    ----------
    values : (N, n, 512) float32
    names : N names, of the images they came from
    model : name of the model
    fingerprint : 32 bytes, of the model
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    model: str
    fingerprint: bytes

    @classmethod
    def of(cls, model: InversionModel, values: NDArray[np.float32], *names: str) -> Codes:
        """Codes (N, n, 512) that `model` made, and their names."""
        return cls(values, names, model.name, model.fingerprint)

    def to_bytes(self) -> bytes:
        """Content of a file."""
        header = {
            "format": FORMAT,
            "names": json.dumps(self.names),
            "model": self.model,
            "fingerprint": self.fingerprint.hex(),
        }
        values = torch.from_numpy(np.ascontiguousarray(self.values, dtype=np.float32))
        return safetensors.torch.save({"codes": values}, header)


def load_codes(path: str | os.PathLike[str], model: InversionModel) -> Codes:
    """Read codes for the generator of `model`.

    Raises
    ------
    CheckpointError : no such file, damaged, or the codes of another model
    """
    name = Path(path).name
    try:
        header, tensors = read_tensors(path)
    except CheckpointError as error:
        raise CheckpointError(f"codes {name}: {in_words(error)}") from error
    if header.get("format") != FORMAT or set(tensors) != {"codes"}:
        raise CheckpointError(f"codes {name}: not a file of codes")
    check_model(f"codes {name}", header, model)
    values = tensors["codes"].float().numpy()
    rows = (model.n_codes, model.config.generator.style_dim)
    if values.ndim != 3 or not len(values) or values.shape[1:] != rows:
        raise CheckpointError(f"codes {name}: of shape {values.shape}, needs (N, {rows[0]}, 512)")
    if not np.isfinite(values).all():
        raise CheckpointError(f"codes {name}: hold values that are no numbers")
    try:
        names = json.loads(header.get("names", ""))
    except ValueError:
        names = []
    if not isinstance(names, list) or len(names) != len(values):
        raise CheckpointError(f"codes {name}: {len(values)} codes without as many names")
    return Codes.of(model, values, *map(str, names))


def joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Codes (N, n, 512) of several inputs as one array."""
    return np.concatenate(list(parts))


def check_model(what: str, header: dict[str, str], model: InversionModel) -> None:
    """Reject what was made with another model.

    Parameters
    ----------
    what : how the message calls it
    header : of its file
    model : that it is to be used with

    Raises
    ------
    CheckpointError : names both models
    """
    theirs, ours = header.get("fingerprint", ""), model.fingerprint.hex()
    if theirs != ours:
        raise CheckpointError(
            f"{what}: made with model {header.get('model')} ({theirs[:16]}), "
            f"not with {model.name} ({ours[:16]})"
        )
