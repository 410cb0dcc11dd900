"""Graphs of networks as a model file lists them: operators, shapes, small constants.

A graph is a list of nodes of ONNX operators (opset 17). Whatever is neither computed, an input nor
a constant of the graph is a tensor of the model file, by its name there, so that weights are stored
once; a view is such a tensor in another shape. The listing is JSON, of which the program makes the
ONNX model itself:

    {"generate": {
      "inputs": {"codes": ["B", 14, 512]},
      "outputs": ["7"],
      "views": {"v0": ["network.generator.base.weight", [1536, 8192]]},
      "constants": {"c0": ["int64", [2], "<base64>"]},
      "nodes": [["Gather", ["codes", "c1"], ["0"], {"axis": 1}], ...]}}

A listing can therefore name no file, no function and no library of operators; operators and their
attributes are those of the table below, and everything is counted before it is believed.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from e2style.errors import CheckpointError

__all__ = ["BATCH", "OPERATORS", "Array", "Graph", "Node", "from_json", "to_json"]

BATCH = "B"  # an axis of any length in the shape of an input
Array: TypeAlias = NDArray[Any]
Attribute: TypeAlias = "int | float | str | list[int]"

MAX_TEXT = 1 << 24
MAX_GRAPHS, MAX_NODES, MAX_CONSTANT_BYTES = 64, 20_000, 1 << 22
MAX_NAME, MAX_ITEMS, MAX_SIDE = 200, 256, 1 << 22
TYPES = {"float32": np.float32, "int64": np.int64, "bool": np.bool_}

_COUNT = (1, 4096)  # strides, groups, sides of kernels: 0 would be divided by
_PADDING = (0, 4096)
_AXIS = (-8, 8)
_FLAG = (0, 1)
_POOL = {"kernel_shape": _COUNT, "strides": _COUNT, "pads": _PADDING, "ceil_mode": _FLAG}
_CONV = {
    "kernel_shape": _COUNT, "strides": _COUNT, "pads": _PADDING, "dilations": _COUNT,
    "group": _COUNT, "output_padding": _PADDING,
}  # fmt: skip
_REDUCTION = {"axes": _AXIS, "keepdims": _FLAG}
# Operators and the range of each attribute: None is any finite number, texts are a choice.
OPERATORS: dict[str, dict[str, Any]] = {
    **{
        name: {}
        for name in (
            "Add", "Sub", "Mul", "Div", "Max", "Min", "Sqrt", "Reciprocal", "Relu", "Sigmoid",
            "PRelu", "Clip", "MatMul", "Where", "Not", "Shape", "Expand", "Reshape", "Slice",
            "Unsqueeze", "Pad", "GlobalAveragePool", "Abs", "Tanh", "Greater",
        )
    },
    "AveragePool": _POOL | {"count_include_pad": _FLAG},
    "BatchNormalization": {"epsilon": None},
    "Cast": {"to": (1, 9)},
    "Concat": {"axis": _AXIS},
    "Conv": _CONV,
    "ConvTranspose": _CONV,
    "DepthToSpace": {"blocksize": _COUNT, "mode": ("CRD", "DCR")},
    "Gather": {"axis": _AXIS},
    "Gemm": {"transA": _FLAG, "transB": _FLAG, "alpha": None, "beta": None},
    "LeakyRelu": {"alpha": None},
    "MaxPool": _POOL | {"dilations": _COUNT},
    "ReduceL2": _REDUCTION,
    "ReduceMean": _REDUCTION,
    "ReduceSum": {"keepdims": _FLAG},
    "Softmax": {"axis": _AXIS},
    "Split": {"axis": _AXIS},
    "Transpose": {"perm": (0, 8)},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Node:
    """One operator: names of what goes in and out, and its attributes."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Graph:
    """A network from arrays to arrays.

    Attributes
    ----------
    inputs : shapes by name; `BATCH` or another text stands for an axis of any length
    outputs : names of what is computed
    constants : small arrays by name
    views : tensors of the model file that are taken in another shape: name there, and shape
    nodes : each behind those whose results it takes
    """

    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: tuple[str, ...]
    constants: Mapping[str, Array]
    views: Mapping[str, tuple[str, tuple[int, ...]]]
    nodes: tuple[Node, ...]

    @property
    def weights(self) -> list[str]:
        """Tensors of the model file that it takes by their own names, each once."""
        known = {*self.inputs, *self.constants, *self.views}
        wanted: dict[str, None] = {}
        for node in self.nodes:
            wanted.update(dict.fromkeys(n for n in node.inputs if n and n not in known))
            known.update(node.outputs)
        return list(wanted)


def to_json(graphs: Mapping[str, Graph]) -> str:
    """Listing of graphs by name, as a model file holds it."""
    listed = {
        name: {
            "inputs": {key: list(shape) for key, shape in graph.inputs.items()},
            "outputs": list(graph.outputs),
            "constants": {key: _packed(value) for key, value in graph.constants.items()},
            "views": {key: [name, list(shape)] for key, (name, shape) in graph.views.items()},
            "nodes": [
                [node.operator, list(node.inputs), list(node.outputs), dict(node.attributes)]
                for node in graph.nodes
            ],
        }
        for name, graph in graphs.items()
    }
    return json.dumps(listed, separators=(",", ":"))


