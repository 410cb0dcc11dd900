"""Feature networks of the losses, loaded by name from one folder.

| name           | file in the folder                               | used for        |
|----------------|--------------------------------------------------|-----------------|
| alexnet        | alexnet.pth or alexnet-owt-7be5be79.pth          | LPIPS           |
| (its heads)    | lpips_alex.pth or alex.pth, else those of ours   | LPIPS           |
| irse50         | model_ir_se50.pth                                | identity        |
| mobilefacenet  | mobilefacenet.npz                                | identity        |
| unet           | parsing.pth                                      | parsing         |
| small_unet     | face_parsing_unet.npz                            | parsing         |
| module:factory | whatever the factory reads                       | any of the last |

Files that `e2style convert` wrote are found under the same names with `.safetensors`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from e2style.checkpoints.kinds import KINDS, find_file
from e2style.checkpoints.networks import (
    LPIPS_HEADS,
    load_irse50,
    load_lpips,
    load_parsing_unet,
    load_state,
)
from e2style.config import LossConfig
from e2style.errors import CheckpointError, ConfigError
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.losses.perceptual import PerceptualLoss, PixelLoss
from e2style.models.mobilefacenet import MobileFaceNet
from e2style.models.small_parser import ParsingEncoder

Factory = Callable[[Path], nn.Module]

NETWORKS: dict[str, Factory] = {
    "irse50": lambda folder: load_irse50(_file(folder, "irse50")),
    "unet": lambda folder: load_parsing_unet(_file(folder, "parsing_unet")),
    "mobilefacenet": lambda folder: load_state(MobileFaceNet(), _usual(folder, "mobilefacenet")),
    "small_unet": lambda folder: load_state(ParsingEncoder(), _usual(folder, "small_parser")),
}
FEATURE_TERMS = ("identity", "parsing", "segmentation")


def load_losses(
    config: LossConfig, folder: str | Path, given: Mapping[str, nn.Module] | None = None
) -> dict[str, nn.Module]:
    """Losses between images that have a weight, by the names of `LossConfig`.

    Parameters
    ----------
    config : weights, and which networks the feature losses look through
    folder : where the weights of those networks lie
    given : networks that are at hand already, by term; `lpips` takes a whole LPIPS

    Raises
    ------
    CheckpointError : a file is missing, damaged, or of another network; names it
    ConfigError : a name that no network has
    """
    folder, given = Path(folder), dict(given or {})
    losses: dict[str, nn.Module] = {"l2": PixelLoss(config.face_weight)} if config.l2 else {}
    if config.lpips:
        lpips = given.get("lpips") or load_lpips(_file(folder, "alexnet"), _heads(folder))
        losses["lpips"] = PerceptualLoss(lpips)  # type: ignore[arg-type]
    for term in FEATURE_TERMS:
        if getattr(config, term):
            name = getattr(config, f"{term}_network")
            network = given.get(term) or _factory(term, name)(folder)
            single = term == "identity" and config.identity_single
            losses[term] = MultiLayerCosineLoss(network, single=single)
    for loss in losses.values():
        loss.requires_grad_(False).eval()
    return losses


def load_identity(folder: str | os.PathLike[str]) -> nn.Module:
    """Identity loss on the embedding of the recogniser in a folder, MobileFaceNet or IR-SE50.

    Raises
    ------
    CheckpointError : neither is there, or its file is damaged
    """
    for name in ("mobilefacenet", "irse50"):
        if find_file(Path(folder), name) is not None:
            wanted = LossConfig(
                l2=0.0, lpips=0.0, parsing=0.0, identity_single=True, identity_network=name
            )
            return load_losses(wanted, Path(folder))["identity"]
    raise CheckpointError(
        f"feature networks {folder}: neither mobilefacenet.npz nor model_ir_se50.pth is there"
    )


def _factory(term: str, name: str) -> Factory:
    if name in NETWORKS:
        return NETWORKS[name]
    module, separator, function = name.partition(":")
    if not separator:
        allowed = ", ".join(sorted(NETWORKS))
        raise ConfigError(
            f"loss.{term}_network: got {name!r}, allowed are {allowed} and module:factory"
        )
    try:
        factory: Factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"loss.{term}_network: {name}: {error}") from error
    return factory


def _file(folder: Path, kind: str) -> Path:
    """File of a kind in the folder, by any of its names."""
    found = find_file(folder, kind)
    if found is None:
        names = " or ".join(KINDS[kind].files)
        raise CheckpointError(
            f"feature networks {folder or '(no folder given)'}: no {names} is there"
        )
    return found


def _usual(folder: Path, kind: str) -> Path:
    """File of a kind that is never converted."""
    return folder / KINDS[kind].files[0]


def _heads(folder: Path) -> Path:
    """Linear heads of LPIPS: from the folder, else those that ship with this package."""
    found = find_file(folder, "lpips_heads")
    return LPIPS_HEADS if found is None else found
