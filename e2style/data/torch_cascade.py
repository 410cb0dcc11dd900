"""Cascade of the face detector as torch runs it: what ships, or files of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from e2style.checkpoints.networks import load_network
from e2style.checkpoints.shipped import weights_file
from e2style.checkpoints.tensors import fill, read_content
from e2style.errors import CheckpointError
from e2style.models.inversion import weightless
from e2style.models.mtcnn import Cascade

__all__ = ["cascade_of_folder", "shipped_cascade"]

Floats = NDArray[np.float32]
Run = Callable[[str, Floats], Sequence[Floats]]


def shipped_cascade() -> Run:
    """Networks that ship, as `e2style.data.detect.Detector` runs them.

    Raises
    ------
    CheckpointError : they are missing or damaged
    """
    cascade = load_network(weights_file("mtcnn.safetensors"))
    assert isinstance(cascade, Cascade)
    return _running(cascade)


def cascade_of_folder(place: Path) -> Run:
    """Networks of a folder: pnet, rnet and onet as `.pt`, or as `mtcnn_*.npz`.

    Raises
    ------
    CheckpointError : no such files, or they are damaged
    """
    with weightless():
        cascade = Cascade()
    for name, network in cascade.named_children():
        path = _file(place, name)
        if path is None:
            raise CheckpointError(f"detector {place}: there is no {name}.pt or mtcnn_{name}.npz")
        fill(network, read_content(path), what=f"detector {path.name}")
    return _running(cascade)


def _running(cascade: Cascade) -> Run:
    networks = dict(cascade.eval().requires_grad_(False).named_children())

    def run(name: str, images: Floats) -> Sequence[Floats]:
        with torch.inference_mode():
            return [each.numpy() for each in networks[name](torch.from_numpy(images))]

    return run


def _file(folder: Path, name: str) -> Path | None:
    files = (folder / f"{name}.pt", folder / f"mtcnn_{name}.npz")
    return next((file for file in files if file.is_file()), None)
