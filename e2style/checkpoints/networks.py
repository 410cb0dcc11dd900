"""Files that hold one network: generators, and the feature networks of the losses.

| kind         | file of others                                    | network       |
|--------------|---------------------------------------------------|---------------|
| generator    | rosinality's {'g_ema', 'latent_avg'}, any size    | Generator     |
| irse50       | model_ir_se50.pth of ArcFace and pSp              | IRSE50        |
| curricular   | CurricularFace_Backbone.pth, IR-101               | CurricularFace|
| inception    | Inception of 2015-12-05 for FID, ported to torch  | Inception     |
| dlib         | dlib's face network as .npz, float16 or 32        | DlibResNet    |
| parsing_unet | the U-Net of CelebAMask-HQ's face_parsing         | ParsingUNet   |
| idgi         | the encoder of idinvert, any size                 | IDGIEncoder   |
| alexnet      | torchvision's AlexNet, classifier or not          | AlexNet       |
| lpips_heads  | lpips' linear heads of version 0.1, for AlexNet   | LPIPSHeads    |
| recogniser   | none; the small one that ships                    | SmallRecogniser |

A file is known by its keys. Converted, each is a safetensors file of our own names whose
header says its kind.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from e2style.checkpoints import baselines as official_baselines
from e2style.checkpoints import official
from e2style.checkpoints.shipped import kind_of_file
from e2style.checkpoints.tensors import (
    State,
    fill,
    read_content,
    read_tensors,
    stored_as_half,
    write_tensors,
)
from e2style.checkpoints.untrusted import check_settings, reason
from e2style.config import EncoderConfig, GeneratorConfig
from e2style.devices import usable
from e2style.errors import CheckpointError, ConfigError
from e2style.models.alexnet import LPIPS, AlexNet, LPIPSHeads
from e2style.models.generator import Generator
from e2style.models.idgi import IDGIEncoder
from e2style.models.inception import Inception
from e2style.models.inversion import weightless
from e2style.models.irse50 import IRSE50
from e2style.models.parsing_unet import ParsingUNet
from e2style.models.recognisers import (
    CURRICULAR_UNITS,
    CurricularFace,
    DlibResNet,
    SmallRecogniser,
)
from e2style.settings import from_dict, to_json

FORMAT = "e2style-network-1"
MEAN_KEY = "latent_avg"
# The linear heads of LPIPS 0.1, which are small enough to ship; AlexNet itself is not.
LPIPS_HEADS = Path(str(resources.files("e2style.weights") / "lpips_alex.safetensors"))
SMALL_RECOGNISER = LPIPS_HEADS.with_name("recogniser.safetensors")
_N = TypeVar("_N", bound=nn.Module)

_NETWORKS: dict[str, type[nn.Module]] = {
    "curricular": CurricularFace,
    "irse50": IRSE50,
    "inception": Inception,
    "dlib": DlibResNet,
    "parsing_unet": ParsingUNet,
    "alexnet": AlexNet,
    "lpips_heads": LPIPSHeads,
    "recogniser": SmallRecogniser,
}
# Keys that may be left over: classifiers that nobody runs.
_UNUSED = {"alexnet": "classifier.", "inception": "fc."}
# A key that only files of this kind have, among those of the kinds below.
_SIGNS = {
    "curricular": "body.48.res_layer.0.weight",
    "irse50": "output_layer.3.weight",
    "idgi": official_baselines.IDGI_SIGN,
    "inception": "Mixed_7c.branch_pool.conv.weight",
    "dlib": "conv256_down_out.conv1.conv.filters",
    "parsing_unet": "up_concat4.up.weight",
    "alexnet": "features.0.weight",
    "lpips_heads": "lin0.model.1.weight",
}


def kind_of(content: Any) -> str | None:
    """Kind of the network that a loaded file holds, or None."""
    if not isinstance(content, dict):
        return None
    if "g_ema" in content:
        return "generator"
    kinds = (kind for kind, sign in _SIGNS.items() if sign in content)
    return next(kinds, None)


def load_network(path: str | os.PathLike[str], device: str = "cpu") -> nn.Module:
    """Load the one network of a file, whatever it is: see the table above.

    Parameters
    ----------
    path : file of torch, numpy or safetensors
    device : torch device

    Returns
    -------
    network, frozen, in eval mode

    Raises
    ------
    CheckpointError : not such a file, or a key is missing, unknown or of another shape
    """
    if kind_of_file(path) != "safetensors":
        content = read_content(path)
        with _naming(path):
            return read_network(content, device)
    with _naming(path):
        return _ready(_converted(path)[0], device)


def read_network(content: Any, device: str = "cpu") -> nn.Module:
    """Network of a loaded file.

    Raises
    ------
    CheckpointError : as in `load_network`
    """
    kind = kind_of(content)
    if kind is None:
        raise CheckpointError("its keys are those of no network that is known")
    if kind == "generator":
        return _ready(official.read_generator(content)[0], device)
    if kind == "idgi":
        return _ready(official_baselines.read_idgi(content), device)
    return _ready(read_feature_network(kind, content), device)


def load_generator(path: str | os.PathLike[str], device: str = "cpu") -> tuple[Generator, Tensor]:
    """Load a generator and its mean code.

    Returns
    -------
    generator, and the file's latent_avg (512,); where it has none, `official.estimated_mean`,
    with a warning

    Raises
    ------
    CheckpointError : as in `load_network`, or neither mean nor mapping network
    """
    converted = kind_of_file(path) == "safetensors"
    content = None if converted else read_content(path)
    with _naming(path):
        network, mean = _converted(path) if converted else official.read_generator(content)
        if not isinstance(network, Generator):
            raise CheckpointError(f"holds {type(network).__name__}, not Generator")
        if mean is None:
            mean = official.estimated_mean(network)
    return _ready(network, device), mean


def load_generator_alone(path: str | os.PathLike[str], device: str = "cpu") -> Generator:
    """Load a generator whose mean code is not needed; errors as in `load_network`."""
    return _typed(path, device, Generator)


def load_irse50(path: str | os.PathLike[str], device: str = "cpu") -> IRSE50:
    """Load the face recogniser of the identity loss; errors as in `load_network`."""
    return _typed(path, device, IRSE50)


def load_parsing_unet(path: str | os.PathLike[str], device: str = "cpu") -> ParsingUNet:
    """Load the face parser of the parsing loss; errors as in `load_network`."""
    return _typed(path, device, ParsingUNet)


def load_lpips(
    alexnet: str | os.PathLike[str],
    heads: str | os.PathLike[str] = LPIPS_HEADS,
    device: str = "cpu",
) -> LPIPS:
    """Load the perceptual distance from AlexNet's file; errors as in `load_network`."""
    return LPIPS(_typed(alexnet, device, AlexNet), _typed(heads, device, LPIPSHeads)).to(device)