def from_json(text: str) -> dict[str, Graph]:
    """Graphs of a listing, by name; everything in it is checked.

    Raises
    ------
    CheckpointError : names what is wrong
    """
    try:
        if len(text) > MAX_TEXT:
            raise CheckpointError(f"{len(text)} characters, at most {MAX_TEXT} allowed")
        listed = json.loads(text)
        if not isinstance(listed, dict) or len(listed) > MAX_GRAPHS:
            raise CheckpointError(f"not a listing of at most {MAX_GRAPHS} graphs")
        return {_name(name): _graph(fields) for name, fields in listed.items()}
    except CheckpointError as error:
        raise CheckpointError(f"its graphs: {error}") from error
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise CheckpointError("its graphs: the listing is damaged") from error


def _graph(fields: Any) -> Graph:
    inputs = {_name(key): _shape(shape) for key, shape in fields["inputs"].items()}
    constants, size = {}, 0
    for key, packed in fields["constants"].items():
        constants[_name(key)] = _unpacked(packed)
        size += constants[key].nbytes
    if size > MAX_CONSTANT_BYTES or not 1 <= len(inputs) <= MAX_ITEMS:
        raise CheckpointError(f"{len(inputs)} inputs and {size} bytes of constants")
    views = {}
    for key, (tensor, shape) in fields["views"].items():
        views[_name(key)] = (_name(tensor), _sides(shape))
    listed = fields["nodes"]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_NODES:
        raise CheckpointError(f"not a list of 1 to {MAX_NODES} nodes")
    nodes = tuple(_node(*each) for each in listed)
    made = [*inputs, *constants, *views, *(name for node in nodes for name in node.outputs)]
    if len(set(made)) != len(made):
        raise CheckpointError("a name stands for two things")
    graph = Graph(inputs, _names(fields["outputs"]), constants, views, nodes)
    computed = {name for node in nodes for name in node.outputs}
    if not graph.outputs or not set(graph.outputs) <= computed:
        raise CheckpointError("an output is not computed")
    early = computed.intersection(graph.weights)
    if early:
        raise CheckpointError(f"{min(early)} is used before it is computed")
    return graph


def _node(operator: Any, inputs: Any, outputs: Any, attributes: Any) -> Node:
    allowed = OPERATORS.get(operator) if isinstance(operator, str) else None
    if allowed is None:
        raise CheckpointError(f"operator {str(operator)[:40]!r} is not among those allowed")
    found = {}
    for key, value in attributes.items():
        if key not in allowed or not _is_allowed(value, allowed[key]):
            raise CheckpointError(f"operator {operator}: {str(key)[:40]} = {str(value)[:40]}")
        found[key] = value
    return Node(operator, _names(inputs), _names(outputs), found)


def _is_allowed(value: Any, bounds: Any) -> bool:
    if bounds is None:
        return isinstance(value, float) and bool(np.isfinite(value))
    if isinstance(bounds[0], str):
        return value in bounds
    items = value if isinstance(value, list) else [value]
    return len(items) <= MAX_ITEMS and all(
        type(item) is int and bounds[0] <= item <= bounds[1] for item in items
    )


def _names(listed: Any) -> tuple[str, ...]:
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_ITEMS:
        raise CheckpointError(f"not a list of at most {MAX_ITEMS} names")
    return tuple(_name(each) for each in listed)


def _name(name: Any) -> str:
    if not isinstance(name, str) or len(name) > MAX_NAME or not name.isprintable():
        raise CheckpointError(f"a name of other than {MAX_NAME} printable characters")
    return name


def _shape(shape: Any) -> tuple[int | str, ...]:
    if not isinstance(shape, list) or len(shape) > 8:
        raise CheckpointError("a shape of more than 8 axes")
    for axis in shape:
        if isinstance(axis, str):
            _name(axis)
        elif type(axis) is not int or not 0 <= axis <= MAX_SIDE:
            raise CheckpointError(f"a shape with an axis of {str(axis)[:40]}")
    return tuple(shape)


def _sides(shape: Any) -> tuple[int, ...]:
    found = _shape(shape)
    if any(isinstance(side, str) for side in found):
        raise CheckpointError("a constant or a view of no certain shape")
    return tuple(int(side) for side in found)


def _packed(value: Array) -> list[Any]:
    kind = next(name for name, kind in TYPES.items() if value.dtype == kind)
    content = value.astype(value.dtype.newbyteorder("<")).tobytes()
    return [kind, list(value.shape), base64.b64encode(content).decode()]


def _unpacked(packed: Any) -> Array:
    kind, shape, text = packed
    sides = _sides(shape)
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CheckpointError("a constant is damaged") from error
    dtype = np.dtype(TYPES[kind]).newbyteorder("<")
    if len(content) != dtype.itemsize * math.prod(sides):
        raise CheckpointError("a constant is of another size than it says")
    return np.frombuffer(content, dtype).astype(TYPES[kind]).reshape(sides)
