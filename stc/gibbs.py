"""Gibbs distribution of the changes: its multiplier λ, its entropies, and how λ is found.

At multiplier lam, in units of one over distortion, a change of cost c has the weight
exp(-lam * c) against 1 for no change (Filler, Judas and Fridrich 2011, Sec. II). The entropy of
the changes falls as lam grows, so that one lam fits each payload. Every search for it is here;
MiPOD's rates, which follow another law, are found in `stc.costs.mipod`.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from stc.errors import PayloadTooLargeError
from stc.sampling import Listed, sample

__all__ = [
    "LARGEST_MULTIPLIER",
    "Costs",
    "Sums",
    "binary_entropy",
    "bisect",
    "check_payload",
    "flip_entropy",
    "free_choice_bits",
    "rough_multiplier",
    "solve_multiplier",
    "sums_of",
    "weights",
]

Floats = npt.NDArray[np.float64]
Costs = tuple[Floats, ...]
Sums = Callable[[float], tuple[float, float, float]]

_SAMPLE = 1 << 16

# Costs under 1e-298 of a unit count as free.
LARGEST_MULTIPLIER = 1e300


def weights(cost: Floats, multiplier: float) -> Floats:
    """Return exp(-multiplier * cost): 1 for free changes at any multiplier, 0 for wet ones."""
    steep = min(multiplier, LARGEST_MULTIPLIER)  # inf * 0 is not a number
    dry = cost < np.inf
    with np.errstate(over="ignore", under="ignore"):
        return np.where(dry, np.exp(-steep * np.where(dry, cost, 0.0)), 0.0)


def binary_entropy(p: Floats) -> Floats:
    """Return the entropy in bits of each probability of a flip."""
    inside = np.clip(p, 1e-300, 1.0 - 1e-16)
    bits: Floats = -inside * np.log2(inside) - (1 - inside) * np.log2(1 - inside)
    return np.where((p > 0) & (p < 1), bits, 0.0)


def flip_entropy(scaled: Floats) -> Floats:
    """Return the entropy in bits of flips at `scaled`, multiplier times cost, from 0 to 700.

    The same as `binary_entropy` at probability 1 / (1 + exp(scaled)), and exact where that is
    small.
    """
    decay = np.exp(-scaled)
    entropy: Floats = np.log1p(decay) + scaled * decay / (1.0 + decay)
    return entropy / float(np.log(2.0))


def bisect(enough: Callable[[float], bool], low: float, high: float, tolerance: float) -> float:
    """Return the least logarithm of a multiplier that is large enough, to a tolerance.

    Parameters
    ----------
    enough : callable
        False below some logarithm and True from there on
    low, high : float
        the bracket; `high` is taken to be enough
    tolerance : float > 0
        the bracket's width to stop at

    Returns
    -------
    logarithm : float; the upper end of the last bracket

    """
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


def sums_of(costs: Costs) -> Sums:
    """Return the function lam -> (entropy in bits, distortion, slope of the entropy)."""
    from stc import kernels_gibbs  # the compiler may be imported

    kernel = kernels_gibbs.gibbs_sums_binary
    if len(costs) == 2:
        kernel = kernels_gibbs.gibbs_sums_ternary
    return lambda lam: kernel(*costs, lam)


def _free_choice(costs: Costs) -> float:
    ways = sum((cost < np.inf).astype(np.int8) for cost in costs)
    one, two = (int(np.count_nonzero(np.asarray(ways) == k)) for k in (1, 2))
    return float(one + np.log2(3.0) * two)


def free_choice_bits(costs: Costs) -> int:
    """Return the entropy in bits of free choice among the permitted changes."""
    return int(_free_choice(costs))


def check_payload(costs: Costs, payload_bits: float) -> None:
    """Raise unless free choice among the permitted changes holds the payload."""
    if not payload_bits >= 0:
        raise ValueError(f"payload_bits: got {payload_bits}; allowed: 0 or more")
    capacity = _free_choice(costs)
    if payload_bits > capacity * (1 + 1e-12):
        raise PayloadTooLargeError(
            f"payload_bits: got {payload_bits}; allowed: at most {capacity:.1f}, "
            "the entropy of free changes at these wet elements",
            needed_bits=int(np.ceil(payload_bits)),
            capacity_bits=int(capacity),
        )


def solve_multiplier(costs: Costs, payload_bits: float, tolerance: float = 1e-12) -> float:
    """Find the Gibbs multiplier at which the entropy of the changes is the payload.

    Parameters
    ----------
    costs : one or two (n,) float64 arrays >= 0, inf for wet
        binary or ternary changes
    payload_bits : float, 0 < payload_bits <= capacity
        bits
    tolerance : float > 0
        relative error of the entropy to stop at

    Returns
    -------
    lam : float >= 0, per unit of distortion; inf where changes of cost 0 carry the payload alone

    Notes
    -----
    Bisection in float64 with Newton steps inside the bracket; large problems start from the
    solution of an evenly spaced sample.

    """
    smallest = min(float(np.min(c, where=c > 0, initial=np.inf)) for c in costs)
    largest = max(float(np.max(c, where=c < np.inf, initial=0.0)) for c in costs)
    if largest == 0 or not np.isfinite(smallest):
        return np.inf
    low, high = 0.0, min(80.0 / smallest, LARGEST_MULTIPLIER)
    sums = sums_of(costs)
    if sums(high)[0] > payload_bits:
        return np.inf
    # The entropy of free changes is reached only at lam = 0, where Newton's slope is flat.
    lam = min(1.0 / largest, high / 2)
    if costs[0].size > 4 * _SAMPLE:
        guess = rough_multiplier(costs, payload_bits)
        lam = guess if low < guess < high else lam
    for _ in range(200):
        entropy, _, slope = sums(lam)
        if abs(entropy - payload_bits) <= tolerance * payload_bits:
            break
        if entropy > payload_bits:
            low = lam
        else:
            high = lam
        if high - low <= 4e-16 * high:
            break
        # Newton on log(entropy) against log(lam), which is nearly straight.
        nearer, tilt = 0.0, lam * slope
        if entropy > 0 and -np.inf < tilt < -1e-300:
            log_step = float(np.log(payload_bits / entropy)) * entropy / tilt
            nearer = lam * float(np.exp(np.clip(log_step, -3.0, 3.0)))
        if not low < nearer < high:
            nearer = float(np.sqrt(low) * np.sqrt(high)) if low > 0 else high * 2.0**-6
        lam = nearer
    return lam


def rough_multiplier(costs: Costs, payload_bits: float, listed: Listed | None = None) -> float:
    """Solve, to a part in a thousand, a sample of a large problem, of listed elements or all.

    A coder needs no better: the distortion is flat around the optimum. Returns 0 where the
    payload is above the capacity, of the whole or of the sample.
    """
    sampled = [sample(cost, _SAMPLE, listed) for cost in costs]
    some, share = tuple(each for each, _ in sampled), sampled[0][1]
    try:
        check_payload(some, payload_bits * share)
    except PayloadTooLargeError:
        return 0.0
    return solve_multiplier(some, payload_bits * share, 1e-3)
