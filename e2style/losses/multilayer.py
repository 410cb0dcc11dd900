"""Multi-layer feature losses of the paper (Sec. III-B, eqs. 4 and 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiLayerCosineLoss(nn.Module):
    """Sum over feature levels of 1 - cosine between flattened features.

    With a face recogniser this is the identity loss (eq. 4), with a parsing network the
    parsing loss (eq. 5). Features of the target carry no gradient.

    Parameters
    ----------
    features : network from pictures to a list of feature tensors; frozen by the caller
    """

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, painted: Tensor, target: Tensor) -> Tensor:
        """Pictures B 3 S S in [-1, 1], twice -> scalar."""
        with torch.no_grad():
            wanted = self.features(target)
        got = self.features(painted)
        levels = [
            1 - F.cosine_similarity(a.float().flatten(1), b.float().flatten(1)).mean()
            for a, b in zip(got, wanted, strict=True)
        ]
        return torch.stack(levels).sum()
