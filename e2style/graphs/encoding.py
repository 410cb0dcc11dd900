"""ONNX models of graphs, written as protocol buffers by hand: a dozen kinds of fields.

The numbers of the fields are those of onnx.proto (IR version 8). Tensors of the model file are
inputs like all others, so that a model holds no weights and names no files; a whole one, for other
programs, holds them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import numpy as np

from e2style.graphs.format import Array, Graph, Node

__all__ = ["OPSET", "TYPE_NUMBERS", "onnx_model"]

OPSET, _IR_VERSION = 17, 8
_FLOAT = 1
TYPE_NUMBERS = {np.dtype(np.float32): _FLOAT, np.dtype(np.int64): 7, np.dtype(np.bool_): 9}


def onnx_model(graph: Graph, weights: Mapping[str, Array], *, whole: bool = False) -> bytes:
    """Serialised ModelProto.

    Parameters
    ----------
    graph : checked
    weights : every tensor that it takes by name, and every view, of the types in `TYPE_NUMBERS`
    whole : hold the weights too, for other programs, instead of taking them as inputs
    """
    body = b"".join(_field(1, _node(node)) for node in graph.nodes)
    body += _field(2, b"graph")
    for name, value in graph.constants.items():
        body += _field(5, _tensor(name, value) + _field(9, value.tobytes()))
    for name, shape in graph.inputs.items():
        body += _field(11, _value_info(name, shape, _FLOAT))
    for name, value in weights.items():
        if whole:
            body += _field(5, _tensor(name, value) + _field(9, value.tobytes()))
        else:
            body += _field(11, _value_info(name, value.shape, TYPE_NUMBERS[value.dtype]))
    for name in graph.outputs:
        body += _field(12, _field(1, name.encode()) + _field(2, _field(1, _number(1, _FLOAT))))
    return (
        _number(1, _IR_VERSION) + _field(2, b"e2style") + _field(7, body)
        + _field(8, _number(2, OPSET))
    )  # fmt: skip


def _node(node: Node) -> bytes:
    parts = [_field(1, name.encode()) for name in node.inputs]
    parts += [_field(2, name.encode()) for name in node.outputs]
    parts.append(_field(4, node.operator.encode()))
    for name, value in node.attributes.items():
        parts.append(_field(5, _field(1, name.encode()) + _attribute(value)))
    return b"".join(parts)


def _attribute(value: int | float | str | list[int]) -> bytes:
    if isinstance(value, str):
        return _field(4, value.encode()) + _number(20, 3)
    if isinstance(value, float):
        return b"\x15" + struct.pack("<f", value) + _number(20, 1)
    if isinstance(value, int):
        return _number(3, value) + _number(20, 2)
    return b"".join(_number(8, each) for each in value) + _number(20, 7)


def _tensor(name: str, value: Array) -> bytes:
    sides = b"".join(_number(1, side) for side in value.shape)
    return sides + _number(2, TYPE_NUMBERS[value.dtype]) + _field(8, name.encode())


def _value_info(name: str, shape: Iterable[int | str], kind: int) -> bytes:
    axes = b"".join(
        _field(1, _field(2, axis.encode()) if isinstance(axis, str) else _number(1, axis))
        for axis in shape
    )
    tensor = _field(1, _number(1, kind) + _field(2, axes))
    return _field(1, name.encode()) + _field(2, tensor)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value & (1 << 64) - 1)


def _varint(value: int) -> bytes:
    if value < 0x80:  # nearly all of them
        return bytes((value,))
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
