"""Fingerprints of models by name or file, without torch where the file is one of ours."""

from __future__ import annotations

import os

from e2style.checkpoints.headers import check_digest, kind_of_file, metadata_of
from e2style.checkpoints.locations import locate
from e2style.checkpoints.shipped import SHIPPED
from e2style.checkpoints.tensor_files import TensorFile, file_fingerprint
from e2style.errors import CheckpointError

__all__ = ["fingerprint_of", "shared_generator"]


def fingerprint_of(path_or_name: str | os.PathLike[str] | None = None) -> bytes:
    """Return the fingerprint that `load` would give, in a fraction of its time for whole models.

    Parameters
    ----------
    path_or_name : as in `load`

    Raises
    ------
    CheckpointError : missing, another hash than it must have, or no model file of this program
    """
    path, digest = locate(path_or_name)
    if kind_of_file(path) != "safetensors":
        from e2style.checkpoints.loading import load_model

        return load_model(path_or_name).fingerprint
    if "generator" in metadata_of(path):
        check_digest(path, digest)
        # Without a quantizer only the generator counts, and that lies in the other file.
        return shared_generator(TensorFile(path)).generator_fingerprint()
    return file_fingerprint(path, digest, path.stat().st_mtime_ns)


def shared_generator(file: TensorFile) -> TensorFile:
    """File of the shipped model whose generator another file names, and has to go with.

    Raises
    ------
    CheckpointError : none that ships, or another than it was trained with
    """
    name = file.metadata["generator"]
    if name not in SHIPPED:
        raise CheckpointError(
            f"model {file.path}: generator: got {name[:40]!r}, allowed are {', '.join(SHIPPED)}"
        )
    path, digest = locate(name)
    check_digest(path, digest)
    other = TensorFile(path)
    if other.generator_fingerprint().hex() != file.metadata.get("generator_fingerprint"):
        raise CheckpointError(
            f"model {file.path}: was trained with another generator than {name}'s"
        )
    return other
