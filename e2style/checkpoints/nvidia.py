"""StyleGAN2 files of NVIDIA: the pickles of StyleGAN2 (TensorFlow) and of ADA (both programs).

A pickle of the PyTorch program stores each module with the source of its class, which is never
looked at, and its tensors by name: `synthesis.b8.conv0.weight`. The older program stores arrays
under names of its own, in the layout of TensorFlow. Both become a state dict with the names of
the former, and that is also what people write who save `G_ema.state_dict()`. `generator_key` says
what ours are called there.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from e2style.checkpoints.pickled import Call, Name, Stored, interpret
from e2style.checkpoints.untrusted import check_bytes
from e2style.config import GeneratorConfig
from e2style.errors import CheckpointError
from e2style.models.ops import blur_kernel

__all__ = ["AVERAGE", "check_generator", "generator_config", "generator_key", "is_state", "read"]

State = Mapping[str, Tensor]
AVERAGE = "mapping.w_avg"
SIGN = "synthesis.b4.const"
MAX_DEPTH = 8  # of modules inside modules
_MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
_NETWORK = "dnnlib.tflib.network.Network"
_BYTES = "torch.storage._load_from_bytes"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_ARRAYS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
# What such files name. Settings of the data and of the augmentation stand in them as well.
KNOWN = frozenset(
    {
        _MODULE, _NETWORK, _BYTES, _TENSOR, *_PARAMETERS, *_ARRAYS, *_SCALARS, *_DTYPES,
        "collections.OrderedDict", "dnnlib.util.EasyDict", "dnnlib.EasyDict", "builtins.set",
        "numpy.ndarray", "numpy.dtype", "torch.Size", "torch.device", "torch.float32",
        "torch.float16", "torch.float64",
    }
)  # fmt: skip
_NUMBERS = {"f2", "f4", "f8", "i4", "i8", "u1", "b1"}


def read(path: str | os.PathLike[str]) -> dict[str, dict[str, Tensor]]:
    """Tensors of the averaged generator in a pickle, by NVIDIA's names in PyTorch.

    Returns
    -------
    {"G_ema": tensors by key}

    Raises
    ------
    CheckpointError : damaged, holds anything but what such files hold, or has no generator
    """
    with Path(path).open("rb") as file:
        tree = _plain(interpret(file, KNOWN))
    claims = _Claims(Path(path).stat().st_size)
    if isinstance(tree, tuple) and len(tree) == 3:  # G, D, Gs of TensorFlow
        tree = tree[2]
    if isinstance(tree, Call) and tree.name == _NETWORK:
        return {"G_ema": _of_tensorflow(tree, claims)}
    found = tree.get("G_ema", tree) if isinstance(tree, dict) else tree
    state = dict(_tensors(found, claims))
    if not is_state(state):
        raise CheckpointError("it holds no generator of StyleGAN2: key 'G_ema' is missing")
    return {"G_ema": state}


def is_state(state: Any) -> bool:
    """Whether a state dict has NVIDIA's names."""
    return isinstance(state, dict) and SIGN in state


def generator_config(state: State) -> GeneratorConfig:
    """Size, depth and widths of a generator, from the shapes of its tensors.

    Raises
    ------
    CheckpointError : a key is missing; names it
    """
    sides = [
        int(m[1]) for key in state if (m := re.fullmatch(r"synthesis\.b(\d+)\.conv1\.bias", key))
    ]
    try:
        size = max(sides)
        return GeneratorConfig(
            size=size,
            style_dim=state["synthesis.b4.conv1.affine.weight"].shape[1],
            mapping_layers=sum(1 for k in state if re.fullmatch(r"mapping\.fc\d+\.weight", k)),
            channel_base=len(state[f"synthesis.b{size}.conv1.bias"]) * size,
            channel_max=len(state[SIGN]),
        )
    except KeyError as error:
        raise CheckpointError(f"generator: key {error} is missing") from error
    except (ValueError, IndexError) as error:
        raise CheckpointError("generator: keys 'synthesis.b8…' are missing") from error


def generator_key(key: str) -> str:
    """Key of our generator -> NVIDIA's."""
    part, _, rest = key.partition(".")
    if part == "const":
        return SIGN
    if part == "mapping":
        return f"mapping.fc{rest.removeprefix('layers.')}"
    if part in {"first", "first_rgb"}:
        block, layer = 4, "conv1" if part == "first" else "torgb"
    else:
        number, _, rest = rest.partition(".")
        layer = {"up_convs": "conv0", "convs": "conv1", "to_rgbs": "torgb"}[part]
        block = 8 << int(number)
    rest = {"noise": "noise_const", "noise_gain": "noise_strength"}.get(rest, rest)
    rest = rest.removeprefix("conv.").replace("modulation", "affine")
    return f"synthesis.b{block}.{layer}.{rest}"


