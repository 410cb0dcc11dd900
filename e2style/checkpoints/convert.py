"""Conversion of files of other programs into files of ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from e2style.checkpoints.adding_graphs import add_graphs
from e2style.checkpoints.baselines import read_inverter
from e2style.checkpoints.headers import kind_of_file, metadata_of
from e2style.checkpoints.kinds import kind_of
from e2style.checkpoints.layout import FORMAT
from e2style.checkpoints.networks import read_network, save_network
from e2style.checkpoints.official import estimated_mean, read_generator
from e2style.checkpoints.saving import save
from e2style.checkpoints.tensors import check_target, read_content
from e2style.checkpoints.untrusted import reason
from e2style.errors import CheckpointError
from e2style.models.inversion import InversionNetwork


def convert(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, half: bool = False
) -> str:
    """Write a file of another program as safetensors; nothing that it holds is run.

    An official E2Style file keeps its fingerprint if its precision is kept, so that one side
    may use the original and the other side the converted file. The file gets the graphs that run
    without torch; a file of this program gets them too, and stays as it was otherwise.

    Parameters
    ----------
    source : E2Style `.pt`, model_ir_se50.pth, parsing U-Net, AlexNet, the heads of LPIPS, or
        rosinality `.pt`, whose mean code is estimated if it has none; or a file of this program
    target : file to write
    half : store the weights of an E2Style model in half precision

    Returns
    -------
    what the file holds: "inversion", or a kind of `e2style.checkpoints.kinds`

    Raises
    ------
    CheckpointError : no such file, or a key is missing, unknown or of another shape
    OutputError : the target cannot be written
    """
    check_target(target)
    if kind_of_file(source) == "safetensors":
        add_graphs(source, target)
        found = metadata_of(Path(source))
        return "inversion" if found.get("format") == FORMAT else found["kind"]
    content = read_content(source)
    try:
        kind, network, mean = _read(content)
    except Exception as error:  # a crafted file can make its reader fail anywhere
        raise CheckpointError(f"model {os.fspath(source)}: {reason(error)}") from error
    if isinstance(network, InversionNetwork):
        save(target, network, half=half)
    else:
        save_network(target, network, mean)
    add_graphs(target, target)
    return kind


def _read(content: Any) -> tuple[str, nn.Module, Tensor | None]:
    """Kind, network, and the mean code if it is a generator."""
    inverter = read_inverter(content)
    if inverter is not None:
        return "inversion", inverter, None
    kind = kind_of(content)
    if kind is None:
        raise CheckpointError("its keys are those of no network that is known")
    if kind.name != "generator":
        return kind.name, read_network(content), None
    generator, mean = read_generator(content)
    return kind.name, generator, estimated_mean(generator) if mean is None else mean
