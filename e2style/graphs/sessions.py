"""Sessions of onnxruntime that run graphs on the tensors of a model file.

::

    model file ─► tensors ─┬─► session of "invert.1" ─► codes
                           └─► session of "generate" ─► images

A tensor is read once, shared by all graphs that take it, and handed to onnxruntime as an input of
each run, which copies nothing; as a part of its model it would be there two or three times (139
against 289 MB for one image of the default model), and folding constants takes longer than it
saves. Everything runs in one thread, so that
the order of summation, and with it the last bit, does not depend on how many cores there are.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2style.errors import CheckpointError, ConfigError
from e2style.graphs.encoding import TYPE_NUMBERS, onnx_model
from e2style.graphs.format import Array, Graph

__all__ = ["Networks"]

Floats = NDArray[np.float32]


class Networks:
    """The graphs of one model file, each loaded when it is run for the first time.

    Parameters
    ----------
    graphs : by name
    read : tensor of the model file by its name, in single precision where it has fractions
    what : how errors call the file
    device : "cpu" or "cuda", if the onnxruntime that is installed has it

    Raises
    ------
    ConfigError : no such device
    """

    def __init__(
        self,
        graphs: Mapping[str, Graph],
        read: Callable[[str], Array],
        what: str,
        device: str = "cpu",
    ) -> None:
        self._graphs, self._read, self._what = graphs, read, what
        self._providers = _providers(device)
        self._arrays: dict[str, Array] = {}
        self._sessions: dict[str, tuple[Any, dict[str, Array]]] = {}  # each with its weights
        self._lock = threading.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._graphs

    def run(self, name: str, *arrays: Floats) -> list[Floats]:
        """Results of a graph.

        Parameters
        ----------
        name : of the graph
        arrays : its inputs, in order

        Raises
        ------
        CheckpointError : there is no such graph, or it cannot be run
        """
        if name not in self._graphs:
            raise CheckpointError(f"{self._what}: has no graph {name!r}")
        graph = self._graphs[name]
        with self._lock:
            if name not in self._sessions:
                self._sessions[name] = self._loaded(graph)
        session, weights = self._sessions[name]
        feeds = weights | {
            key: np.ascontiguousarray(array, np.float32)
            for key, array in zip(graph.inputs, arrays, strict=True)
        }
        try:
            found: list[Floats] = session.run(None, feeds)
        except Exception as error:  # whatever a crafted graph can make it raise
            raise CheckpointError(f"{self._what}: graph {name!r}: {_reason(error)}") from error
        return found

    def _loaded(self, graph: Graph) -> tuple[Any, dict[str, Array]]:
        import onnxruntime

        weights = {key: self._array(key) for key in graph.weights}
        for key, (name, shape) in graph.views.items():
            array = self._array(name)
            if array.size != math.prod(shape):
                raise CheckpointError(f"{self._what}: its graphs: tensor {name!r} as {shape}")
            weights[key] = array.reshape(shape)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                onnx_model(graph, weights), options, providers=self._providers
            )
        except Exception as error:  # as in `run`
            raise CheckpointError(f"{self._what}: its graphs: {_reason(error)}") from error
        return session, weights

    def _array(self, key: str) -> Array:
        """Tensor of the file, in a type that graphs compute with."""
        if key not in self._arrays:
            value = self._read(key)
            if value.dtype not in TYPE_NUMBERS:
                raise CheckpointError(f"{self._what}: tensor {key!r} is of type {value.dtype}")
            self._arrays[key] = value
        return self._arrays[key]


def _providers(device: str) -> list[str]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    import onnxruntime

    if device != "cuda" or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ConfigError(f"device: got {device!r}, but onnxruntime has none such here")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