def save_network(
    path: str | os.PathLike[str],
    network: nn.Module,
    mean: Tensor | None = None,
    *,
    half: bool = False,
) -> None:
    """Write a network of the table above as safetensors.

    Parameters
    ----------
    path : file to write
    network : of the table
    mean : (512,) mean code of a generator
    half : store weights, but not the statistics of batch norms, in half precision

    Raises
    ------
    CheckpointError : no network of the table
    OutputError : the file cannot be written
    """
    header = {"format": FORMAT, "kind": "generator", "config": ""}
    if isinstance(network, Generator):
        header["config"] = to_json(network.config)
    elif isinstance(network, IDGIEncoder):
        header |= {"kind": "idgi", "config": to_json(network.config)}
    else:
        kinds = [kind for kind, known in _NETWORKS.items() if type(network) is known]
        if not kinds:
            raise CheckpointError(f"{type(network).__name__}: no network that has files")
        header["kind"] = kinds[0]
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    if half:
        tensors = {k: v.half() if stored_as_half(k, v) else v for k, v in tensors.items()}
    if mean is not None:
        tensors[MEAN_KEY] = mean.contiguous()
    write_tensors(path, tensors, header)


def _typed(path: str | os.PathLike[str], device: str, wanted: type[_N]) -> _N:
    network = load_network(path, device)
    if not isinstance(network, wanted):
        found = type(network).__name__
        raise CheckpointError(f"model {os.fspath(path)}: holds {found}, not {wanted.__name__}")
    return network


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say which file an error speaks of; a crafted one can make its reader fail anywhere."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise CheckpointError(f"model {os.fspath(path)}: {reason(error)}") from error


def _ready(network: _N, device: str) -> _N:
    usable(device)
    return network.eval().requires_grad_(False).to(device)


