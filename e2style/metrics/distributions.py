"""Distances between two sets of images by features: Fréchet (FID) and kernel (KID).

Features are kept on the CPU, so that the network may be on any device, and both distances are of
the same features. `FID` and `KID` are the names with Inception of 2015-12-05 alone; with another
network a distance has a name of its own.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e2style.metrics.spread import Mean

log = logging.getLogger(__name__)

SUBSET = 1000  # images of each set in one estimate of the kernel distance
SUBSETS = 100
Features = NDArray[np.float64]


class FeatureDistances:
    """Features of two sets of images, collected batch by batch, and their distances.

    Parameters
    ----------
    network : images B 3 S S uint8 -> features B D; on any device
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        tensors = [*network.parameters(), *network.buffers()]
        self.device = tensors[0].device if tensors else torch.device("cpu")
        self._sets: tuple[list[Tensor], list[Tensor]] = ([], [])

    @torch.no_grad()
    def add(self, originals: Tensor, generated: Tensor) -> None:
        """Take in images B 3 S S uint8 of both sets, from any device."""
        for images, kept in zip((originals, generated), self._sets, strict=True):
            kept.append(self.network(images.to(self.device)).double().cpu())

    def frechet(self) -> float:
        """Fréchet distance of two Gaussians (Heusel et al. 2017); NaN below two images."""
        if not self._sets[0] or sum(map(len, self._sets[0])) < 2:
            return math.nan
        a, b = (torch.cat(kept) for kept in self._sets)
        if len(a) < a.shape[1]:
            log.warning(
                "a Fréchet distance of %d images is biased upwards; its covariance needs %d",
                len(a),
                a.shape[1],
            )
        one, other = torch.cov(a.t()), torch.cov(b.t())
        shift = (a.mean(0) - b.mean(0)).square().sum()
        # The product of two covariances has real eigenvalues, none below 0, but for rounding.
        root = torch.linalg.eigvals(one @ other).real.clamp_min(0).sqrt().sum()
        return float(shift + one.trace() + other.trace() - 2 * root)

    def kernel(self, *, seed: int = 0) -> Mean:
        """Unbiased kernel distance (Bińkowski et al. 2018) with the cube of a scaled product.

        Mean over `SUBSETS` draws of `SUBSET` images of each set, or of all where there are fewer;
        the interval covers 95 % of the draws. NaN with fewer than two images.
        """
        if not self._sets[0] or sum(map(len, self._sets[0])) < 2:
            return Mean(math.nan, math.nan, math.nan, 0)
        a, b = (torch.cat(kept).numpy() for kept in self._sets)
        if len(a) <= SUBSET:
            return Mean(_kernel_distance(a, b), math.nan, math.nan, len(a))
        rng = np.random.default_rng(seed)
        draws = []
        for _ in range(SUBSETS):
            some = (v[rng.choice(len(v), SUBSET, replace=False)] for v in (a, b))
            draws.append(_kernel_distance(*some))
        low, high = np.quantile(draws, [0.025, 0.975])
        return Mean(float(np.mean(draws)), float(low), float(high), len(a))


def _kernel_distance(a: Features, b: Features) -> float:
    """Unbiased squared maximum mean discrepancy of N D features, twice."""

    def kernel(x: Features, y: Features) -> Features:
        values: Features = (x @ y.T / x.shape[1] + 1) ** 3
        return values

    count = len(a)
    same = 0.0
    for x in (a, b):
        own = kernel(x, x)
        same += float(own.sum() - np.trace(own)) / (count * (count - 1))
    return same - 2 * float(kernel(a, b).mean())
