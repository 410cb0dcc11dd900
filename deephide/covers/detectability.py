"""Detectability of hidden bits, from the costs of a cover and the noise in it.

The coder's changes follow from the costs: an element changes by +1 with probability
exp(-lam * cost of +1) / Z, alike for -1 (Filler, Judas and Fridrich 2011, Sec. II), and one
number lam fits the payload.  Against them stands the best detector there could be if the noise of
every element were Gaussian and independent with a variance that the detector knows (Sedighi,
Cogranne and Fridrich 2016, Sec. III).  Its statistic has a mean that is `deflection` standard
deviations higher for the stego, so that its error at equal priors is Q(deflection / 2).

    deflection**2 = sum of (p + q)**2 / (2 var**2) + (p - q)**2 / var     p, q: rates of +1, -1

At the same rates the sum grows with the number of elements: the square root law.  On rough images
the model is too optimistic, because no detector has to know the variance of every pixel; there the
change rate decides, see `SAFE_RATE`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from stc.gibbs import bisect, weights

__all__ = ["MOST_SEARCHED", "Estimate", "Prospect"]

# The best detector errs in 45 % of the cases instead of 50 %.
SAFE_DEFLECTION = 0.25
# Half of the rate at which HILL in 256 x 256 samples (0.1 bits each) could not be told from chance
# with rich models and 250 training covers; over larger images it falls with the square root.
SAFE_RATE = 0.007
SAFE_RATE_ELEMENTS = 65_536
# Of the payload: what the trellises lose against optimal coding at constraint height 12.
CODING_LOSS = 0.10

# Of a cover's elements, about so many are looked at.
MOST_SEARCHED = 1 << 16


@dataclass(frozen=True)
class Estimate:
    """What is expected of a stego with a given payload.

    `change_rate` is per element, `deflection` that of the best detector, `detector_error` its
    error at equal priors: 0.5 is undetectable, 0 is certainty.
    """

    payload_bits: float
    change_rate: float
    deflection: float

    @property
    def detector_error(self) -> float:
        """Q(deflection / 2)."""
        return NormalDist().cdf(-self.deflection / 2)


@dataclass(frozen=True, eq=False)
class Prospect:
    """A sample of a cover's elements, with costs and noise.

    Parameters
    ----------
    cost_p1, cost_m1 : (k,) float64 of the elements that may change
    information : (k,) float64, mean of 1 / variance**2 around each
    weight : elements that each of them stands for
    elements : of the whole cover
    """

    cost_p1: NDArray[np.float64] = field(repr=False)
    cost_m1: NDArray[np.float64] = field(repr=False)
    information: NDArray[np.float64] = field(repr=False)
    weight: float
    elements: int

    @property
    def safe_rate(self) -> float:
        """The change rate that is not exceeded, whatever the model of the noise says."""
        return SAFE_RATE * min(1.0, math.sqrt(SAFE_RATE_ELEMENTS / self.elements))

    def safe(self) -> Estimate:
        """Return the largest payload that keeps both limits."""
        return self._search(
            lambda found: (
                found.deflection <= SAFE_DEFLECTION and found.change_rate <= self.safe_rate
            )
        )

    def at(self, payload_bits: float) -> Estimate:
        """Return what is expected of a payload; of the largest there is, if it is larger."""
        return self._search(lambda found: found.payload_bits <= payload_bits)

    def _search(self, allowed: Callable[[Estimate], bool]) -> Estimate:
        if not self.cost_p1.size:
            return Estimate(0.0, 0.0, 0.0)
        scale = float(np.median(np.minimum(self.cost_p1, self.cost_m1))) or 1.0

        def estimate(log: float) -> Estimate:
            return self._estimate(np.exp(log) / scale)

        # Of log(lam * scale): at -12 everything changes, and at 20 nothing.
        return estimate(bisect(lambda log: allowed(estimate(log)), -12.0, 20.0, 2.0**-19))

    def _estimate(self, lam: float) -> Estimate:
        up, down = weights(self.cost_p1, lam), weights(self.cost_m1, lam)
        total = 1.0 + up + down
        up, down = up / total, down / total
        # -p log2 p of all three, with log2 of `total` in closed form.
        with np.errstate(invalid="ignore"):
            lost = np.where(up > 0, up * lam * self.cost_p1, 0.0)
            lost += np.where(down > 0, down * lam * self.cost_m1, 0.0)
        entropy = float((np.log(total) + lost).sum()) / float(np.log(2.0))
        changed = up + down
        square = 0.5 * changed**2 * self.information
        square += (up - down) ** 2 * np.sqrt(self.information)
        return Estimate(
            self.weight * entropy * (1.0 - CODING_LOSS),
            self.weight * float(changed.sum()) / self.elements,
            float(np.sqrt(self.weight * square.sum())),
        )
