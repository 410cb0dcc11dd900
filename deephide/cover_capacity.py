"""How much a cover can take: a hard limit, and a modest amount that is advisable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide.hiding import limit_bits

__all__ = ["Capacity", "measure_capacity"]

# One element in two hundred: with HILL costs on photos about 0.05 bits per element.
SAFE_CHANGE_RATE = 0.005
# Of the payload; an estimate for constraint height 10, not measured again at the format's 12, which
# loses less (docs/stc.md has the distortion of both).
CODING_LOSS = 0.10
_SAMPLE = 1 << 17


@dataclass(frozen=True)
class Capacity:
    """What a cover can take, in bits and bytes of everything that is hidden.

    The container counts, so both compare with `EmbedResult.payload_bits` and with the numbers of
    a `CapacityError`; the smallest container takes 8 * 46 bits.

    `hard` is the most that the format and the elements that may change allow; such a stego is
    easy to detect.  `safe` is what the optimal use of the cover's own costs hides while it
    changes one element in two hundred: a rule of thumb from the field's benchmarks, not a
    promise, and more cautious is always better.
    """

    elements: int
    dry_elements: int
    safe_bits: int
    hard_bits: int
    warnings: tuple[str, ...] = ()

    @property
    def safe_bytes(self) -> int:
        """`safe_bits` in whole bytes."""
        return self.safe_bits // 8

    @property
    def hard_bytes(self) -> int:
        """`hard_bits` in whole bytes."""
        return self.hard_bits // 8


def measure_capacity(
    elements: NDArray[np.uint8],
    cost_p1: NDArray[np.float64],
    cost_m1: NDArray[np.float64],
    warnings: tuple[str, ...] = (),
) -> Capacity:
    """Return the capacity of elements with the given prices.

    Parameters
    ----------
    elements : (n,) uint8, the cover
    cost_p1, cost_m1 : (n,) float64, inf marks a change that may not happen
    warnings : passed on

    Returns
    -------
    Capacity
    """
    n = cost_p1.size
    dry = np.flatnonzero(np.isfinite(cost_p1) | np.isfinite(cost_m1))
    hard = limit_bits(elements, cost_p1, cost_m1)
    safe = 0
    if dry.size:
        # A stride that shares no factor with the three channels.
        stride = max(1, dry.size // _SAMPLE) * 6 + 1 if dry.size > 7 * _SAMPLE else 1
        picked = dry[::stride]
        entropy = _entropy_at(cost_p1[picked], cost_m1[picked], SAFE_CHANGE_RATE * n / dry.size)
        safe = int(entropy * dry.size * (1.0 - CODING_LOSS))
    return Capacity(n, int(dry.size), min(safe, hard), hard, warnings)


def _entropy_at(
    cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64], change_rate: float
) -> float:
    """Return the mean entropy in bits where optimal coding changes `change_rate` of the elements.

    Optimal change probabilities are exp(-lam * cost) over their sum with 1 (Filler, Judas and
    Fridrich 2011, Sec. II); lam is found by bisection on a logarithmic scale.
    """
    change_rate = min(change_rate, 0.3)
    cheapest = np.minimum(cost_p1, cost_m1)
    scale = float(np.median(cheapest)) or 1.0
    low, high = -30.0, 30.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        up, down, _ = _probabilities(cost_p1, cost_m1, np.exp(middle) / scale)
        if float(np.mean(up + down)) > change_rate:
            low = middle
        else:
            high = middle
    up, down, stay = _probabilities(cost_p1, cost_m1, np.exp(high) / scale)
    terms = [np.where(p > 0, -p * np.log2(np.maximum(p, 1e-300)), 0.0) for p in (up, down, stay)]
    return float(np.mean(terms[0] + terms[1] + terms[2]))


def _probabilities(
    cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64], multiplier: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    with np.errstate(under="ignore", over="ignore"):
        up, down = np.exp(-multiplier * cost_p1), np.exp(-multiplier * cost_m1)
    total = 1.0 + up + down
    return up / total, down / total, 1.0 / total
