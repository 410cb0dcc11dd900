"""Operators of torch, as they are dispatched, in terms of ONNX: one rule each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx

from e2style.errors import CheckpointError

if TYPE_CHECKING:
    from e2style.graphs.tracing import Tracer

__all__ = ["RULES"]

Rule = Callable[["Tracer", fx.Node], "str | Sequence[str]"]
RULES: dict[str, Rule] = {}
_FLOAT, _FAR = 1, 1 << 31


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def _argument(node: fx.Node, place: int, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else default


def _simple(name: str) -> Rule:
    def rule(tracer: Tracer, node: fx.Node) -> str:
        return str(tracer.add(name, *(_as_float(tracer, each) for each in node.args[:2])))

    return rule


def _as_float(tracer: Tracer, value: Any) -> str:
    """Name of a value as float32: truth values are counted with."""
    name = tracer.name(value)
    is_truth = isinstance(value, fx.Node) and value.meta["val"].dtype == torch.bool
    return str(tracer.add("Cast", name, to=_FLOAT)) if is_truth else name


for _torch_name, _onnx_name in (
    ("sub.Tensor", "Sub"), ("mul.Tensor", "Mul"), ("div.Tensor", "Div"), ("mul.Scalar", "Mul"),
    ("relu.default", "Relu"), ("sigmoid.default", "Sigmoid"), ("sqrt.default", "Sqrt"),
    ("_prelu_kernel.default", "PRelu"), ("bmm.default", "MatMul"), ("abs.default", "Abs"),
    ("tanh.default", "Tanh"),
):  # fmt: skip
    RULES[_torch_name] = _simple(_onnx_name)


@_rule("add.Tensor")
def _add(tracer: Tracer, node: fx.Node) -> str:
    if node.kwargs.get("alpha", 1) != 1:
        raise CheckpointError("graph: a sum with a factor")
    return _simple("Add")(tracer, node)  # type: ignore[return-value]


@_rule(
    "clone.default", "detach.default", "lift_fresh_copy.default", "alias.default",
    "_to_copy.default", "contiguous.default",
)  # fmt: skip
def _same(tracer: Tracer, node: fx.Node) -> str:
    return _as_float(tracer, node.args[0])


@_rule("as_strided_.default")
def _laid_out(tracer: Tracer, node: fx.Node) -> str:
    x: Any = node.args[0]
    if tracer.shape(x) != tracer.shape(node):
        raise CheckpointError("graph: a view that skips values")
    return tracer.name(x)


@_rule("bitwise_not.default", "logical_not.default")
def _not(tracer: Tracer, node: fx.Node) -> str:
    return str(tracer.add("Not", tracer.name(node.args[0])))


@_rule("where.self")
def _where(tracer: Tracer, node: fx.Node) -> str:
    return str(tracer.add("Where", *(tracer.name(each) for each in node.args)))


@_rule("gt.Scalar")
def _greater(tracer: Tracer, node: fx.Node) -> str:
    limit: Any = node.args[1]
    bound = tracer.constant(np.float32(limit))
    return str(tracer.add("Greater", tracer.name(node.args[0]), bound))


@_rule("pow.Tensor_Scalar")
def _power(tracer: Tracer, node: fx.Node) -> str:
    if node.args[1] != 2:
        raise CheckpointError(f"graph: a power of {node.args[1]}")
    x = _as_float(tracer, node.args[0])
    return str(tracer.add("Mul", x, x))


@_rule("rsqrt.default")
def _rsqrt(tracer: Tracer, node: fx.Node) -> str:
    return str(tracer.add("Reciprocal", tracer.add("Sqrt", tracer.name(node.args[0]))))


@_rule("clamp_min.default", "clamp.default", "hardtanh.default")
def _clamp(tracer: Tracer, node: fx.Node) -> str:
    default = (-1.0, 1.0) if "hardtanh" in str(node.target) else (None, None)
    low, high = (_argument(node, k + 1, default[k]) for k in (0, 1))
    bounds = ["" if each is None else tracer.constant(np.float32(each)) for each in (low, high)]
    return str(
        tracer.add("Clip", tracer.name(node.args[0]), *(bounds if bounds[1] else bounds[:1]))
    )


@_rule("leaky_relu.default")
def _leaky_relu(tracer: Tracer, node: fx.Node) -> str:
    return str(
        tracer.add("LeakyRelu", tracer.name(node.args[0]), alpha=float(_argument(node, 1, 0.01)))
    )


@_rule("addcmul.default")
def _addcmul(tracer: Tracer, node: fx.Node) -> str:
    total, one, other = (tracer.name(each) for each in node.args)
    return str(tracer.add("Add", total, tracer.add("Mul", one, other)))


@_rule("_softmax.default")
def _softmax(tracer: Tracer, node: fx.Node) -> str:
    return str(tracer.add("Softmax", tracer.name(node.args[0]), axis=int(node.args[1])))  # type: ignore[arg-type]


@_rule("mm.default", "addmm.default", "mv.default")
def _product(tracer: Tracer, node: fx.Node) -> str:
    *bias, one, other = node.args
    turned = isinstance(other, fx.Node) and other.target is torch.ops.aten.t.default
    if turned and tracer.is_constant(other):
        # The weight is taken as it is stored, not turned: a copy of it may be 50 MB.
        names = [tracer.name(one), tracer.name(other.args[0])]  # type: ignore[union-attr]
        return str(tracer.add("Gemm", *names, *(tracer.name(each) for each in bias), transB=1))
    found = str(tracer.add("MatMul", tracer.name(one), tracer.name(other)))
    return str(tracer.add("Add", found, tracer.name(bias[0]))) if bias else found


@_rule("convolution.default")
def _convolution(tracer: Tracer, node: fx.Node) -> str:
    x, weight, bias, stride, padding, dilation, transposed, extra, groups = node.args
    names = [tracer.name(each) for each in (x, weight, bias) if each is not None]
    shape = weight.meta["val"].shape  # type: ignore[union-attr]
    attributes: dict[str, Any] = {
        "kernel_shape": [int(side) for side in shape[2:]],
        "strides": list(stride),  # type: ignore[arg-type]
        "pads": 2 * list(padding),  # type: ignore[arg-type]
        "dilations": list(dilation),  # type: ignore[arg-type]
        "group": groups,
    }
    if not transposed:
        return str(tracer.add("Conv", *names, **attributes))
    attributes["output_padding"] = list(extra)  # type: ignore[arg-type]
    return str(tracer.add("ConvTranspose", *names, **attributes))


@_rule("native_batch_norm.default", "_native_batch_norm_legit_no_training.default")
def _batch_norm(tracer: Tracer, node: fx.Node) -> list[str]:
    x, weight, bias, mean, variance = node.args[:5]
    count = int(variance.meta["val"].numel())  # type: ignore[union-attr]
    names = [
        tracer.constant(np.full(count, default, np.float32)) if each is None else tracer.name(each)
        for each, default in ((weight, 1), (bias, 0), (mean, 0), (variance, 1))
    ]
    epsilon = float(node.args[-1])  # type: ignore[arg-type]
    return [str(tracer.add("BatchNormalization", tracer.name(x), *names, epsilon=epsilon))]


@_rule("max_pool2d_with_indices.default")
def _max_pool(tracer: Tracer, node: fx.Node) -> list[str]:
    kernel = list(_argument(node, 1, ()))
    stride = list(_argument(node, 2, None) or kernel)
    padding, dilation = list(_argument(node, 3, [0, 0])), list(_argument(node, 4, [1, 1]))
    attributes: dict[str, Any] = {
        "kernel_shape": kernel, "strides": stride, "pads": 2 * padding, "dilations": dilation,
        "ceil_mode": int(_argument(node, 5, False)),
    }  # fmt: skip
    return [str(tracer.add("MaxPool", tracer.name(node.args[0]), **attributes))]


@_rule("avg_pool2d.default")
def _average_pool(tracer: Tracer, node: fx.Node) -> str:
    kernel = list(_argument(node, 1, ()))
    stride, padding = list(_argument(node, 2, None) or kernel), list(_argument(node, 3, [0, 0]))
    x = tracer.name(node.args[0])
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "pads": 2 * padding}
    return str(tracer.add("AveragePool", x, **attributes, count_include_pad=1))


@_rule(
    "_adaptive_avg_pool2d.default", "upsample_bilinear2d.default", "upsample_bilinear2d.vec",
    "_upsample_bilinear2d_aa.default", "_upsample_bilinear2d_aa.vec",
)  # fmt: skip
def _resampling(tracer: Tracer, node: fx.Node) -> str:
    """Resampling is linear, and the same along rows and along columns: two products."""
    x: Any = node.args[0]
    before, after = tracer.shape(x)[2:], tracer.shape(node)[2:]
    name = tracer.name(x)
    if before == after:
        return name
    whole = all(a % b == 0 for a, b in zip(before, after, strict=True))
    if whole and "adaptive" in str(node.target):
        sides = [a // b for a, b in zip(before, after, strict=True)]
        return str(tracer.add("AveragePool", name, kernel_shape=sides, strides=sides))
    rows, columns = (_matrix(node, a, b) for a, b in zip(before, after, strict=True))
    narrow = tracer.add("MatMul", name, tracer.constant(columns.T.contiguous()))
    return str(tracer.add("MatMul", tracer.constant(rows), narrow))


def _matrix(node: fx.Node, before: int, after: int) -> Tensor:
    """Matrix (after, before) of a resampling along one axis."""
    unit = torch.eye(before)[:, None, :, None].expand(-1, 1, -1, before).contiguous()
    options: Any = node.target
    rest = list(node.args[2:])
    if "adaptive" not in str(node.target) and rest and not str(node.target).endswith("vec"):
        rest[1:] = [None, None]  # scales, which follow from the sides
    if str(node.target).endswith("vec"):
        rest[-1] = None
    found: Tensor = options(unit, [after, after], *rest)
    return found[:, 0, :, 0].t().contiguous()


@_rule("mean.dim")
def _mean(tracer: Tracer, node: fx.Node) -> str:
    return _reduced(tracer, node, "ReduceMean", node.args[1], _argument(node, 2, False))


@_rule("linalg_vector_norm.default")
def _norm(tracer: Tracer, node: fx.Node) -> str:
    if _argument(node, 1, 2) != 2:
        raise CheckpointError("graph: a norm that is not Euclidean")
    return _reduced(tracer, node, "ReduceL2", node.args[2], _argument(node, 3, False))


def _reduced(tracer: Tracer, node: fx.Node, name: str, axes: Any, keep: Any) -> str:
    x = tracer.name(node.args[0])
    return str(tracer.add(name, x, axes=[int(axis) for axis in axes], keepdims=int(keep)))


@_rule("sum.dim_IntList")
def _sum(tracer: Tracer, node: fx.Node) -> str:
    axes = tracer.constant([int(axis) for axis in _argument(node, 1, ())])
    x = _as_float(tracer, node.args[0])
    return str(tracer.add("ReduceSum", x, axes, keepdims=int(_argument(node, 2, False))))


@_rule(
    "view.default", "_unsafe_view.default", "reshape.default", "squeeze.dim", "squeeze.dims"
)  # fmt: skip
def _view(tracer: Tracer, node: fx.Node) -> str:
    return _reshaped(tracer, tracer.name(node.args[0]), tracer.shape(node))


def _reshaped(tracer: Tracer, name: str, shape: list[int]) -> str:
    if shape.count(-1) > 1:
        raise CheckpointError("graph: two axes that depend on the batch")
    return str(tracer.add("Reshape", name, tracer.constant(shape)))


@_rule("unsqueeze.default")
def _unsqueeze(tracer: Tracer, node: fx.Node) -> str:
    axes = tracer.constant([int(_argument(node, 1, 0))])
    return str(tracer.add("Unsqueeze", tracer.name(node.args[0]), axes))


@_rule("t.default", "transpose.int", "permute.default")
def _transpose(tracer: Tracer, node: fx.Node) -> str:
    x: Any = node.args[0]
    order = list(range(len(tracer.shape(x))))
    if "permute" in str(node.target):
        order = [int(axis) % len(order) for axis in _argument(node, 1, ())]
    else:
        a, b = _argument(node, 1, 0), _argument(node, 2, 1)
        order[a], order[b] = order[b], order[a]
    return str(tracer.add("Transpose", tracer.name(x), perm=order))


@_rule("pixel_shuffle.default")
def _pixel_shuffle(tracer: Tracer, node: fx.Node) -> str:
    x = tracer.name(node.args[0])
    return str(tracer.add("DepthToSpace", x, blocksize=node.args[1], mode="CRD"))


@_rule("pixel_unshuffle.default")
def _pixel_unshuffle(tracer: Tracer, node: fx.Node) -> str:
    x: Any = node.args[0]
    factor: Any = node.args[1]
    batch, channels, height, width = tracer.shape(x)
    if factor == 1:
        return tracer.name(x)
    split = [batch, channels, height // factor, factor, width // factor, factor]
    parts = _reshaped(tracer, tracer.name(x), split)
    return _reshaped(
        tracer, tracer.add("Transpose", parts, perm=[0, 1, 3, 5, 2, 4]), tracer.shape(node)
    )


@_rule("cat.default")
def _concatenation(tracer: Tracer, node: fx.Node) -> str:
    parts: Any = node.args[0]
    names = [tracer.name(each) for each in parts]
    return str(tracer.add("Concat", *names, axis=_argument(node, 1, 0)))


@_rule("stack.default")
def _stack(tracer: Tracer, node: fx.Node) -> str:
    parts: Any = node.args[0]
    axis = _argument(node, 1, 0)
    axes = tracer.constant([axis])
    names = [tracer.add("Unsqueeze", tracer.name(each), axes) for each in parts]
    return str(tracer.add("Concat", *names, axis=axis))


@_rule("split.Tensor")
def _split(tracer: Tracer, node: fx.Node) -> Sequence[str]:
    parts = node.meta["val"]
    axis = _argument(node, 2, 0)
    if len({part.shape[axis] for part in parts}) > 1:
        raise CheckpointError("graph: a split into unequal parts")
    if len(parts) == 1:
        return [tracer.name(node.args[0])]
    found: list[str] = tracer.add("Split", tracer.name(node.args[0]), axis=axis, outputs=len(parts))
    return found


@_rule("select.int")
def _select(tracer: Tracer, node: fx.Node) -> str:
    axis, place = node.args[1:]
    index = tracer.constant(np.int64(place))  # type: ignore[arg-type]
    return str(tracer.add("Gather", tracer.name(node.args[0]), index, axis=axis))


@_rule("slice.Tensor")
def _slice(tracer: Tracer, node: fx.Node) -> str:
    axis, start, end = (_argument(node, k, d) for k, d in ((1, 0), (2, 0), (3, None)))
    step = _argument(node, 4, 1)
    end = _FAR if end is None or end > _FAR else end
    names = [tracer.constant([each]) for each in (start or 0, end, axis, step)]
    return str(tracer.add("Slice", tracer.name(node.args[0]), *names))


@_rule("flip.default")
def _flip(tracer: Tracer, node: fx.Node) -> str:
    axes: Any = node.args[1]
    one = [-1] * len(axes)
    names = [tracer.constant(each) for each in (one, [-_FAR] * len(axes), list(axes), one)]
    return str(tracer.add("Slice", tracer.name(node.args[0]), *names))


@_rule("constant_pad_nd.default")
def _pad(tracer: Tracer, node: fx.Node) -> str:
    x: Any = node.args[0]
    margins: Any = node.args[1]
    axes = len(tracer.shape(x))
    before, after = [0] * axes, [0] * axes
    for k in range(len(margins) // 2):
        before[-1 - k], after[-1 - k] = margins[2 * k : 2 * k + 2]
    names = [tracer.constant(before + after), tracer.constant(np.float32(_argument(node, 2, 0)))]
    return str(tracer.add("Pad", tracer.name(x), *names))


@_rule("expand.default")
def _expand(tracer: Tracer, node: fx.Node) -> str:
    x: Any = node.args[0]
    if tracer.shape(x) == tracer.shape(node):
        return tracer.name(x)
    shape = tracer.batch_shape(tracer.shape(node), tracer.batches(node))
    return str(tracer.add("Expand", tracer.name(x), shape))


@_rule("new_zeros.default", "zeros.default")
def _zeros(tracer: Tracer, node: fx.Node) -> str:
    shape = tracer.batch_shape(tracer.shape(node), tracer.batches(node))
    return str(tracer.add("Expand", tracer.constant(np.float32(0)), shape))
