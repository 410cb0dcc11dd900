"""Directions without labels: closed form (SeFa, Shen and Zhou 2021) and principal components.

SeFa takes what a layer's modulation amplifies most; GANSpace (Härkönen et al. 2020) takes where
codes vary most. The rows of a linear base drive no modulation: there the leading directions are the
base's own components, which are principal ones of faces under its metric.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2style.errors import ConfigError
from e2style.models.generator import Generator
from e2style.models.styled_base import StyledBaseGenerator

__all__ = ["modulations", "of_base", "principal", "sefa"]

Vectors = NDArray[np.float64]


def modulations(generator: Generator) -> list[list[Tensor]]:
    """Weights (channels, 512) of the modulations that each row of a code drives.

    The rows of a linear base drive none.
    """
    config = generator.config
    rows: list[list[Tensor]] = [[] for _ in range(config.n_codes)]
    row = config.row_behind(config.base_side or 4)
    if generator.base is None:
        rows[0].append(generator.first.conv.modulation.weight)
        rows[1].append(generator.first_rgb.conv.modulation.weight)
    for layers in zip(generator.up_convs, generator.convs, generator.to_rgbs, strict=True):
        for shift, layer in enumerate(layers):
            rows[row + shift].append(cast(Any, layer).conv.modulation.weight)
        row += 2
    return rows


@torch.no_grad()
def sefa(generator: Generator, rows: slice, count: int) -> Vectors:
    """Unit vectors (count, 512) that the modulations of some rows amplify most, the best first.

    Eigenvectors of the sum of A' A, where A is a modulation with rows of length one. A vector is
    added to each of `rows`.

    Raises
    ------
    ConfigError : more than there are, or the rows drive no modulation
    """
    driven = [weight for weights in modulations(generator)[rows] for weight in weights]
    if not driven:
        raise ConfigError(f"rows {rows.start} to {rows.stop - 1} drive no modulation")
    total = np.zeros((generator.config.style_dim,) * 2)
    for weight in driven:
        a = weight.double().cpu().numpy()
        a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
        total += a.T @ a
    return _leading(total, count)


@torch.no_grad()
def of_base(generator: Generator | StyledBaseGenerator, rows: slice, count: int) -> Vectors:
    """Leading components (count, n, 512) of a linear base in some of its rows, the first first.

    All have one length under the base's metric, so what leads is what faces spread along: a vector
    is as long as one standard deviation where the generator knows it, else of length one.

    Raises
    ------
    ConfigError : more than there are
    """
    base = generator.base
    assert base is not None
    spread = torch.ones(len(base.weight))
    if isinstance(generator, StyledBaseGenerator):
        spread = generator.mapping.spread.flatten().cpu()
    dim = generator.config.style_dim
    first, last = rows.start * dim, min(rows.stop, base.rows) * dim
    # Stored in the order of their spread; a spare component shows nothing.
    shown = base.weight.flatten(1).abs().amax(1).cpu() > 0
    there = [k for k in range(first, last) if shown[k]]
    if not 1 <= count <= len(there):
        raise ConfigError(f"components: got {count}, allowed 1 to {len(there)}")
    chosen = sorted(there, key=lambda k: -float(spread[k]))[:count]
    vectors = np.zeros((count, generator.config.n_codes * dim))
    for vector, k in zip(vectors, chosen, strict=True):
        vector[k] = spread[k]
    return vectors.reshape(count, -1, dim)


def principal(codes: Vectors, count: int) -> Vectors:
    """Principal components (count, D) of codes (N, D), each as long as one standard deviation.

    Raises
    ------
    ConfigError : more than there are
    """
    most = min(len(codes) - 1, codes.shape[1])
    if not 1 <= count <= most:
        raise ConfigError(f"components: got {count}, allowed 1 to {most}")
    centred = codes - codes.mean(0)
    _, lengths, vectors = np.linalg.svd(centred, full_matrices=False)
    found: Vectors = _signed(vectors[:count]) * lengths[:count, None] / np.sqrt(len(codes) - 1)
    return found


def _leading(matrix: Vectors, count: int) -> Vectors:
    if not 1 <= count <= len(matrix):
        raise ConfigError(f"components: got {count}, allowed 1 to {len(matrix)}")
    return _signed(np.linalg.eigh(matrix)[1][:, ::-1][:, :count].T)


def _signed(vectors: Vectors) -> Vectors:
    """Make the largest entry of each vector positive: a sign must not depend on the machine."""
    largest = np.abs(vectors).argmax(1)
    signed: Vectors = vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]
    return signed
