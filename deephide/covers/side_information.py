"""Side information: rounding errors that the sender alone knows, and what they make of costs.

A value x that was rounded to s = x - e is as well rounded to the other side where |e| is near one
half: the change of s towards x costs rho * (1 - 2 |e|) instead of rho (Denemark and Fridrich,
"Side-informed steganography with additive distortion", WIFS 2015).  It adds (1 - |e|)**2 - e**2
= 1 - 2 |e| to the squared error of rounding, a change away from x 1 + 2 |e|.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["added_error", "apply_errors", "cost_before"]

_LEAST = 1e-6  # of its cost, what a change costs that rounding left to chance

Array = NDArray[np.floating[Any]]


def apply_errors(cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64], errors: Array) -> None:
    """Lower the cost of each change that goes back to what was rounded, in place.

    Parameters
    ----------
    cost_p1, cost_m1 : of +1 and -1, inf for a change that may not happen
    errors : like them, the value before rounding less the rounded one, -0.5 to 0.5
    """
    cost_p1 *= _factor(errors)
    cost_m1 *= _factor(-errors)


def _factor(towards: Array) -> NDArray[np.float64]:
    return np.asarray(1.0 + _LEAST - 2.0 * np.clip(towards, 0.0, 0.5), np.float64)


def cost_before(
    cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64], errors: Array
) -> NDArray[np.float64]:
    """Return the lower cost that each element had before `apply_errors`."""
    return np.minimum(cost_p1 / _factor(errors), cost_m1 / _factor(-errors))


def added_error(errors: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what +1 and -1 add to the squared error of rounding."""
    twice = 2.0 * np.asarray(errors, np.float64)
    return 1.0 - twice, 1.0 + twice
