"""ONNX files of the networks that a weight file holds, for other programs: one a graph."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from torch import nn

from e2style.checkpoints.loading import load
from e2style.errors import OutputError
from e2style.files import in_words, replacing
from e2style.graphs.encoding import onnx_model
from e2style.graphs.format import Array, Graph
from e2style.graphs.of_networks import graphs_of
from e2style.model import InversionModel

__all__ = ["write_onnx"]

MOST_BYTES = (1 << 31) - 1  # of a protocol buffer


def write_onnx(source: str | os.PathLike[str], folder: str | os.PathLike[str]) -> list[Path]:
    """Write each graph of what a file holds as an ONNX file that needs no other.

    Weights are in single precision. `invert.1.onnx` takes images (B, 3, 256, 256) in [-1, 1] and
    gives codes, `invert.2.onnx` and so on take the codes of the one before as well, and
    `generate.onnx` makes images of codes.

    Parameters
    ----------
    source : path or name of a model, or of a network, as `e2style.load` takes it
    folder : for the files; it is made

    Returns
    -------
    what was written

    Raises
    ------
    CheckpointError : it cannot be loaded, or an operator has no counterpart
    OutputError : the folder cannot be written, or a file would have 2 GiB or more
    """
    loaded: InversionModel | nn.Module = load(source)
    network = loaded.network if isinstance(loaded, InversionModel) else loaded
    prefix = "network." if isinstance(loaded, InversionModel) else ""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    arrays = {prefix + key: _single(value.detach().numpy()) for key, value in tensors.items()}
    written = []
    for name, graph in graphs_of(network).items():
        target = Path(folder) / f"{name}.onnx"
        weights = _weights(graph, arrays)
        if sum(value.nbytes for value in weights.values()) > MOST_BYTES:
            raise OutputError(f"the output {target} would have 2 GiB or more, too much for ONNX")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as partial:
                Path(partial).write_bytes(onnx_model(graph, weights, whole=True))
        except OSError as error:
            message = f"the output {target} cannot be written: {in_words(error)}"
            raise OutputError(message) from error
        written.append(target)
    return written


def _single(value: Array) -> Array:
    return np.ascontiguousarray(value, np.float32 if value.dtype.kind == "f" else None)


def _weights(graph: Graph, arrays: dict[str, Array]) -> dict[str, Array]:
    """Tensors that a graph takes, and views of them, by the names that it knows."""
    found = {key: arrays[key] for key in graph.weights}
    return found | {key: arrays[name].reshape(sides) for key, (name, sides) in graph.views.items()}
