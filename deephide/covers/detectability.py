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

Where the sender knows the errors of rounding (see `side_information`), a change adds 1 -+ 2 e to
the variance of an element instead of 1, and the detector, who does not know e, sees the mean of
that over elements of one cost.  That mean takes the place of p + q, and of the change rate; it has
no sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephide.covers.side_information import added_error, cost_before
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
# How closely the logarithm of lam is searched for; at low rates the payload is some ten times less
# exact, and a second search is not to cost as much as the first.
_FINE, _COARSE = 2.0**-19, 2.0**-12
_ALIKE = 256  # elements over which the errors of rounding are averaged


@dataclass(frozen=True)
class Estimate:
    """What is expected of a stego with a given payload.

    `change_rate` is per element, `deflection` that of the best detector, `detector_error` its
    error at equal priors: 0.5 is undetectable, 0 is certainty.  `added_error` is the squared error
    of an element beyond that of rounding: without side information, the change rate.
    """

    payload_bits: float
    change_rate: float
    deflection: float
    added_error: float = 0.0

    @property
    def detector_error(self) -> float:
        """Q(deflection / 2)."""
        return 0.5 * (1.0 + math.erf(-self.deflection / 2 / math.sqrt(2.0)))


@dataclass(frozen=True, eq=False)
class Prospect:
    """A sample of a cover's elements, with costs and noise.

    Parameters
    ----------
    cost_p1, cost_m1 : (k,) float64 of the elements that may change
    information : (k,) float64, mean of 1 / variance**2 around each
    weight : elements that each of them stands for
    elements : of the whole cover
    errors : (k,) of rounding, -0.5 to 0.5, that the costs already make use of; None where there is
        no side information
    """

    cost_p1: NDArray[np.float64] = field(repr=False)
    cost_m1: NDArray[np.float64] = field(repr=False)
    information: NDArray[np.float64] = field(repr=False)
    weight: float
    elements: int
    errors: NDArray[np.floating[Any]] | None = field(default=None, repr=False)

    @property
    def safe_rate(self) -> float:
        """The change rate that is not exceeded, whatever the model of the noise says."""
        return SAFE_RATE * min(1.0, math.sqrt(SAFE_RATE_ELEMENTS / self.elements))

    def safe(self) -> Estimate:
        """Return the largest payload that keeps both limits."""
        return self._search(
            lambda found: (
                found.deflection <= SAFE_DEFLECTION and found.added_error <= self.safe_rate
            )
        )

    def at(self, payload_bits: float) -> Estimate:
        """Return what is expected of a payload that is spread evenly.

        Of one that is larger than the largest there is, that one is looked at.
        """
        return self._at(payload_bits, _FINE)

    def of_zones(self, loads: Iterable[tuple[float, float]]) -> Estimate:
        """Return what is expected of a message that lies in several zones.

        Each has a rate of its own.  Those of fixed size carry more than their share of a short
        message, where changes cost more, above all with side information.

        Parameters
        ----------
        loads : pairs of the share of all elements that a zone has, and of its bits
        """
        bits = rate = square = added = 0.0
        for share, load in loads:
            found = self._at(load / share, _COARSE)
            bits += share * found.payload_bits
            rate += share * found.change_rate
            square += share * found.deflection**2
            added += share * found.added_error
        return Estimate(bits, rate, math.sqrt(square), added)

    def _at(self, payload_bits: float, width: float) -> Estimate:
        return self._search(lambda found: found.payload_bits <= payload_bits, width)

    def _search(self, allowed: Callable[[Estimate], bool], width: float = _FINE) -> Estimate:
        if not self.cost_p1.size:
            return Estimate(0.0, 0.0, 0.0)
        scale = float(np.median(np.minimum(self.cost_p1, self.cost_m1))) or 1.0

        def estimate(log: float) -> Estimate:
            return self._estimate(np.exp(log) / scale)

        # Of log(lam * scale): at -12 everything changes, and at 20 nothing.
        return estimate(bisect(lambda log: allowed(estimate(log)), -12.0, 20.0, width))

    def _estimate(self, lam: float) -> Estimate:
        up, down = weights(self.cost_p1, lam), weights(self.cost_m1, lam)
        total = 1.0 + up + down
        up, down = up / total, down / total
        # -p log2 p of all three, with log2 of `total` in closed form.
        with np.errstate(invalid="ignore"):
            lost = np.where(up > 0, up * lam * self.cost_p1, 0.0)
            lost += np.where(down > 0, down * lam * self.cost_m1, 0.0)
        entropy = float((np.log(total) + lost).sum()) / float(np.log(2.0))
        changed, added, drift = up + down, up + down, up - down
        if self._alike is not None:
            added, drift = self._seen(up, down)
        square = 0.5 * added**2 * self.information + drift**2 * np.sqrt(self.information)
        return Estimate(
            self.weight * entropy * (1.0 - CODING_LOSS),
            self.weight * float(changed.sum()) / self.elements,
            float(np.sqrt(self.weight * square.sum())),
            self.weight * float(added.sum()) / self.elements,
        )

    @cached_property
    def _alike(self) -> NDArray[np.intp] | None:
        """The elements by the cost that everybody knows; None without side information."""
        if self.errors is None:
            return None
        return np.argsort(cost_before(self.cost_p1, self.cost_m1, self.errors), kind="stable")

    def _seen(
        self, up: NDArray[np.float64], down: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the variance and the drift that changes add as far as costs tell."""
        assert self.errors is not None and self._alike is not None
        of_up, of_down = added_error(self.errors)
        added = np.empty(up.size)
        added[self._alike] = _running_mean((up * of_up + down * of_down)[self._alike])
        # Where one direction is closed the sign is known, and of all errors half lead there.
        one_sided = np.isfinite(self.cost_p1) != np.isfinite(self.cost_m1)
        rates = np.empty(up.size)
        rates[self._alike] = _running_mean((up + down)[self._alike])
        return added, np.where(one_sided, rates / 2, 0.0)


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over _ALIKE neighbours, fewer at both ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(values.size)
    first = np.maximum(places - _ALIKE // 2, 0)
    last = np.minimum(places + _ALIKE // 2, values.size)
    last = np.maximum(last, first + 1)
    return np.asarray((total[last] - total[first]) / (last - first))
