"""Kinds of files that hold one network: the registry of their keys, names and readers.

| kind          | file of others                                    | network         |
|---------------|---------------------------------------------------|-----------------|
| generator     | rosinality's {'g_ema', 'latent_avg'}, any size    | Generator       |
|               | NVIDIA's .pkl, or a state dict with its names     |                 |
| curricular    | CurricularFace_Backbone.pth, IR-101               | CurricularFace  |
| irse50        | model_ir_se50.pth of ArcFace and pSp              | IRSE50          |
| idgi          | the encoder of idinvert, any size                 | IDGIEncoder     |
| inception     | Inception of 2015-12-05 for FID, ported to torch  | Inception       |
| dlib          | dlib's face network as .npz, float16 or 32        | DlibResNet      |
| parsing_unet  | the U-Net of CelebAMask-HQ's face_parsing         | ParsingUNet     |
| alexnet       | torchvision's AlexNet, classifier or not          | AlexNet         |
| lpips_heads   | lpips' linear heads of version 0.1, for AlexNet   | LPIPSHeads      |
| recogniser    | none; the small one that ships                    | SmallRecogniser |
| mobilefacenet | MobileFaceNet as .npz, under our own keys         | MobileFaceNet   |
| small_parser  | a small face-parsing U-Net as .npz, our own keys  | ParsingEncoder  |
| mtcnn         | none; the face detector that ships                | Cascade         |
| prior         | none; that of the default model, which ships      | CodePrior       |

A file is known by its keys. Converted, each is a safetensors file of our own names whose
header says its kind. A new kind is one entry of `KINDS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from e2style.checkpoints import nvidia
from e2style.checkpoints.baselines import IDGI_SIGN, read_idgi
from e2style.checkpoints.official import read_generator, trunk_key
from e2style.checkpoints.tensors import State, fill
from e2style.config import EncoderConfig, GeneratorConfig
from e2style.models.alexnet import AlexNet, LPIPSHeads
from e2style.models.generator import Generator
from e2style.models.idgi import IDGIEncoder
from e2style.models.inception import Inception
from e2style.models.inversion import weightless
from e2style.models.irse50 import IRSE50
from e2style.models.mobilefacenet import MobileFaceNet
from e2style.models.mtcnn import Cascade
from e2style.models.parsing_unet import ParsingUNet
from e2style.models.prior import CodePrior, PriorConfig
from e2style.models.recognisers import (
    CURRICULAR_UNITS,
    CurricularFace,
    DlibResNet,
    SmallRecogniser,
)
from e2style.models.small_parser import ParsingEncoder

__all__ = ["KINDS", "Kind", "find_file", "kind_of", "read_feature_network"]


def _irse50_key(key: str) -> str:
    part, _, leaf = key.partition(".")
    number = {"norm": 0, "linear": 3, "last_norm": 4}.get(part)
    return trunk_key(key) if number is None else f"output_layer.{number}.{leaf}"


def _curricular_key(key: str) -> str:
    if key.startswith(("stem.", "groups.")):
        return trunk_key(key, CURRICULAR_UNITS)
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


def _without_ages(network: nn.Module, state: State) -> State:
    """Tensors of a file from before torch 0.4, which lacks the counters of batch norms."""
    counters = (key for key in network.state_dict() if key.endswith("num_batches_tracked"))
    return {_inception_key(key): torch.tensor(0) for key in counters} | dict(state)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of network that has files of its own.

    Attributes
    ----------
    name : in headers, and what `e2style convert` says
    network : its class
    signs : keys, of which only files of this kind have one, among those of the kinds behind it;
        none where no file is taken for one of this kind by its content
    files : names that the file of others goes by in a folder of weights
    config : class of the settings that the network is built from; None where it has none
    read : builds the network from the content of a file of others, where renaming is not enough
    rename : our key -> key of the file
    unused : start of keys that may be left over: classifiers that nobody runs
    prepare : changes the tensors of a file before they are looked up
    """

    name: str
    network: type[nn.Module]
    signs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    config: type[Any] | None = None
    read: Callable[[Any], nn.Module] | None = None
    rename: Callable[[str], str] = str
    unused: tuple[str, ...] = ()
    prepare: Callable[[nn.Module, State], State] = lambda network, state: state


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "generator",
            Generator,
            signs=("g_ema", "G_ema", nvidia.SIGN),
            config=GeneratorConfig,
            read=lambda content: read_generator(content)[0],
        ),
        Kind(
            "curricular",
            CurricularFace,
            signs=("body.48.res_layer.0.weight",),
            files=("CurricularFace_Backbone.pth",),
            rename=_curricular_key,
        ),
        Kind(
            "irse50",
            IRSE50,
            signs=("output_layer.3.weight",),
            files=("model_ir_se50.pth",),
            rename=_irse50_key,
        ),
        Kind("idgi", IDGIEncoder, signs=(IDGI_SIGN,), config=EncoderConfig, read=read_idgi),
        Kind(
            "inception",
            Inception,
            signs=("Mixed_7c.branch_pool.conv.weight",),
            files=(
                "pt_inception-2015-12-05-6726825d.pth",
                "weights-inception-2015-12-05-6726825d.pth",
            ),
            rename=_inception_key,
            unused=("fc.",),
            prepare=_without_ages,
        ),
        Kind(
            "dlib",
            DlibResNet,
            signs=("conv256_down_out.conv1.conv.filters",),
            files=("dlib_resnet.npz",),
            rename=_dlib_key,
            prepare=lambda _, state: {key: _transposed(value) for key, value in state.items()},
        ),
        Kind(
            "parsing_unet",
            ParsingUNet,
            signs=("up_concat4.up.weight",),
            files=("parsing.pth",),
            rename=_parsing_key,
        ),
        Kind(
            "alexnet",
            AlexNet,
            signs=("features.0.weight",),
            files=("alexnet.pth", "alexnet-owt-7be5be79.pth"),
            rename=_alexnet_key,
            unused=("classifier.",),
        ),
        Kind(
            "lpips_heads",
            LPIPSHeads,
            signs=("lin0.model.1.weight",),
            files=("lpips_alex.pth", "alex.pth"),
            rename=_heads_key,
        ),
        Kind("recogniser", SmallRecogniser),
        Kind("mobilefacenet", MobileFaceNet, files=("mobilefacenet.npz",)),
        Kind("small_parser", ParsingEncoder, files=("face_parsing_unet.npz",)),
        Kind("mtcnn", Cascade),
        Kind("prior", CodePrior, config=PriorConfig),
    )
}


def kind_of(content: Any) -> Kind | None:
    """Kind of the network that a loaded file holds, or None."""
    if not isinstance(content, dict):
        return None
    return next(
        (kind for kind in KINDS.values() if any(sign in content for sign in kind.signs)), None
    )


def find_file(folder: Path, kind: str) -> Path | None:
    """File of a kind in a folder of weights: by its usual names, or converted; None without one."""
    usual = KINDS[kind].files
    every = (*usual, *(str(Path(name).with_suffix(".safetensors")) for name in usual))
    return next((folder / name for name in every if (folder / name).is_file()), None)


def read_feature_network(kind: str, state: State) -> nn.Module:
    """Network of `kind`, filled from the tensors of its usual file.

    Raises
    ------
    CheckpointError : a key is missing, unknown or of another shape; names the key
    """
    entry = KINDS[kind]
    with weightless():
        network = entry.network()
    state = entry.prepare(network, state)
    unused = entry.unused
    fill(network, state, entry.rename, what=kind, ignored=lambda key: key.startswith(unused))
    return network
