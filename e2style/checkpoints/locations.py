"""Locations of model files: names of shipped and added models, paths, DEEPHIDE_MODEL_DIR.

Read without torch.
"""

from __future__ import annotations

import os
from pathlib import Path

from e2style.checkpoints.headers import kind_of_file, metadata_of
from e2style.checkpoints.shipped import DEFAULT, built_in, weights_file
from e2style.checkpoints.user_models import added_models
from e2style.errors import CheckpointError

__all__ = ["header_of", "locate"]


def locate(path_or_name: str | os.PathLike[str] | None = None) -> tuple[Path, str | None]:
    """Return the file of a model, and the SHA-256 that it must have if it goes by name.

    Parameters
    ----------
    path_or_name : name of a shipped or added model, a file, or a file name in
        DEEPHIDE_MODEL_DIR; None means the default model

    Raises
    ------
    CheckpointError : no such file
    """
    name = DEFAULT if path_or_name is None else os.fspath(path_or_name)
    shipped = built_in()
    if name in shipped:
        file, digest = shipped[name]
        return weights_file(file), digest
    added = added_models()
    for each in added:
        if each.name == name:
            return each.path, each.sha256
    path = Path(name)
    folder = os.environ.get("DEEPHIDE_MODEL_DIR")
    if not path.exists() and folder:
        path = Path(folder) / name
    if not path.exists():
        known = ", ".join([*sorted(shipped), *(each.name for each in added)])
        raise CheckpointError(f"model {name!r}: no such file, and there are {known}")
    return path, None


def header_of(path_or_name: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Return the metadata in the header of a model file; empty for the files of others.

    Raises
    ------
    CheckpointError : missing or damaged
    """
    path, _ = locate(path_or_name)
    return metadata_of(path) if kind_of_file(path) == "safetensors" else {}
