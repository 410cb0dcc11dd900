"""How finely a face is coded: the choice of a quality, and how it is told to the receiver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide import models
from deephide.codecs import latent as latent_codec
from deephide.container.layout import PARAMETER_BYTES
from deephide.errors import CheckpointError
from deephide.models import LazyModel

__all__ = ["find_model", "fit", "stamp"]


def fit(
    model: models.Model,
    code: NDArray[np.float32],
    *,
    wanted: int | None,
    ceiling: int | None,
    most: int | None,
) -> tuple[int, NDArray[np.int32], bytes]:
    """Round and compress a code.

    Parameters
    ----------
    model : with a quantizer
    code : (n, 512) float32
    wanted : the quality to take, from 1; None leaves the choice
    ceiling : bytes that may be used up: the choice begins with the highest quality, not the usual
    most : bytes beyond which a lower quality is chosen, as long as there is one

    Returns
    -------
    quality, integers (n, 512), payload

    Raises
    ------
    CheckpointError : no quantizer, or none of the quality that is wanted
    """
    models.quantizer_of(model, wanted)
    first = wanted or (model.quality if ceiling is None else len(model.quantizers))
    for quality in range(first, (wanted or 1) - 1, -1):
        quantizer = models.quantizer_of(model, quality)
        integers = models.round_code(quantizer, code)
        payload = latent_codec.encode(integers, quantizer)
        if most is None or len(payload) <= most:
            break
    return quality, integers, payload


def stamp(model: models.Model, quality: int = 1) -> bytes:
    """Return the 8 parameter bytes that name a model and, in the last one, a quality."""
    first = model.fingerprint[:PARAMETER_BYTES]
    return first[:-1] + bytes([first[-1] ^ (quality - 1)])


def find_model(parameters: bytes, model: LazyModel) -> tuple[models.Model, int]:
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
    raise CheckpointError(
        f"the hidden face was made with model {parameters.hex()}, "
        f"not with {model.name()} ({model.fingerprint()[:PARAMETER_BYTES].hex()})",
        hint="give the model it was made with; `deephide models` lists fingerprints, and "
        "`deephide models add` adds one",
    )
