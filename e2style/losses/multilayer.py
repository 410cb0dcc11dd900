"""Multi-layer feature losses of the paper (Sec. III-B, eqs. 4 and 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPSILON = 1e-12  # added to each squared norm


class MultiLayerCosineLoss(nn.Module):
    """Sum over feature levels of 1 - cosine between flattened features.

    With a face recogniser this is the identity loss (eq. 4), with a parsing network the
    parsing loss (eq. 5), with a segmentation network its form for other domains (Sec. IV-C).
    Features of the target carry no gradient.

    Parameters
    ----------
    features : network from images to a list of feature tensors; frozen by the caller
    single : compare the last level alone, the embedding: the identity loss of pSp
    """

    def __init__(self, features: nn.Module, *, single: bool = False) -> None:
        super().__init__()
        self.features = features
        self.first = -1 if single else 0

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Images B 3 S S in [-1, 1], twice -> scalar."""
        return self.levels(generated, target).sum()

    def levels(self, generated: Tensor, target: Tensor) -> Tensor:
        """Loss of each level, averaged over the batch; images B 3 S S, twice -> (L,)."""
        with torch.no_grad():
            wanted = self.features(target)
        got = self.features(generated)
        pairs = list(zip(got, wanted, strict=True))[self.first :]
        return torch.stack([_distance(a, b).mean() for a, b in pairs])


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine of each sample, as half the squared distance of unit vectors: (B, ...) -> (B,).

    Features of the deep levels are nearly parallel; 1 - cosine itself would cancel there.
    """
    return 0.5 * (_unit(a) - _unit(b)).square().sum(1)


def _unit(x: Tensor) -> Tensor:
    flat = x.float().flatten(1)
    return flat * torch.rsqrt(flat.square().sum(1, keepdim=True) + EPSILON)
