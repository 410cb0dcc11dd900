"""Adding graphs to model files, by running what a file holds once with torch."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from e2style.checkpoints.graphs import HEADER_KEY
from e2style.checkpoints.loading import load
from e2style.checkpoints.tensors import read_tensors, write_tensors
from e2style.graphs.format import to_json
from e2style.graphs.of_networks import graphs_of
from e2style.model import InversionModel

__all__ = ["add_graphs", "listing_of"]


def listing_of(path: str | os.PathLike[str]) -> str:
    """Listing of the graphs of what a file of this program holds; empty where it needs none.

    Raises
    ------
    CheckpointError : it cannot be loaded, or an operator has no counterpart
    """
    loaded: InversionModel | nn.Module = load(path)
    graphs = graphs_of(loaded.network if isinstance(loaded, InversionModel) else loaded)
    return to_json(graphs) if graphs else ""


def add_graphs(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write a file of this program with graphs in its header; tensors and fingerprint stay.

    Parameters
    ----------
    source : safetensors file of this program, with graphs or without
    target : file to write, which may be the same

    Raises
    ------
    CheckpointError : as in `listing_of`
    OutputError : the target cannot be written
    """
    listing = listing_of(source)
    header, tensors = read_tensors(Path(source))
    header.pop(HEADER_KEY, None)
    if listing:
        header[HEADER_KEY] = listing
    write_tensors(target, tensors, header)
