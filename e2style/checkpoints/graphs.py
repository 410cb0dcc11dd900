"""Graphs in model files: in the header, or beside a file that ships.

Read without torch. A listing in the header is under `graphs`. One beside a shipped file is a file
of JSON that says which weights it belongs to, so that weights need not change to get graphs.
"""

from __future__ import annotations

import json
from pathlib import Path

from e2style.checkpoints.headers import check_digest
from e2style.checkpoints.shipped import weights_file
from e2style.checkpoints.shipped_graphs import BESIDE
from e2style.checkpoints.tensor_files import TensorFile
from e2style.errors import CheckpointError
from e2style.graphs.format import Graph, from_json

__all__ = ["HEADER_KEY", "beside", "graphs_of_file"]

HEADER_KEY = "graphs"


def graphs_of_file(file: TensorFile, digest: str | None) -> dict[str, Graph]:
    """Graphs of a model file, checked; none if it has none.

    Parameters
    ----------
    file : of this program
    digest : SHA-256 that it has, where it is one that ships

    Raises
    ------
    CheckpointError : they are damaged, or ask for what is not allowed
    """
    try:
        text = file.metadata.get(HEADER_KEY)
        if text is None and digest in BESIDE:
            text = _text_beside(digest)
        return from_json(text) if text else {}
    except CheckpointError as error:
        raise CheckpointError(f"model {file.path}: {error}") from error


def beside(digest: str, listing: str) -> str:
    """Content of a file of graphs for the shipped weights of this SHA-256."""
    return json.dumps({"weights": digest, "graphs": listing})


def _text_beside(digest: str) -> str:
    name, own = BESIDE[digest]
    path: Path = weights_file(name)
    check_digest(path, own)
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["weights"] != digest:
        raise CheckpointError(f"{name} belongs to other weights")
    return str(found["graphs"])
