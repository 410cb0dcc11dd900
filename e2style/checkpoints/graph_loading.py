"""Loading without torch: models and single networks whose files have graphs."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from e2style.checkpoints.fingerprints import shared_generator
from e2style.checkpoints.graphs import graphs_of_file
from e2style.checkpoints.headers import check_digest, kind_of_file
from e2style.checkpoints.layout import FORMAT, GENERATOR, MEAN, Header
from e2style.checkpoints.locations import locate
from e2style.checkpoints.shipped import OTHERS, weights_file
from e2style.checkpoints.tensor_files import TensorFile, file_fingerprint
from e2style.checkpoints.untrusted import reason
from e2style.errors import CheckpointError, ConfigError
from e2style.graphs.models import GraphModel
from e2style.graphs.sessions import Networks

if TYPE_CHECKING:
    from e2style.model import InversionModel

__all__ = ["BACKENDS", "chosen_backend", "load_for_inference", "load_networks"]

# The first one is the default: it starts in a tenth of the time and half of the memory.
BACKENDS = ("onnxruntime", "torch")
VARIABLE = "DEEPHIDE_BACKEND"
INSTALL = "pip install 'deephide[train]'"

# Last parts of the names of tensors that no training changes, in all networks of the family.
_BUFFERS = {
    "running_mean", "running_var", "num_batches_tracked", "noise", "odd", "attention",
    "metric_even", "metric_odd", "spread", "feature_scale",
}  # fmt: skip


def chosen_backend() -> str:
    """Backend that the variable DEEPHIDE_BACKEND names; "onnxruntime" where it names none.

    Raises
    ------
    ConfigError : it names something else, or torch, which is not installed
    """
    name = os.environ.get(VARIABLE) or BACKENDS[0]
    if name not in BACKENDS:
        raise ConfigError(f"{VARIABLE}: got {name!r}, allowed are {', '.join(BACKENDS)}")
    if name == "torch" and not has_torch():
        raise ConfigError(f"{VARIABLE}: torch is not installed; install it: {INSTALL}")
    return name


def has_torch() -> bool:
    """Whether torch is installed; it is not loaded for that."""
    return importlib.util.find_spec("torch") is not None


def load_for_inference(
    path_or_name: str | os.PathLike[str] | None = None, device: str = "cpu"
) -> GraphModel | InversionModel:
    """Load what can invert, for whichever backend runs it: see `chosen_backend`.

    A file without graphs needs torch, whatever is chosen.

    Parameters
    ----------
    path_or_name : as in `e2style.load`
    device : "cpu" or "cuda"; with torch any device of it

    Raises
    ------
    CheckpointError : as in `e2style.load`, or the file has no graphs and torch is not installed
    ConfigError : no such backend or device
    """
    if chosen_backend() == "onnxruntime":
        path, digest = locate(path_or_name)
        if kind_of_file(path) == "safetensors":
            found = _graph_model(path, digest, device)
            if found is not None:
                return found
        if not has_torch():
            raise CheckpointError(
                f"model {path}: has no graphs, and torch, which runs it without, is not "
                f"installed; install it: {INSTALL}, or add graphs with `e2style convert` where "
                "it is"
            )
    from e2style.checkpoints.loading import load_model

    return load_model(path_or_name, device)


def load_networks(name: str) -> Networks | None:
    """Load the graphs of a file that ships and is no model; None where torch is to run it.

    Parameters
    ----------
    name : in `shipped.OTHERS`

    Raises
    ------
    CheckpointError : it is missing, has another hash, or damaged graphs
    """
    if chosen_backend() == "torch":
        return None
    path, digest = weights_file(f"{name}.safetensors"), OTHERS.get(name)
    check_digest(path, digest)
    file = TensorFile(path)
    graphs = graphs_of_file(file, digest)
    return Networks(graphs, file.read_single, f"model {path}")


def _graph_model(path: Path, digest: str | None, device: str) -> GraphModel | None:
    file = TensorFile(path)
    if file.metadata.get("format") != FORMAT:
        return None  # a single network, or no file of ours: the other reader says what it is
    homes = dict.fromkeys(file.keys(), file)
    if "generator" in file.metadata:
        check_digest(path, digest)
        other = shared_generator(file)
        fingerprint = other.generator_fingerprint()
        homes |= {key: other for key in other.keys() if key.startswith(GENERATOR)}
    else:
        fingerprint = file_fingerprint(path, digest, path.stat().st_mtime_ns)
    graphs = graphs_of_file(file, digest)
    if not graphs:
        return None

    def read(key: str) -> NDArray[Any]:
        return homes.get(key, file).read(key)

    def read_single(key: str) -> NDArray[Any]:
        return homes.get(key, file).read_single(key)

    networks = Networks(graphs, read_single, f"model {path}", device)
    try:
        return GraphModel(
            networks=networks,
            fingerprint=fingerprint,
            w_avg=read(MEAN).astype(np.float32),
            parameters=_counts(homes),
            **vars(Header.of(file.metadata, homes, read)),
        )
    except Exception as error:  # a crafted file can make its reader fail nearly anywhere
        raise CheckpointError(f"model {path}: {reason(error)}") from error


def _counts(homes: Mapping[str, TensorFile]) -> dict[str, int]:
    """Trained numbers of generator and encoders, as `e2style.count_parameters` counts them."""
    found = {"generator": 0, "encoder": 0}
    for key, file in homes.items():
        part = key.split(".")[1] if key.startswith("network.") else ""
        name = {"generator": "generator", "encoders": "encoder"}.get(part)
        if name and key.rpartition(".")[2] not in _BUFFERS:
            found[name] += math.prod(file.shape(key))
    return found
