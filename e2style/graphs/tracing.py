"""Tracing of networks of torch into graphs.

A network is run twice on tensors without content, with batches of two sizes. Its operators are
those that torch dispatches, so that no source is read. An extent that differs between the two runs
is the batch. What depends on weights alone and is far smaller than they are, such as the norms of
the components of a base, is computed here and becomes a constant; everything else stays an operator
on the weights of the file.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from e2style.errors import CheckpointError
from e2style.graphs.format import BATCH, Array, Graph, Node
from e2style.graphs.operators import RULES

__all__ = ["Tracer", "trace"]

BATCHES = (2, 3)
FOLDED = 64  # a result so many times smaller than its weights becomes a constant
FOLDED_ALWAYS = 16  # numbers
# Operators that show a tensor in another shape, as it lies in memory.
VIEWS = {f"aten.{name}.default" for name in ("view", "_unsafe_view", "unsqueeze", "detach")}


def trace(
    network: nn.Module, inputs: Mapping[str, tuple[int | str, ...]], prefix: str = ""
) -> Graph:
    """Graph of a network in eval mode.

    Parameters
    ----------
    network : takes tensors, gives one or several; all of them float32
    inputs : shapes by name, in the order of the arguments; `BATCH` and other texts stand for axes
        of any length
    prefix : of the network's tensors in the model file

    Raises
    ------
    CheckpointError : an operator has no counterpart here
    """
    state: dict[str, Tensor] = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    runs = []
    for batch in BATCHES:
        examples = [
            torch.zeros([batch if side == BATCH else _example(side) for side in shape])
            for shape in inputs.values()
        ]
        runs.append(_dispatched(network, state, examples))
    return Tracer(runs, state, inputs, prefix).graph()


def _example(side: int | str) -> int:
    return side if isinstance(side, int) else 48  # of an axis of any length but the batch


def _dispatched(
    network: nn.Module, state: Mapping[str, Tensor], examples: Sequence[Tensor]
) -> fx.Graph:
    """Operators that torch dispatches for a network, on tensors without content."""

    def run(tensors: Mapping[str, Tensor], *arguments: Tensor) -> Any:
        return functional_call(network, dict(tensors), arguments)

    # Weights that could be trained keep networks from their shortcuts for one image; how they lie
    # in memory is torch's affair.
    trained = {key for key, _ in network.named_parameters()}
    free = {
        key: value.detach().contiguous().requires_grad_(key in trained)
        for key, value in state.items()
    }
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        module = make_fx(run, tracing_mode="fake")(free, *examples)
    graph: fx.Graph = module.graph
    graph.owning_module = module
    graph.eliminate_dead_code()
    return graph


def _literals(node: fx.Node) -> str:
    """Arguments of a node that are no results of others."""
    return repr(fx.map_arg((node.args, node.kwargs), lambda _: None))


class Tracer:
    """Translation of what was dispatched, node by node; rules are in `operators`.

    Parameters
    ----------
    runs : the same operators for the batches in `BATCHES`
    state : tensors of the network by name
    inputs, prefix : as in `trace`
    """

    def __init__(
        self,
        runs: Sequence[fx.Graph],
        state: Mapping[str, Tensor],
        inputs: Mapping[str, tuple[int | str, ...]],
        prefix: str,
    ) -> None:
        self._inputs, self._prefix = inputs, prefix
        self._nodes: list[Node] = []
        self._constants: dict[str, Array] = {}
        self._known: dict[bytes, str] = {}
        self._views: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._names: dict[fx.Node, str] = {}
        self._parts: dict[fx.Node, list[str]] = {}
        self._values: dict[fx.Node, Any] = {}
        self._size: dict[fx.Node, int] = {}  # of the weights that a constant is computed from
        first, second = (list(run.nodes) for run in runs)
        if [node.target for node in first[len(state) :]] != [
            node.target for node in second[len(state) :]
        ]:
            raise CheckpointError("graph: the network depends on the size of the batch")
        self._module = runs[0].owning_module
        self._first = first
        self._twin = dict(zip(first, second, strict=True))
        places = [node for node in first if node.op == "placeholder"]
        for node, (key, tensor) in zip(places, state.items(), strict=False):
            self._values[node], self._size[node] = tensor.detach().contiguous(), tensor.numel()
            self._names[node] = prefix + key
        for node, key in zip(places[len(state) :], inputs, strict=True):
            self._names[node] = key

    def graph(self) -> Graph:
        """Translate everything."""
        outputs: list[fx.Node] = []
        for node in self._first:
            if node.op == "get_attr":
                self._values[node] = getattr(self._module, str(node.target)).detach()
                self._size[node] = 0
            elif node.op == "call_function":
                above = node.all_input_nodes
                if all(each in self._size for each in above) and not self._grows(node):
                    self._size[node] = sum(self._size[each] for each in above)
                else:
                    self._translate(node)
            elif node.op == "output":
                listed: Any = node.args[0]
                outputs = list(listed) if isinstance(listed, list | tuple) else [listed]
        names = tuple(self.name(node) for node in outputs)
        used = {name for node in self._nodes for name in node.inputs}
        constants = {key: value for key, value in self._constants.items() if key in used}
        views = {key: value for key, value in self._views.items() if key in used}
        return Graph(dict(self._inputs), names, constants, views, tuple(self._nodes))

    def _grows(self, node: fx.Node) -> bool:
        """Whether a result is as large as the batch."""
        value = node.meta.get("val")
        # How many entries of a weight are not 0, as `nonzero` asks, is no matter of the batch.
        known = isinstance(value, Tensor) and all(isinstance(side, int) for side in value.shape)
        return known and -1 in self.shape(node)

    def _translate(self, node: fx.Node) -> None:
        if node.target is operator.getitem:
            source, number = cast(tuple[fx.Node, int], node.args)
            self._names[node] = self._parts[source][number]
            return
        rule = RULES.get(str(node.target).removeprefix("aten."))
        if rule is None:
            raise CheckpointError(f"graph: the operator {node.target} has no counterpart")
        fixed = isinstance(node.meta["val"], Tensor) and not self._grows(node)
        if fixed and _literals(node) != _literals(self._twin[node]):
            raise CheckpointError("graph: the network depends on the size of the batch")
        found = rule(self, node)
        if isinstance(found, str):
            self._names[node] = found
        self._parts[node] = [found] if isinstance(found, str) else list(found)

    def name(self, value: Any) -> str:
        """Name of what a node computes; a number or a small result of weights is a constant."""
        if not isinstance(value, fx.Node):
            return self.constant(np.float32(value))
        if value not in self._names:
            count, weights = value.meta["val"].numel(), self._size[value]
            ruled = str(value.target).removeprefix("aten.") in RULES
            small = count <= FOLDED_ALWAYS or count * FOLDED <= weights or not weights
            if small or not ruled:
                self._names[value] = self.constant(self.value(value))
            elif str(value.target) in VIEWS and self._tensor(value) is not None:
                self._names[value] = self._view(value)
            else:
                self._translate(value)
        return self._names[value]

    def _tensor(self, node: fx.Node) -> str | None:
        """Name of the tensor of the file that a node shows in whatever shape, or None."""
        while str(node.target) in VIEWS:
            node = cast(fx.Node, node.args[0])
        is_tensor = node.op == "placeholder" and node in self._size
        return self._names[node] if is_tensor else None

    def _view(self, node: fx.Node) -> str:
        shape = tuple(int(side) for side in node.meta["val"].shape)
        found = (cast(str, self._tensor(node)), shape)
        name = next((key for key, view in self._views.items() if view == found), "")
        if not name:
            name = f"v{len(self._views)}"
            self._views[name] = found
        return name

    def value(self, node: fx.Node) -> Any:
        """What a node computes from weights alone."""
        if node not in self._values:
            if node not in self._size:
                raise CheckpointError(f"graph: {node.target} takes what has to be a constant")
            arguments = fx.map_arg(node.args, self.value)
            options = fx.map_arg(node.kwargs, self.value)
            options = {**options, "device": "cpu"} if "device" in options else options
            with torch.no_grad():
                self._values[node] = node.target(*arguments, **options)  # type: ignore[operator]
        return self._values[node]

    def is_constant(self, value: Any) -> bool:
        """Whether something depends on no input."""
        return not isinstance(value, fx.Node) or value in self._size

    def shape(self, node: fx.Node) -> list[int]:
        """Shape of what a node computes; the axis of the batch, or of a multiple of it, is -1."""
        one, other = node.meta["val"].shape, self._twin[node].meta["val"].shape
        return [int(a) if a == b else -1 for a, b in zip(one, other, strict=True)]

    def batches(self, node: fx.Node) -> int:
        """How many batches long the first axis of a result is."""
        return int(node.meta["val"].shape[0]) // BATCHES[0]

    def constant(self, value: Tensor | Array | np.generic | Sequence[int] | int) -> str:
        """Name of a constant: whole numbers are int64, all others float32 or bool."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        kind = {"f": np.float32, "i": np.int64, "b": np.bool_}[array.dtype.kind]
        array = np.ascontiguousarray(array, kind).reshape(array.shape)
        key = f"{array.dtype}{array.shape}".encode() + array.tobytes()
        if key not in self._known:
            self._known[key] = f"c{len(self._known)}"
            self._constants[self._known[key]] = array
        return self._known[key]

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; gives the name of its output, or a list of them where there are several."""
        start = len(self._nodes)
        names = [f"{start}" if outputs == 1 else f"{start}.{k}" for k in range(outputs)]
        self._nodes.append(Node(operator, inputs, tuple(names), attributes))
        return names[0] if outputs == 1 else names

    def batch_shape(self, sides: Sequence[int], batches: int) -> str:
        """Name of a shape, whose axis -1 is as long as the batch of the first input."""
        if -1 not in sides:
            return self.constant(list(sides))
        if batches != 1 or sides[0] != -1:
            raise CheckpointError("graph: a shape that is a multiple of the batch")
        whole = self.add("Shape", next(iter(self._inputs)))
        zero, one = self.constant([0]), self.constant([1])
        length = self.add("Slice", whole, zero, one, zero)
        return str(self.add("Concat", length, self.constant(list(sides[1:])), axis=0))
