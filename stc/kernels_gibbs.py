"""Compiled sums over the Gibbs distribution of changes. No validation here.

Legend: element i changes by +1 with probability exp(-lam * p1[i]) / Z, by -1 with
exp(-lam * m1[i]) / Z and stays with 1 / Z. H is the entropy in bits, D the expected distortion.
"""

import numpy as np
import numpy.typing as npt

from stc.jit import jit

__all__ = ["gibbs_sums_binary", "gibbs_sums_ternary"]

Costs = npt.NDArray[np.float64]

# exp(-60) adds nothing to a sum of float64; beyond it no exponential is computed.
_FAR = 60.0


@jit
def gibbs_sums_binary(cost: Costs, lam: float) -> tuple[float, float, float]:
    """Return (H, D, dH / dlam) with one way to change each element."""
    entropy, distortion, variance = 0.0, 0.0, 0.0
    for i in range(cost.size):
        scaled = lam * cost[i]
        if scaled < _FAR:
            decay = np.exp(-scaled)
            p = decay / (1.0 + decay)
            entropy += np.log1p(decay) + scaled * p
            distortion += cost[i] * p
            variance += cost[i] * cost[i] * p * (1.0 - p)
    ln2 = np.log(2.0)
    return entropy / ln2, distortion, -lam * variance / ln2


@jit
def gibbs_sums_ternary(p1: Costs, m1: Costs, lam: float) -> tuple[float, float, float]:
    """Return (H, D, dH / dlam) with two ways to change each element."""
    entropy, distortion, variance = 0.0, 0.0, 0.0
    for i in range(p1.size):
        up, down = lam * p1[i], lam * m1[i]
        if up < _FAR or down < _FAR:
            rise, fall = 0.0, 0.0
            mean, square = 0.0, 0.0
            if up < _FAR:
                rise = np.exp(-up)
                mean += rise * p1[i]
                square += rise * p1[i] * p1[i]
            if down < _FAR:
                fall = np.exp(-down)
                mean += fall * m1[i]
                square += fall * m1[i] * m1[i]
            z = 1.0 + rise + fall
            mean /= z
            entropy += np.log1p(rise + fall) + lam * mean
            distortion += mean
            variance += square / z - mean * mean
    ln2 = np.log(2.0)
    return entropy / ln2, distortion, -lam * variance / ln2
