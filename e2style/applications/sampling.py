"""Codes of faces that nobody took: from a seed, as near to the mean face as asked for.

A generator with a mapping network gives the style of a normal z, the same in every row (Karras et
al. 2019); truncation moves it towards the mean code. One without has been trained on codes alone.
The default model has a prior of them (see `prior`). Of others the probability tables of the
quantizer say how often each integer occurs, and every coefficient is drawn by itself; of a linear
base the leading components alone, since those behind them occur together in faces, and drawn one by
one show ghosts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from e2style.applications.prior import draw, prior_of
from e2style.errors import ConfigError
from e2style.model import InversionModel
from e2style.models.generator import MappingNetwork
from e2style.quantizer import TABLE_BITS, Quantizer

__all__ = ["LEADING", "from_tables", "sample"]

Codes = NDArray[np.float32]

LEADING = 200  # components of a base that are drawn; from some 400 on ghosts show


def sample(model: InversionModel, seeds: Sequence[int], truncation: float = 1.0) -> Codes:
    """One code for each seed, the same on every device.

    Parameters
    ----------
    model : with a mapping network, or with a quantizer
    seeds : at least 0; a seed gives the same code whatever the others are
    truncation : ψ, share of the offset from the mean code, or of a prior's noise, that is kept; 0
        gives the mean face

    Returns
    -------
    (N, n, 512)

    Raises
    ------
    ConfigError : a seed below 0, or a model that has neither
    CheckpointError : the prior that ships with the model is damaged
    """
    if any(seed < 0 for seed in seeds):
        raise ConfigError(f"seeds: got {min(seeds)}, must be at least 0")
    mean = model.network.w_avg.cpu().numpy()
    if isinstance(model.network.generator.mapping, MappingNetwork):
        drawn = [_mapped(model, seed) for seed in seeds]
    elif model.quantizer is not None and (prior := prior_of(model)) is not None:
        return draw(model, prior, seeds, truncation)
    elif model.quantizer is not None:
        based = bool(model.config.generator.base_side)
        drawn = [from_tables(model.quantizer, seed, LEADING if based else None) for seed in seeds]
        mean = model.quantizer.w_avg
    else:
        raise ConfigError(
            f"{model.name} has neither a mapping network nor probability tables to draw from"
        )
    whole: Codes = np.stack(drawn)
    if truncation == 1:
        return whole
    nearer: Codes = (mean + np.float32(truncation) * (whole - mean)).astype(np.float32)
    return nearer


@torch.no_grad()
def _mapped(model: InversionModel, seed: int) -> Codes:
    """Code (n, 512) of the z of a seed, which is drawn on the CPU."""
    mapping = model.network.generator.mapping
    assert mapping is not None
    dim = model.config.generator.style_dim
    z = torch.randn(1, dim, generator=torch.Generator().manual_seed(seed))
    style = mapping(z.to(model.device)).cpu().numpy()
    codes: Codes = np.repeat(style, model.n_codes, axis=0)
    return codes


def from_tables(quantizer: Quantizer, seed: int, leading: int | None) -> Codes:
    """Code (n, 512) whose integers, or whose leading ones, are as frequent as the tables say."""
    rng = np.random.default_rng(seed)
    edges = quantizer.tables.astype(np.int64).cumsum(1)
    at = rng.integers(0, 1 << TABLE_BITS, quantizer.table_index.shape)
    integers = np.zeros(quantizer.table_index.shape, np.int32)
    for number, row in enumerate(edges):
        mine = quantizer.table_index == number
        integers[mine] = np.searchsorted(row, at[mine], side="right") - quantizer.radius
    if leading is not None:
        integers.reshape(-1)[leading:] = 0
    codes: Codes = quantizer.dequantise(integers[None])[0]
    return codes
