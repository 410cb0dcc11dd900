"""Rate of a code in bits, differentiable, so that training favours small codes.

Balle et al. 2017, "End-to-end Optimized Image Compression", Sec. 3: where bits are counted,
rounding is replaced by uniform noise of the same width, and the rate is the ideal code length
under a density that is trained along. Generated is from what was really rounded, whose gradient
passes straight through (Theis et al. 2017).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_SPREAD = 0.05  # in steps; a density that is narrower still costs nothing either


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

    @torch.no_grad()
    def start_from(self, spread: Tensor) -> None:
        """Take scales from the standard deviations of the first rows, (rows, 512), in steps."""
        # A logistic density of scale s has a deviation of s pi / sqrt(3).
        scale = spread.clamp_min(LEAST_SPREAD) * (3**0.5 / torch.pi)
        self.log_scale[: len(spread)] = scale.log()

    def perturb(self, codes: Tensor, steps: Tensor) -> Tensor:
        """Stand-in for rounding where bits are counted: noise as wide as the steps, B."""
        return codes + (torch.rand_like(codes) - 0.5) * steps[:, None, None]

    def bits(self, codes: Tensor, steps: Tensor) -> Tensor:
        """Ideal code length of each sample.

        Parameters
        ----------
        codes : B n 512, perturbed offsets from the mean code
        steps : B, what each sample is rounded to multiples of

        Returns
        -------
        B
        """
        width = steps[:, None, None]
        x = (codes / width).abs()
        scale = self.log_scale.clamp(-5, 6).exp() / width
        # log of sigmoid((x + 1/2)/s) - sigmoid((x - 1/2)/s), stable in the far tail: with
        # a = (1/2 - x)/s and b = (-1/2 - x)/s it is logsig(a) + logsig(-b) + log(1 - e^(b-a)).
        a = (0.5 - x) / scale
        b = (-0.5 - x) / scale
        mass = F.logsigmoid(a) + F.logsigmoid(-b) + torch.log1p(-torch.exp(-1 / scale))
        return -mass.flatten(1).sum(1) / torch.log(mass.new_tensor(2.0))
