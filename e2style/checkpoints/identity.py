"""Identity of a model: the fingerprint of its tensors, and the generator that it may share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from e2style.checkpoints.headers import covered, digest_of
from e2style.checkpoints.layout import GENERATOR
from e2style.checkpoints.locations import locate
from e2style.checkpoints.shipped import SHIPPED, names
from e2style.checkpoints.tensors import read_tensors
from e2style.errors import ConfigError

__all__ = ["fingerprint", "generator_tensors"]


def fingerprint(tensors: Mapping[str, Tensor]) -> bytes:
    """SHA-256 over what the receiver needs: see `headers.covered` and `headers.digest_of`."""
    needed = ((key, tensors[key].contiguous()) for key in covered(tensors))
    return digest_of(
        (
            key,
            str(value.dtype).removeprefix("torch."),
            tuple(value.shape),
            value.reshape(-1).view(torch.uint8).numpy().tobytes(),
        )
        for key, value in needed
    )


def generator_tensors(name: str) -> dict[str, Tensor]:
    """Tensors of a shipped model's generator, as stored.

    A file that comes from anywhere names it, so it is never taken for a path.
    """
    if name not in SHIPPED:
        raise ConfigError(f"generator: got {name!r}, allowed are {', '.join(names())}")
    _, tensors = read_tensors(locate(name)[0])
    return {key: value for key, value in tensors.items() if key.startswith(GENERATOR)}
