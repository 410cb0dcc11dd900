"""Fingerprint of the model in the parameters of a face's codec, and the model found by it."""

from __future__ import annotations

from deephide import models
from deephide.container.layout import PARAMETER_BYTES
from deephide.errors import CheckpointError
from deephide.models import LazyModel, Model

__all__ = ["find_model", "to_parameters"]


def to_parameters(model: Model, quality: int = 1) -> bytes:
    """Return the 8 parameter bytes that name a model and, in the last one, a quality."""
    first = model.fingerprint[:PARAMETER_BYTES]
    return first[:-1] + bytes([first[-1] ^ (quality - 1)])


def find_model(parameters: bytes, model: LazyModel) -> tuple[Model, int]:
    """Load the model that the sender used, if it is the one given or, without one, here at all.

    Returns
    -------
    model, quality

    Raises
    ------
    CheckpointError : it is another one
    """
    for fingerprint, candidate in model.candidates():
        own = fingerprint[:PARAMETER_BYTES]
        quality = (parameters[-1] ^ own[-1]) + 1
        if parameters[:-1] == own[:-1]:
            loaded = candidate.load()
            if quality <= max(len(loaded.quantizers), 1):
                return loaded, quality
    known = _former(parameters)
    raise CheckpointError(
        f"the hidden face was made with model {parameters.hex()}{known}, "
        f"not with {model.name()} ({models.short_fingerprint(model.fingerprint())})",
        hint="give the model it was made with; `deephide models` lists fingerprints, and "
        "`deephide models add` adds one",
    )


def _former(parameters: bytes) -> str:
    """Name, in parentheses, of a model that shipped once; empty for all others."""
    from e2style.checkpoints.shipped import FORMER

    start = parameters[:-1].hex()
    return next((f" ({name})" for each, name in FORMER.items() if each.startswith(start)), "")