def read_feature_network(kind: str, state: State) -> nn.Module:
    """Network of `kind`, filled from the tensors of its usual file.

    Raises
    ------
    CheckpointError : a key is missing, unknown or of another shape; names the key
    """
    with weightless():
        network = _NETWORKS[kind]()
    unused = _UNUSED.get(kind, ())
    if kind == "dlib":
        state = {key: _transposed(value) for key, value in state.items()}
    if kind == "inception":  # files from before torch 0.4 lack the counters
        counters = (k for k in network.state_dict() if k.endswith("num_batches_tracked"))
        state = {_inception_key(key): torch.tensor(0) for key in counters} | dict(state)
    fill(network, state, _RENAMES[kind], what=kind, ignored=lambda key: key.startswith(unused))
    return network


def _converted(path: str | os.PathLike[str]) -> tuple[nn.Module, Tensor | None]:
    header, tensors = read_tensors(path)
    kind = header.get("kind", "")
    if header.get("format") != FORMAT or kind not in {"generator", "idgi", *_NETWORKS}:
        raise CheckpointError("not a network file of this program")
    with weightless():
        network: nn.Module
        if kind in _NETWORKS:
            network = _NETWORKS[kind]()
        else:
            settings = json.loads(header["config"])
            check_settings(settings)
            if kind == "generator":
                network = Generator(from_dict(GeneratorConfig, settings))
            else:
                network = IDGIEncoder(from_dict(EncoderConfig, settings))
    mean = tensors.pop(MEAN_KEY, None)
    fill(network, tensors, what=kind)
    return network, mean


def _irse50_key(key: str) -> str:
    part, _, leaf = key.partition(".")
    number = {"norm": 0, "linear": 3, "last_norm": 4}.get(part)
    return official.trunk_key(key) if number is None else f"output_layer.{number}.{leaf}"


def _curricular_key(key: str) -> str:
    if key.startswith(("stem.", "groups.")):
        return official.trunk_key(key, CURRICULAR_UNITS)
    return _irse50_key(key)


def _inception_key(key: str) -> str:
    return key.partition(".")[2]  # without "stem." or "blocks."


def _dlib_key(key: str) -> str:
    if key == "linear.weight":
        return "fc"
    path, leaf = key.rsplit(".", 1)
    if path.endswith(".conv"):
        path, leaf = path.removesuffix(".conv"), f"conv.{leaf.replace('weight', 'filters')}"
    else:
        leaf = {"gain": "scale.weights", "shift": "scale.biases"}[leaf]
    unit, _, conv = path.removeprefix("units.").partition(".")
    if unit == "first":
        return f"conv32_down.{leaf}"
    return f"{unit}.{ {'first': 'conv1', 'second': 'conv2'}[conv] }.{leaf}"


def _transposed(value: Tensor) -> Tensor:
    """Filters stored as height, width, input, output; matrices as input, output."""
    if value.ndim == 4:
        return value.permute(3, 2, 0, 1)
    return value.t() if value.ndim == 2 else value


def _parsing_key(key: str) -> str:
    part, _, rest = key.partition(".")
    if part == "final":
        return key
    if part == "center":
        return "center." + _pair_key(rest)
    level, _, rest = rest.partition(".")
    if part == "down":
        return f"conv{int(level) + 1}.{_pair_key(rest)}"
    number = 4 - int(level)  # ours run deepest first
    return (
        f"up_concat{number}.up.{rest}"
        if part == "ups"
        else (f"up_concat{number}.conv.{_pair_key(rest)}")
    )


def _pair_key(key: str) -> str:
    half, rest = key.split(".", 1)
    return f"conv{int(half) + 1}.{rest}"


def _alexnet_key(key: str) -> str:
    _, number, leaf = key.split(".")
    return f"features.{(0, 3, 6, 8, 10)[int(number)]}.{leaf}"


def _heads_key(key: str) -> str:
    return f"lin{key.rpartition('.')[2]}.model.1.weight"


_RENAMES: dict[str, Callable[[str], str]] = {
    "curricular": _curricular_key,
    "irse50": _irse50_key,
    "inception": _inception_key,
    "dlib": _dlib_key,
    "parsing_unet": _parsing_key,
    "alexnet": _alexnet_key,
    "lpips_heads": _heads_key,
}