def check_generator(state: State) -> None:
    """Reject what our generator would not compute alike.

    Raises
    ------
    CheckpointError : conditional, or with other filters; names the key
    """
    for key, value in state.items():
        if key.startswith("mapping.embed."):
            raise CheckpointError(f"generator: key {key!r}: conditional ones are not supported")
        if key.endswith(".resample_filter") and not value.is_meta:
            usual = blur_kernel()
            if value.shape != usual.shape or not torch.allclose(value.float(), usual, atol=1e-6):
                raise CheckpointError(f"generator: {key!r} is not the usual [1, 3, 3, 1] filter")


def unused(key: str) -> bool:
    """Whether our generator has no place for a key: filters, constants here, and the average."""
    return key.endswith(".resample_filter") or key == AVERAGE


class _Claims:
    """Bytes that tensors were made from; many may name one storage, to take time and memory."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.total = 0

    def add(self, count: int) -> None:
        """Count what one tensor is made from."""
        self.total += count
        check_bytes(self.total, self.size)


def _plain(node: Any) -> Any:
    """A dict where a pickle would have made one of a class of its own."""
    if isinstance(node, Call) and node.name in {
        "collections.OrderedDict", "dnnlib.util.EasyDict", "dnnlib.EasyDict",
    }:  # fmt: skip
        return node.entries
    return node


def _tensors(
    node: Any, claims: _Claims, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors below a module, or of a state dict."""
    if depth > MAX_DEPTH:
        raise CheckpointError(f"modules inside modules, more than {MAX_DEPTH} deep")
    if isinstance(node, Call) and node.name == _MODULE:
        meta = _plain(node.args[0]) if len(node.args) == 1 else None
        fields = _plain(meta.get("state")) if isinstance(meta, dict) else None
        if not isinstance(fields, dict):
            raise CheckpointError(f"module {prefix or 'G_ema'}: damaged")
        _check_attributes(fields, prefix)
        for group in ("_parameters", "_buffers"):
            yield from _tensors(fields.get(group) or {}, claims, prefix, depth + 1)
        for name, module in _dict(fields.get("_modules") or {}, prefix).items():
            if module is not None:
                yield from _tensors(module, claims, f"{prefix}{name}.", depth + 1)
        return
    for name, value in _dict(node, prefix).items():
        if value is not None:
            yield f"{prefix}{name}", _tensor(value, claims)


def _dict(node: Any, prefix: str) -> dict[Any, Any]:
    found = _plain(node)
    if not isinstance(found, dict):
        raise CheckpointError(f"module {prefix or 'G_ema'}: damaged")
    return found


def _check_attributes(fields: dict[str, Any], prefix: str) -> None:
    """Reject a module that says of itself that it computes something else."""
    for name, allowed in (
        ("architecture", ("skip",)), ("activation", ("lrelu", "linear")), ("use_noise", (True,)),
        ("c_dim", (0,)), ("img_channels", (3,)),
    ):  # fmt: skip
        value = fields.get(name, allowed[0])
        if value not in allowed:
            raise CheckpointError(f"module {prefix or 'G_ema'}: {name} {value!r} is not supported")


def _tensor(node: Any, claims: _Claims) -> Tensor:
    """Tensor of what a pickle would have called."""
    for _ in range(2):  # a parameter is a tensor in a wrapper
        if isinstance(node, Call) and node.name in _PARAMETERS and node.args:
            node = node.args[0]
    if isinstance(node, Call) and (node.name in _ARRAYS or node.name in _SCALARS):
        return torch.from_numpy(np.atleast_1d(_array(node, claims)).copy())
    if not (isinstance(node, Call) and node.name == _TENSOR and len(node.args) >= 4):
        raise CheckpointError("something else than a tensor among the tensors")
    storage, offset, size, stride = node.args[:4]
    values = _storage(storage, claims)
    size, stride = _lengths(size), _lengths(stride)
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    numel = math.prod(size)
    # A stride of zero would let a small file claim any size.
    if type(offset) is not int or offset < 0 or numel > len(values) or not numel:
        raise CheckpointError("a tensor that is larger than its storage, or empty")
    if offset + last >= len(values):
        raise CheckpointError("a tensor that ends behind its storage")
    return values.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)


def _lengths(node: Any) -> tuple[int, ...]:
    if isinstance(node, Call) and node.name == "torch.Size" and node.args:
        node = node.args[0]
    if not (isinstance(node, tuple) and all(type(n) is int and n >= 0 for n in node)):
        raise CheckpointError("a tensor without a shape")
    return node


def _storage(node: Any, claims: _Claims) -> Tensor:
    """Numbers of a storage, which is stored as a file of torch of before 1.6 inside the pickle."""
    if not (isinstance(node, Call) and node.name == _BYTES and len(node.args) == 1):
        raise CheckpointError("a tensor without a storage")
    if not isinstance(node.args[0], bytes):
        raise CheckpointError("a tensor without a storage")
    claims.add(len(node.args[0]))
    file = io.BytesIO(node.args[0])
    for _ in range(3):  # a magic number, the version, facts about the machine
        interpret(file, KNOWN)
    stored = interpret(file, KNOWN)
    interpret(file, KNOWN)  # its key, which stands in `stored` too
    about = stored.about if isinstance(stored, Stored) else None
    kind = about[1] if isinstance(about, tuple) and len(about) >= 5 else None
    if not (isinstance(kind, Name) and kind.name in _DTYPES):
        raise CheckpointError("a storage of an unknown type")
    return _numbers(file, _DTYPES[kind.name])


