"""Generator offsets for one image: pivotal tuning (Roich et al. 2021), saved small.

The code of an image is the pivot and stays; the generator learns to generate that image from it.
Every convolution gets an offset of low rank, O r times r I k k, so that a file of offsets takes a
small part of the room of a generator, and little but the neighbourhood of the pivot changes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from e2style.checkpoints.codes import check_model
from e2style.checkpoints.tensors import read_tensors
from e2style.errors import CheckpointError, ConfigError
from e2style.files import in_words
from e2style.model import InversionModel
from e2style.models.inversion import InversionNetwork

__all__ = ["FORMAT", "applied", "load_offsets", "to_bytes", "tune"]

FORMAT = "e2style-offsets-1"
STEPS, RANK, RATE = 200, 4, 3e-3
Offsets = dict[str, Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]


def tune(
    model: InversionModel,
    image: Tensor,
    code: NDArray[np.float32],
    *,
    steps: int = STEPS,
    rank: int = RANK,
    rate: float = RATE,
    distance: Distance | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Offsets:
    """Offsets of the generator that let it generate an image from its code.

    Parameters
    ----------
    model : stays as it is
    image : 1 3 S S in [-1, 1], RGB, aligned
    code : (n, 512), the pivot
    steps, rate : of Adam
    rank : of each offset
    distance : from images 1 3 R R, twice, to a number, in addition to the mean squared error
    progress : called with (steps done, steps)

    Returns
    -------
    two tensors in half precision for each convolution: `NAME.out` (O, r), `NAME.in` (r, I k k)

    Raises
    ------
    ConfigError : steps or rank below 1, or a rate that is not positive
    """
    for name, value in (("steps", steps), ("rank", rank)):
        if value < 1:
            raise ConfigError(f"{name}: got {value}, must be at least 1")
    if not 0 < rate < math.inf:
        raise ConfigError(f"rate: got {rate}, must be positive and finite")
    generator = model.network.generator
    weights = _convolutions(generator)
    source = torch.Generator().manual_seed(0)
    pairs: Offsets = {}
    for name, weight in weights.items():
        r = min(rank, len(weight))
        start = torch.randn(r, weight[0].numel(), generator=source) / math.sqrt(weight[0].numel())
        pairs[f"{name}.out"] = torch.zeros(len(weight), r, device=model.device)
        pairs[f"{name}.in"] = start.to(model.device)
    for pair in pairs.values():
        pair.requires_grad_()
    target = F.interpolate(
        image.to(model.device), (model.output_size,) * 2, mode="bicubic", antialias=True
    ).clamp(-1, 1)
    pivot = torch.from_numpy(code)[None].to(model.device)
    optimizer = torch.optim.Adam(pairs.values(), lr=rate)
    for step in range(steps):
        moved = {name: weight + _product(pairs, name, weight) for name, weight in weights.items()}
        generated = functional_call(generator, moved, (pivot,))
        loss = F.mse_loss(generated, target)
        if distance is not None:
            loss = loss + 0.8 * distance(generated, target).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step + 1, steps)
    return {name: value.detach().half().cpu() for name, value in pairs.items()}


def to_bytes(offsets: Offsets, model: InversionModel) -> bytes:
    """Content of a file of offsets, which names its model."""
    header = {"format": FORMAT, "model": model.name, "fingerprint": model.fingerprint.hex()}
    return safetensors.torch.save({k: v.contiguous() for k, v in offsets.items()}, header)


def load_offsets(path: str | Path, model: InversionModel) -> Offsets:
    """Offsets of a file that belong to a model.

    Raises
    ------
    CheckpointError : damaged, no offsets, or of another model
    """
    try:
        header, tensors = read_tensors(path)
        if header.get("format") != FORMAT:
            raise CheckpointError("not a file of offsets")
        check_model("its header", header, model)
        for name, weight in _convolutions(model.network.generator).items():
            out, inner = tensors[f"{name}.out"], tensors[f"{name}.in"]
            wanted = (len(weight), weight[0].numel())
            if (len(out), inner.shape[-1]) != wanted or out.shape[1:] != inner.shape[:1]:
                raise CheckpointError(f"{name} is of another shape")
    except (CheckpointError, KeyError) as error:
        raise CheckpointError(f"offsets {path}: {in_words(error)}") from error
    return tensors


@torch.no_grad()
def applied(model: InversionModel, offsets: Offsets) -> InversionModel:
    """The same model with another generator: that of `model` and the offsets."""
    network: InversionNetwork = copy.deepcopy(model.network)
    for name, weight in _convolutions(network.generator).items():
        weight.add_(_product({k: v.float() for k, v in offsets.items()}, name, weight))
    return InversionModel(network, fingerprint=model.fingerprint, device=str(model.device))


def _convolutions(generator: nn.Module) -> dict[str, Tensor]:
    """Filters of the generator by name; those of single pixels to RGB and of a base stay."""
    return {
        name: value
        for name, value in generator.named_parameters()
        if value.ndim == 4 and value.shape[-1] == 3 and not name.startswith("base.")
    }


def _product(pairs: Offsets, name: str, weight: Tensor) -> Tensor:
    product = pairs[f"{name}.out"].to(weight.device) @ pairs[f"{name}.in"].to(weight.device)
    return product.reshape(weight.shape)
