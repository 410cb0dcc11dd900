"""Metrics that need other people's weights: LPIPS, identity similarity, FID and KID.

What is missing is named with the file that it needs, and never replaced: another network is
another metric, under its own name.

| key            | file in the folder                                          |
|----------------|-------------------------------------------------------------|
| lpips          | alexnet.pth or alexnet-owt-7be5be79.pth; heads ship         |
| ids            | CurricularFace_Backbone.pth                                 |
| ids_dlib       | dlib_resnet.npz                                             |
| ids_mobileface | mobilefacenet.npz                                           |
| fid, kid       | pt_inception-2015-12-05-6726825d.pth, or torch-fidelity's   |
| frechet_lite0  | efficientnet-lite0-57934424.pth, or its package             |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from e2style.checkpoints.kinds import KINDS, find_file
from e2style.checkpoints.networks import load_lpips, load_network, load_state
from e2style.errors import CheckpointError
from e2style.losses.efficientnet import EfficientNetLite0, load_efficientnet
from e2style.metrics.fetching import SOURCES, can_fetch, fetched
from e2style.models.mobilefacenet import MobileFaceNet

Pair = Callable[[Tensor, Tensor], Tensor]

# Kind of the network behind each metric; `KINDS` has the names of its files.
NETWORKS = {
    "lpips": "alexnet",
    "ids": "curricular",
    "ids_dlib": "dlib",
    "ids_mobileface": "mobilefacenet",
    "fid": "inception",
}


@dataclasses.dataclass(frozen=True)
class FeatureMetrics:
    """Metrics that could be loaded from a folder, and why the rest could not.

    Attributes
    ----------
    pairs : from images B 3 S S in [-1, 1], twice, to B values; by key
    sets : from images B 3 S S uint8 to features B D, for distances of whole sets; "fid", which
        gives "kid" as well, and "frechet_lite0"
    missing : by key, what is needed
    """

    pairs: dict[str, Pair]
    sets: dict[str, nn.Module]
    missing: dict[str, str]


def load_metrics(
    folder: Path | None, device: str = "cpu", *, fetch: Callable[[str], object] | None = None
) -> FeatureMetrics:
    """Load every metric whose weights lie in a folder, or can be fetched.

    Parameters
    ----------
    folder : with files of the names above, or what `e2style convert` made of them; None: no folder
    device : torch device
    fetch : is told of every download before it begins; LPIPS and FID are fetched where they are
        not in the folder and the packages of the extra `metrics` import (`fetching`). None: nothing
        is fetched

    Raises
    ------
    CheckpointError : a file is there and cannot be used
    """
    pairs: dict[str, Pair] = {}
    missing: dict[str, str] = {}
    sets: dict[str, nn.Module] = {}
    for key, kind in NETWORKS.items():
        path = None if folder is None else find_file(folder, kind)
        where = "no folder of weights was given" if folder is None else f"it is not in {folder}"
        if path is None and fetch is not None and kind in SOURCES and can_fetch():
            try:
                path = fetched(kind, fetch)
            except CheckpointError as error:
                where = f"{where}, and {error}"
        if path is None:
            missing[key] = f"needs {KINDS[kind].files[0]}; {where}"
        elif key == "lpips":
            pairs[key] = load_lpips(path, device=device)
        elif key == "fid":
            sets[key] = _loaded(path, device, kind)
        else:
            pairs[key] = _similarity(_recogniser(kind, path, device))
    if "fid" in missing:
        missing["kid"] = missing["fid"]
    try:
        sets["frechet_lite0"] = PooledLite0(load_efficientnet(folder or "")).to(device)
    except CheckpointError as error:
        missing["frechet_lite0"] = str(error)
    return FeatureMetrics(pairs, sets, missing)


class PooledLite0(nn.Module):
    """Means of EfficientNet-lite0's last features: B 3 S S uint8 -> B 320."""

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images B 3 S S uint8 -> features B 320."""
        features: Tensor = self.network(images.float() / 127.5 - 1)[-1]
        return features.mean((2, 3))


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
