"""Elements that deserve trellis work: those that carry the payload at the optimum."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stc.gibbs import bisect, flip_entropy
from stc.sampling import Listed, sample

__all__ = ["FROZEN_SHARE", "Plan", "plan_live"]

# Share of the payload that frozen elements would carry at the optimum. Leaving it to the others
# costs only a second-order amount: the frozen ones are those where a bit costs most changes.
FROZEN_SHARE = 0.0003

# Below this many state updates, freezing saves nothing worth having.
_MIN_WORK = 1 << 24

# Elements looked at to place the threshold.
_SAMPLE = 1 << 15

# Largest share of live elements at which freezing saves time, by height: planning and the search
# for frozen elements take the same time at all heights.
_WORTHWHILE = {6: 0.15, 7: 0.25, 8: 0.4, 9: 0.5, 10: 0.65, 11: 0.8, 12: 0.9, 13: 0.9, 14: 0.9}

# A frozen result this far above the bound is compared with an unfrozen one.
_SUSPICIOUS = 1.5


@dataclass(frozen=True)
class Plan:
    """Elements that take part, and the distortion above which freezing is checked."""

    live: npt.NDArray[np.bool_]
    limit: float = np.inf
    frozen: bool = False


def _threshold(cost: npt.NDArray[np.float64], payload_bits: float) -> tuple[float, float]:
    """Return the largest cost worth keeping and the bound's distortion, for sorted costs."""
    positive = cost[int(np.searchsorted(cost, 0.0, side="right")) :]
    if positive.size == 0:
        return 0.0, 0.0

    def scaled(log_multiplier: float) -> npt.NDArray[np.float64]:
        with np.errstate(over="ignore"):
            capped: npt.NDArray[np.float64] = np.minimum(np.exp(log_multiplier) * cost, 700.0)
        return capped

    # Between almost free changes and almost none; beyond 700 exp is not a float64.
    low = -float(np.log(positive[-1])) - 10.0
    high = min(4.0 - float(np.log(positive[0])), 700.0)
    optimum = scaled(
        bisect(lambda at: bool(flip_entropy(scaled(at)).sum() <= payload_bits), low, high, 0.01)
    )
    tail = np.cumsum(flip_entropy(optimum)[::-1])[::-1]
    keep = int(np.count_nonzero(tail > FROZEN_SHARE * payload_bits))
    with np.errstate(over="ignore"):
        distortion = float((cost / (1.0 + np.exp(optimum))).sum())
    return float(cost[min(keep, cost.size - 1)]), distortion


def plan_live(
    cost: npt.NDArray[np.float64],
    dry: npt.NDArray[np.bool_],
    ends: npt.NDArray[np.int64],
    payload_bits: int,
    height: int,
    listed: Listed | None = None,
) -> Plan:
    """Choose the live elements of an embedding.

    Parameters
    ----------
    cost : (n,) float64 >= 0
        units of distortion; inf for wet
    dry : (n,) bool
        where `cost` is finite
    ends : (m + 1,) int64
        block boundaries
    payload_bits : int >= 1
        bits
    height : int
        constraint height
    listed : Listed or None
        which elements the arrays are about, or None: all

    Returns
    -------
    plan : Plan; each block keeps its two cheapest dry elements whatever they cost

    """
    n_dry = int(np.count_nonzero(dry))
    worthwhile = _WORTHWHILE[height]
    # At the optimum no element carries more than a bit, and few carry half of one.
    if n_dry << height < _MIN_WORK or 2 * payload_bits > worthwhile * n_dry:
        return Plan(dry)
    some, share = sample(cost, _SAMPLE, listed)
    some = np.sort(some[some < np.inf])
    if some.size <= payload_bits * share:
        return Plan(dry)
    worth, distortion = _threshold(some, payload_bits * share)
    if np.count_nonzero(some <= worth) > worthwhile * some.size:
        return Plan(dry)
    live = dry & (cost <= worth)
    from stc import kernels  # the compiler may be imported

    kernels.keep_cheapest(cost, ends, live)
    return Plan(live, _SUSPICIOUS * distortion / share, frozen=True)
