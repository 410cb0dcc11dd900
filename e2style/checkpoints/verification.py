"""Verification of a model: its hashes, its strict reading, and one image that it generates."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from e2style.checkpoints.fingerprints import fingerprint_of
from e2style.checkpoints.graph_loading import load_for_inference
from e2style.checkpoints.locations import locate
from e2style.checkpoints.shipped import OTHERS, SKETCHES, built_in, weights_file
from e2style.checkpoints.user_models import added_models
from e2style.errors import CheckpointError
from e2style.files import in_words
from e2style.graphs.models import GraphModel

if TYPE_CHECKING:
    from e2style.model import InversionModel

    Loaded: TypeAlias = InversionModel | GraphModel

__all__ = ["Verdict", "load_and_sketch", "sha256_of", "verify"]

SIDE = 4
# Devices differ in the last bits of a generated image, far below one level.
TOLERANCE = 2


@dataclass(frozen=True)
class Verdict:
    """Findings about a model that is sound.

    `sha256` and `fingerprint` are hexadecimal; `known_hash` says whether the file had to have this
    hash, and `deviation` is how far the generated image is from the known one, in levels of 255,
    or None where none is known.  A file that ships and is no model has no fingerprint.
    """

    path: Path
    sha256: str
    known_hash: bool
    fingerprint: str | None
    deviation: int | None


def load_and_sketch(path_or_name: str | os.PathLike[str] | None) -> tuple[Loaded, bytes]:
    """Load a model strictly and generate the image of its mean code.

    Returns
    -------
    The model, and the generated image as 48 levels: three colours, averaged over 4 x 4 fields

    Raises
    ------
    CheckpointError : it cannot be loaded, or its image holds what is no number, or one colour
    """
    model: Loaded = load_for_inference(path_or_name)
    if isinstance(model, GraphModel):
        generated = model.synthesize(model.w_avg[None])[0]
    else:
        generated = model.synthesize(model.network.w_avg[None])[0].cpu().numpy()
    if not np.isfinite(generated).all():
        raise CheckpointError(f"model {path_or_name}: generates values that are no numbers")
    if float(generated.max() - generated.min()) == 0.0:
        raise CheckpointError(f"model {path_or_name}: generates nothing but one colour")
    fields = generated.reshape(3, SIDE, generated.shape[1] // SIDE, SIDE, -1).mean((2, 4))
    levels = np.rint((fields + 1.0) * 127.5).clip(0, 255)
    return model, levels.astype(np.uint8).tobytes()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises
    ------
    CheckpointError : it cannot be read
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"model {path}: cannot be read: {in_words(error)}") from error


def verify(path_or_name: str | os.PathLike[str] | None = None) -> Verdict:
    """Check a model: hash, strict reading, fingerprint and generated image.

    Parameters
    ----------
    path_or_name : as in `e2style.load`

    Raises
    ------
    CheckpointError : says what is wrong
    """
    other = _other(path_or_name)
    if other is not None:
        return other
    path, digest = locate(path_or_name)
    model, generated = load_and_sketch(path_or_name)
    fingerprint = model.fingerprint.hex()
    if fingerprint_of(path_or_name) != model.fingerprint:
        raise CheckpointError(f"model {path}: its header and its tensors disagree")
    known = SKETCHES.get(fingerprint)
    for each in added_models():
        if each.fingerprint == fingerprint and each.path == path:
            known = each.sketch
    deviation = None
    if known is not None:
        deviation = max(abs(a - b) for a, b in zip(generated, bytes.fromhex(known), strict=True))
        if deviation > TOLERANCE:
            raise CheckpointError(
                f"model {path}: its image is {deviation} levels from the known one, at most "
                f"{TOLERANCE} are expected"
            )
    found = sha256_of(path)
    known_hash = digest is not None or found in {each for _, each in built_in().values()}
    return Verdict(path, found, known_hash, fingerprint, deviation)


def _other(path_or_name: str | os.PathLike[str] | None) -> Verdict | None:
    """Return the verdict on a file that ships and is no model, or None for everything else."""
    if path_or_name is None:
        return None
    name = os.fspath(path_or_name)
    if name in OTHERS:
        path = weights_file(f"{name}.safetensors")
        if sha256_of(path) != OTHERS[name]:
            raise CheckpointError(f"model {path}: its hash is not the one that ships")
        return Verdict(path, OTHERS[name], True, None, None)
    path = Path(name)
    if not path.is_file():
        return None
    found = sha256_of(path)
    return Verdict(path, found, True, None, None) if found in OTHERS.values() else None
