"""Weights that LPIPS and FID fetch by themselves, where the packages of the extra `metrics` import.

Where they do not, nothing is fetched, and the files are given by hand. Either way our own networks
compute, whose numbers are those of the packages lpips and torch-fidelity; only the file comes from
somewhere else, and it must have the SHA-256 that stands here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch

from e2style.errors import CheckpointError
from e2style.files import in_words, replacing

__all__ = ["PACKAGES", "SOURCES", "Source", "can_fetch", "fetched"]

PACKAGES = ("torchvision", "lpips")  # of the extra
_CHUNK = 1 << 20
_PATIENCE = 60.0  # seconds without an answer


@dataclasses.dataclass(frozen=True)
class Source:
    """A file that its makers publish.

    Attributes
    ----------
    name : of the file
    address : where it is fetched
    size : bytes
    sha256 : hexadecimal
    """

    name: str
    address: str
    size: int
    sha256: str


# By kind of network, as in `e2style.checkpoints.kinds`.
SOURCES = {
    "alexnet": Source(
        "alexnet-owt-7be5be79.pth",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        244_408_911,
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    "inception": Source(
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        95_628_359,
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
}


def can_fetch() -> bool:
    """Whether the packages of the extra import; a build for other hardware may be there and not."""
    try:
        for name in PACKAGES:
            importlib.import_module(name)
    except Exception:  # torchvision of another build raises RuntimeError, not ImportError
        return False
    return True


def fetched(kind: str, say: Callable[[str], object], folder: Path | None = None) -> Path:
    """File of a kind of network, from the folder where torch keeps such files or from its makers.

    Parameters
    ----------
    kind : key of SOURCES
    say : is told what will be fetched, from where and how much, before it is
    folder : None means `checkpoints` in the folder of torch.hub

    Raises
    ------
    CheckpointError : it cannot be fetched or written, or has another hash
    """
    source = SOURCES[kind]
    kept = folder or Path(torch.hub.get_dir()) / "checkpoints"
    path = kept / source.name
    try:
        if path.is_file():
            return _checked(path, source)
        say(f"fetching {source.name}, {source.size / 1e6:.0f} MB, from {source.address} to {kept}")
        kept.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            _fetch(source, partial)
            _checked(partial, source)
    except OSError as error:
        raise CheckpointError(f"{source.name} cannot be fetched: {in_words(error)}") from error
    return path


def _fetch(source: Source, path: Path) -> None:
    left = source.size
    # The addresses are ours; nothing of a file or of the command line becomes part of one.
    with (
        urllib.request.urlopen(source.address, timeout=_PATIENCE) as answer,
        path.open("wb") as out,
    ):
        while left >= 0 and (part := answer.read(_CHUNK)):
            left -= len(part)
            out.write(part)


def _checked(path: Path, source: Source) -> Path:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != source.sha256:
        raise CheckpointError(
            f"{source.name}: its hash {found[:12]}… is not {source.sha256[:12]}…; remove {path}"
        )
    return path
