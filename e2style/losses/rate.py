"""The price of a code in bits, differentiable: what makes small codes worth learning.

Balle et al. 2017, "End-to-end Optimized Image Compression", Sec. 3: rounding is replaced by
uniform noise of the same width, and the rate is the ideal code length under a density that
is trained along.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RateModel(nn.Module):
    """Zero-mean logistic density per coefficient of the W+ code.

    Parameters
    ----------
    n_codes, style_dim : shape of a code
    init : scale of the logistic density at the start, in quantiser steps
    """

    def __init__(self, n_codes: int, style_dim: int = 512, init: float = 1.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(
            torch.full((n_codes, style_dim), float(torch.tensor(init).log()))
        )

    def perturb(self, codes: Tensor) -> Tensor:
        """Stand-in for rounding while training: add noise in (-1/2, 1/2)."""
        return codes + torch.rand_like(codes) - 0.5

    def bits(self, codes: Tensor) -> Tensor:
        """Ideal code length of each sample: B n 512 in quantiser steps -> B."""
        scale = self.log_scale.clamp(-5, 6).exp()
        x = codes.abs()
        # log of sigmoid((x + 1/2)/s) - sigmoid((x - 1/2)/s), stable in the far tail: with
        # a = (1/2 - x)/s and b = (-1/2 - x)/s it is logsig(a) + logsig(-b) + log(1 - e^(b-a)).
        a = (0.5 - x) / scale
        b = (-0.5 - x) / scale
        mass = F.logsigmoid(a) + F.logsigmoid(-b) + torch.log1p(-torch.exp(-1 / scale))
        return -mass.flatten(1).sum(1) / torch.log(mass.new_tensor(2.0))
