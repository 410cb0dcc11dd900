"""Faces of nobody, and faces between two others, by what a prior knows of the codes of faces.

A face that is drawn is the end of a flow that begins in noise (see `e2style.models.prior`). Between
two faces the noise is turned from that of the one to that of the other, so that each image is of
one person, where the straight line of the paper (Alg. 4) shows both.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2style.applications.mixing import interpolate
from e2style.checkpoints.headers import metadata_of
from e2style.checkpoints.networks import load_network
from e2style.checkpoints.shipped import weights_file
from e2style.model import InversionModel
from e2style.models.prior import CodePrior
from e2style.models.styled_base import RATE_ROW

__all__ = ["between", "draw", "prior_of"]

Codes = NDArray[np.float32]

FILE = weights_file("prior.safetensors")
# Share of the length of normal noise that halfway faces have at most: nearer to what is usual.
USUAL = 0.85
AT_ONCE = 64  # faces that are drawn together


def prior_of(model: InversionModel) -> CodePrior | None:
    """Prior of a model's codes, in double precision; None where none ships with the model.

    Raises
    ------
    CheckpointError : it is damaged
    """
    settings = json.loads(metadata_of(FILE)["config"])
    return _loaded() if settings["fingerprint"] == model.fingerprint.hex() else None


@functools.cache
def _loaded() -> CodePrior:
    prior = load_network(FILE)
    assert isinstance(prior, CodePrior)
    # On another processor sums come out other in the last digits, in double precision so far behind
    # the point that the same integers are drawn there.
    return prior.double()


def draw(
    model: InversionModel, prior: CodePrior, seeds: Sequence[int], truncation: float = 1.0
) -> Codes:
    """One code for each seed, rounded as the model's usual quality sends it.

    Parameters
    ----------
    model : with a quantizer
    prior : of its codes
    seeds : at least 0
    truncation : ψ, share of the noise that is kept; 0 gives the mean face

    Returns
    -------
    (N, n, 512)
    """
    assert model.quantizer is not None
    count = prior.config.components
    codes = np.repeat(model.quantizer.w_avg[None], len(seeds), axis=0)
    middle = torch.zeros(1, count, dtype=torch.float64)
    if truncation != 1:
        # The middle of the flow is near the mean face, and is moved onto it as ψ falls to 0.
        middle = prior.values(middle)
    for start in range(0, len(seeds), AT_ONCE):
        noise = torch.stack([_noise(seed, count) for seed in seeds[start : start + AT_ONCE]])
        drawn = prior.values(truncation * noise) - (1 - truncation) * middle
        codes[start : start + AT_ONCE, 0, :count] += drawn.float().numpy()
    integers = model.quantizer.quantise(codes)
    rounded: Codes = model.quantizer.dequantise(integers)
    return rounded


def _noise(seed: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64)


def between(prior: CodePrior, first: Codes, last: Codes, frames: int) -> Codes:
    """Codes of faces between two, ends included.

    Parameters
    ----------
    prior : of the model whose codes they are
    first, last : (n, 512)
    frames : how many, at least 2

    Returns
    -------
    (frames, n, 512); details that the prior does not know fade towards the middle

    Raises
    ------
    ConfigError : fewer than two frames
    """
    found = torch.from_numpy(interpolate(first, last, frames)).double()
    count = prior.config.components
    shares = torch.linspace(0, 1, frames, dtype=torch.float64)[:, None]
    ends = torch.from_numpy(np.stack([first, last])).double()
    noise = prior.noise(ends[:, 0, :count])
    # The way there and back is exact to a few thousandths; the ends are to be exact.
    missed = ends[:, 0, :count] - prior.values(noise)
    # Details of two faces fit none between: those fade that no component of the prior says.
    found[:, 1:RATE_ROW] *= 1 - _inside(shares)[..., None]
    turned = prior.values(_turned(noise[0], noise[1], shares))
    found[:, 0, :count] = turned + (1 - shares) * missed[0] + shares * missed[1]
    codes: Codes = found.float().numpy()
    codes[0], codes[-1] = first, last
    return codes


def _turned(first: Tensor, last: Tensor, shares: Tensor) -> Tensor:
    """Noise k at shares F 1 of the way from one to another, on an arc, shorter in the middle."""
    lengths = [first.norm(), last.norm()]
    one, other = first / lengths[0], last / lengths[1]
    angle = torch.arccos((one @ other).clamp(-1, 1))
    if angle < 1e-6:
        return (1 - shares) * first + shares * last
    arc = (torch.sin((1 - shares) * angle) * one + torch.sin(shares * angle) * other) / angle.sin()
    straight = (1 - shares) * lengths[0] + shares * lengths[1]
    usual = straight.clamp(max=USUAL * math.sqrt(len(first)))
    turned: Tensor = arc * (straight + _inside(shares) * (usual - straight))
    return turned


def _inside(shares: Tensor) -> Tensor:
    """0 at the ends of a way, 1 halfway."""
    return torch.sin(math.pi * shares).square()
