"""A linear support vector machine, by coordinate descent in the dual (Hsieh et al. 2008)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2style.errors import DataError

__all__ = ["normal"]

Vectors = NDArray[np.float64]


def normal(
    positive: Vectors,
    negative: Vectors,
    *,
    penalty: float = 1.0,
    rounds: int = 200,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Vectors:
    """Unit normal of the plane that best separates two sets, pointing to the positive one.

    Minimises |w|^2 / 2 + sum of penalty_i max(0, 1 - y_i (w x_i + b)) with the offset b as one more
    coordinate. Both sets weigh alike, however many members each has; vectors are centred on the
    mean of the set means and scaled so that their root mean square length is 1.

    Parameters
    ----------
    positive, negative : (N, D) and (M, D), neither empty
    penalty : of a vector on the wrong side, times N + M over twice the size of its set
    rounds : at most so many passes over all vectors
    tolerance : stop when no vector violates the optimality conditions by more
    seed : of the order in which vectors are visited

    Returns
    -------
    (D,)

    Raises
    ------
    DataError : no plane separates them, or all are one point
    """
    centre = (positive.mean(0) + negative.mean(0)) / 2
    x = np.concatenate([positive, negative]) - centre
    scale = np.sqrt(np.square(x).sum(1).mean())
    if scale == 0:
        raise DataError("the codes of both sets are all the same")
    x = np.concatenate([x / scale, np.ones((len(x), 1))], 1)
    signs = np.repeat([1.0, -1.0], [len(positive), len(negative)])
    share = np.repeat([len(positive), len(negative)], [len(positive), len(negative)])
    limits = penalty * len(x) / (2.0 * share)
    lengths = np.square(x).sum(1)
    alphas = np.zeros(len(x))
    w = np.zeros(x.shape[1])
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        worst = 0.0
        for i in rng.permutation(len(x)):
            slope = signs[i] * (w @ x[i]) - 1.0
            # At a bound only a slope that leads back inside counts.
            if alphas[i] == 0:
                violation = min(slope, 0.0)
            elif alphas[i] == limits[i]:
                violation = max(slope, 0.0)
            else:
                violation = slope
            worst = max(worst, abs(violation))
            if violation:
                new = min(max(alphas[i] - slope / lengths[i], 0.0), limits[i])
                w += (new - alphas[i]) * signs[i] * x[i]
                alphas[i] = new
        if worst < tolerance:
            break
    length = np.linalg.norm(w[:-1])
    if length == 0:
        raise DataError("no plane separates the two sets of codes")
    unit: Vectors = w[:-1] / length
    return unit
