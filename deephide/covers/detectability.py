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
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephide.covers.side_information import added_error, cost_before
from deephide.covers.values import median
from stc.gibbs import LARGEST_MULTIPLIER

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
# Steps into which the bracket of the logarithm of lam is divided. At low rates the payload is about
# ten times less exact than that; zones, which are several searches, do with fewer steps.
_FINE, _COARSE = 1 << 24, 1 << 17
# Elements that are searched first where there are many more; the step that all of them give is then
# looked for around theirs, at first within this part of the bracket.
_FEW = 1 << 12
_NEAR = 1 << 12
_PATIENCE = 3  # steps of false position that do not halve the bracket
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


@dataclass(frozen=True)
class _Point:
    """A step of a search, and the excess there if it is known."""

    step: int
    excess: float | None = None


def _around(excess: Callable[[int], float], guess: int, steps: int) -> tuple[_Point, _Point]:
    """Return a bracket of the first step without excess, narrow where that is near the guess."""
    low, high, width = _Point(0), _Point(steps), max(1, steps // _NEAR)
    for side in (guess + width, guess - width):
        step = side
        while low.step < step < high.step:
            found = _Point(step, excess(step))
            if found.excess is not None and found.excess <= 0:
                high = found
            else:
                low = found
            if (found is high) == (side > guess):
                break
            width *= 16
            step = guess + width if side > guess else guess - width
    return low, high


def _first(excess: Callable[[int], float], low: _Point, high: _Point) -> int:
    """Return the first step after `low` without excess, which falls from step to step.

    `high` is taken to have none. By false position, and by halves where that is slow.
    """
    slow = 0
    while high.step - low.step > 1:
        width = high.step - low.step
        step = low.step + width // 2
        if slow < _PATIENCE and low.excess is not None and high.excess is not None:
            share = low.excess / (low.excess - high.excess) if low.excess > high.excess else 0.5
            step = min(max(low.step + math.ceil(width * share), low.step + 1), high.step - 1)
        value = excess(step)
        if value <= 0:
            high = _Point(step, value)
        else:
            low = _Point(step, value)
        slow = slow + 1 if 2 * (high.step - low.step) > width else 0
    return high.step


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
            lambda found: max(
                found.deflection - SAFE_DEFLECTION, found.added_error - self.safe_rate
            )
        )

    def at(self, payload_bits: float) -> Estimate:
        """Return what is expected of a payload that is spread evenly.

        A payload beyond what the elements can carry counts as the largest that they can.
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

    def _at(self, payload_bits: float, steps: int) -> Estimate:
        return self._search(lambda found: found.payload_bits - payload_bits, steps)

    def _search(self, excess: Callable[[Estimate], float], steps: int = _FINE) -> Estimate:
        """Return the estimate of the least lam at which nothing is in excess."""
        if not self.cost_p1.size:
            return Estimate(0.0, 0.0, 0.0)
        scale = float(median(np.minimum(self.cost_p1, self.cost_m1))) or 1.0

        def estimate(step: int, of: Prospect) -> Estimate:
            # Of log(lam * scale): at -12 everything changes, and at 20 nothing.
            return of._estimate(np.exp(32.0 * step / steps - 12.0) / scale)

        low, high = _Point(0), _Point(steps)
        if self.cost_p1.size >= 4 * _FEW:
            guess = _first(lambda step: excess(estimate(step, self._thinned)), low, high)
            low, high = _around(lambda step: excess(estimate(step, self)), guess, steps)
        return estimate(_first(lambda step: excess(estimate(step, self)), low, high), self)

    @cached_property
    def _thinned(self) -> Prospect:
        """Every so many elements, which stand for all."""
        part = slice(None, None, self.cost_p1.size // _FEW)
        count = self.cost_p1[part].size
        return replace(
            self,
            cost_p1=self.cost_p1[part],
            cost_m1=self.cost_m1[part],
            information=self.information[part],
            weight=self.weight * self.cost_p1.size / count,
            errors=None if self.errors is None else self.errors[part],
        )

    @cached_property
    def _finite(self) -> tuple[NDArray[np.float64], ...]:
        """Both costs, 0 for those that are inf; 1 for each that is not, else 0."""
        dry = [(cost < np.inf).astype(np.float64) for cost in (self.cost_p1, self.cost_m1)]
        return (
            np.where(dry[0] > 0, self.cost_p1, 0.0),
            np.where(dry[1] > 0, self.cost_m1, 0.0),
            *dry,
        )

    @cached_property
    def _root(self) -> NDArray[np.float64]:
        return np.sqrt(self.information)

    def _estimate(self, lam: float) -> Estimate:
        steep = min(lam, LARGEST_MULTIPLIER)
        cost_up, cost_down, dry_up, dry_down = self._finite
        with np.errstate(under="ignore"):
            up, down = np.exp(-steep * cost_up), np.exp(-steep * cost_down)
            up *= dry_up
            down *= dry_down
        total = 1.0 + up + down
        up /= total
        down /= total
        # -p log2 p of all three, with log2 of `total` in closed form.
        lost = up * lam * cost_up
        lost += down * lam * cost_down
        entropy = float((np.log(total) + lost).sum()) / float(np.log(2.0))
        changed = up + down
        if self._alike is None:
            added, drift = changed, up - down
        else:
            added, drift = self._seen(up, down)
        square = 0.5 * added**2 * self.information + drift**2 * self._root
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
