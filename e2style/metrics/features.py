"""Metrics that need other people's weights: LPIPS, identity similarity, FID.

What is missing is named with the file that it needs, and never replaced: another network is
another metric, under its own name.

| key            | file in the folder                                          |
|----------------|-------------------------------------------------------------|
| lpips          | alexnet.pth or alexnet-owt-7be5be79.pth; heads ship         |
| ids            | CurricularFace_Backbone.pth                                 |
| ids_dlib       | dlib_resnet.npz                                             |
| ids_mobileface | mobilefacenet.npz                                           |
| fid            | pt_inception-2015-12-05-6726825d.pth, or torch-fidelity's   |
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from e2style.checkpoints.kinds import KINDS, find_file
from e2style.checkpoints.networks import load_lpips, load_network, load_state
from e2style.errors import CheckpointError, ConfigError
from e2style.models.mobilefacenet import MobileFaceNet

log = logging.getLogger(__name__)

Pair = Callable[[Tensor, Tensor], Tensor]

# Kind of the network behind each metric; `KINDS` has the names of its files.
NETWORKS = {
    "lpips": "alexnet",
    "ids": "curricular",
    "ids_dlib": "dlib",
    "ids_mobileface": "mobilefacenet",
    "fid": "inception",
}
FEW = 2048  # images; below this number the covariance of FID is singular


@dataclasses.dataclass(frozen=True)
class FeatureMetrics:
    """Metrics that could be loaded from a folder, and why the rest could not.

    Attributes
    ----------
    pairs : from images B 3 S S in [-1, 1], twice, to B values; by key
    inception : network of FID, or None
    missing : by key, what is needed
    """

    pairs: dict[str, Pair]
    inception: nn.Module | None
    missing: dict[str, str]


def load_metrics(folder: Path | None, device: str = "cpu") -> FeatureMetrics:
    """Load every metric whose weights lie in a folder.

    Parameters
    ----------
    folder : with files of the names above, or what `e2style convert` made of them; None: no folder
    device : torch device

    Raises
    ------
    CheckpointError : a file is there and cannot be used
    """
    pairs: dict[str, Pair] = {}
    missing: dict[str, str] = {}
    inception = None
    for key, kind in NETWORKS.items():
        path = None if folder is None else find_file(folder, kind)
        if path is None:
            where = "no folder of weights was given" if folder is None else f"it is not in {folder}"
            missing[key] = f"needs {KINDS[kind].files[0]}; {where}"
        elif key == "lpips":
            pairs[key] = load_lpips(path, device=device)
        elif key == "fid":
            inception = _loaded(path, device, kind)
        else:
            pairs[key] = _similarity(_recogniser(kind, path, device))
    return FeatureMetrics(pairs, inception, missing)


def _loaded(path: Path, device: str, kind: str) -> nn.Module:
    network, wanted = load_network(path, device), KINDS[kind].network
    if type(network) is not wanted:
        raise CheckpointError(
            f"model {path}: holds {type(network).__name__}, not {wanted.__name__}"
        )
    return network


def _recogniser(kind: str, path: Path, device: str) -> Callable[[Tensor], Tensor]:
    """Network from images B 3 S S in [-1, 1] to embeddings of unit length."""
    if kind != "mobilefacenet":
        return _loaded(path, device, kind)
    network = load_state(MobileFaceNet(), path).to(device)
    return lambda images: F.normalize(network(images)[-1])


def _similarity(embed: Callable[[Tensor], Tensor]) -> Pair:
    return lambda a, b: (embed(a) * embed(b)).sum(1)


class FrechetDistance:
    """FID between two sets of images, collected batch by batch (Heusel et al. 2017).

    Parameters
    ----------
    inception : images B 3 S S uint8 -> features B 2048

    Raises
    ------
    ConfigError : torchmetrics is not installed
    """

    def __init__(self, inception: nn.Module) -> None:
        try:
            from torchmetrics.image.fid import FrechetInceptionDistance
        except ImportError as error:
            raise ConfigError(
                "FID needs torchmetrics; install the extra: pip install 'deephide[train]'"
            ) from error
        self._metric = FrechetInceptionDistance(feature=inception)

    def add(self, originals: Tensor, generated: Tensor) -> None:
        """Take in images B 3 S S uint8 of both sets."""
        self._metric.update(originals, real=True)
        self._metric.update(generated, real=False)

    def value(self) -> float:
        """The distance so far; NaN with fewer than two images."""
        count = int(self._metric.real_features_num_samples)
        if count < 2:
            return float("nan")
        if count < FEW:
            log.warning("FID of %d images is biased upwards; its covariance needs %d", count, FEW)
        return float(self._metric.compute())