def _numbers(file: IO[bytes], dtype: torch.dtype) -> Tensor:
    count = int.from_bytes(file.read(8), "little")
    rest = bytearray(file.read())
    if not 0 < count <= len(rest) // dtype.itemsize:
        raise CheckpointError("a storage that is cut short, or empty")
    return torch.frombuffer(rest, dtype=dtype, count=count)


def _array(node: Any, claims: _Claims) -> np.ndarray[Any, Any]:
    """Array of numpy, or one of its scalars."""
    try:
        if node.name in _SCALARS:
            dtype, data = node.args
            claims.add(len(data))
            return np.frombuffer(data, _dtype(dtype), 1).reshape(())
        _, shape, dtype, fortran, data = node.state
        claims.add(len(data))
        order = "F" if fortran is True else "C"
        return np.frombuffer(data, _dtype(dtype)).reshape(_lengths(shape), order=order)  # type: ignore[call-overload,no-any-return]
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError("an array that is damaged, or not one of numbers") from error


def _dtype(node: Any) -> np.dtype[Any]:
    if not (isinstance(node, Call) and node.name == "numpy.dtype" and node.args[0] in _NUMBERS):
        raise ValueError("no number")
    order = node.state[1] if isinstance(node.state, tuple) and len(node.state) > 1 else "<"
    found: np.dtype[Any] = np.dtype(node.args[0]).newbyteorder(order if order in "<>" else "=")
    return found


def _of_tensorflow(network: Call, claims: _Claims) -> dict[str, Tensor]:
    """Tensors of a generator of the older program, by the names of the newer one."""
    fields = _dict(network.state, "Gs")
    settings = _dict(fields.get("static_kwargs") or {}, "Gs")
    for name, allowed in (
        ("architecture", ("skip",)), ("nonlinearity", ("lrelu",)), ("label_size", (0, None)),
        ("num_channels", (3,)), ("use_noise", (True,)), ("resample_kernel", ([1, 3, 3, 1], None)),
    ):  # fmt: skip
        value = settings.get(name, allowed[0])
        if value not in allowed:
            raise CheckpointError(f"generator: {name} {value!r} is not supported")
    found: dict[str, Tensor] = {}
    for name, value in _variables(network):
        translated = _translated(name)
        if translated is not None:
            array = _array(value, claims)
            found[translated] = torch.from_numpy(_turned(name, array).copy()).float()
    return found


def _variables(network: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > MAX_DEPTH or not (isinstance(network, Call) and network.name == _NETWORK):
        raise CheckpointError(f"network {prefix or 'Gs'}: damaged")
    fields = _dict(network.state, prefix)
    for pair in fields.get("variables") or []:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise CheckpointError(f"network {prefix or 'Gs'}: damaged")
        yield prefix + pair[0], pair[1]
    for name, part in _dict(fields.get("components") or {}, prefix).items():
        yield from _variables(part, f"{prefix}{name}/", depth + 1)


def _translated(name: str) -> str | None:
    """Name of a variable of TensorFlow in PyTorch; None for a counter that nobody needs."""
    if name == "lod":
        return None
    if name == "dlatent_avg":
        return AVERAGE
    if match := re.fullmatch(r"mapping/Dense(\d+)/(weight|bias)", name):
        return f"mapping.fc{match[1]}.{match[2]}"
    if match := re.fullmatch(r"synthesis/noise(\d+)", name):
        number = int(match[1])
        block = 1 << ((number + 5) // 2)
        return f"synthesis.b{block}.conv{0 if number % 2 else 1}.noise_const"
    if name == "synthesis/4x4/Const/const":
        return SIGN
    match = re.fullmatch(r"synthesis/(\d+)x\1/(Conv|Conv0_up|Conv1|ToRGB)/(\w+)", name)
    if match is None:
        raise CheckpointError(f"generator: variable {name[:100]!r} is not known")
    layer = {"Conv0_up": "conv0", "ToRGB": "torgb"}.get(match[2], "conv1")
    leaf = match[3].replace("mod_", "affine.")
    return f"synthesis.b{match[1]}.{layer}.{leaf}"


def _turned(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Array in the layout of PyTorch.

    Matrices are input, output there, filters height, width, input, output, and those of the
    upsampling convolutions are turned by half a turn; a modulation lacks the 1 of its bias.
    """
    if name.endswith("/mod_bias"):
        return array + 1
    if name.startswith("synthesis/noise"):
        return array.reshape(array.shape[-2:])
    if name == "synthesis/4x4/Const/const":
        return array.reshape(array.shape[1:])
    if array.ndim == 4:
        array = array[::-1, ::-1] if "Conv0_up" in name else array
        return array.transpose(3, 2, 0, 1)
    return array.T if array.ndim == 2 else array
