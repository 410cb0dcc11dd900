"""What no code can beat: the payload-distortion bound, and a simulator that sits on it.

Never used to embed; `multilayer` asks only for a rough multiplier.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from stc.codec import check_cost
from stc.errors import PayloadTooLargeError
from stc.sampling import spread

__all__ = [
    "bound_distortion",
    "bound_distortion_ternary",
    "check_payload",
    "free_choice_bits",
    "rough_multiplier",
    "simulate",
    "solve_multiplier",
]

Costs = tuple[npt.NDArray[np.float64], ...]

_SAMPLE = 1 << 16

# Costs under 1e-298 of a unit count as free.
_LARGEST_MULTIPLIER = 1e300


def _sums(costs: Costs) -> Callable[[float], tuple[float, float, float]]:
    """Return the function lam -> (entropy in bits, distortion, slope of the entropy)."""
    from stc import kernels_gibbs  # numba is imported on first use

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
    low, high = 0.0, min(80.0 / smallest, _LARGEST_MULTIPLIER)
    sums = _sums(costs)
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


def rough_multiplier(costs: Costs, payload_bits: float) -> float:
    """Solve, to a part in a thousand, a sample of a large problem.

    A coder needs no better: the distortion is flat around the optimum. Returns 0 where the
    payload is above the capacity, of the whole or of the sample.
    """
    n = costs[0].size
    some = spread(n, _SAMPLE)
    sample = tuple(np.ascontiguousarray(cost[some]) for cost in costs)
    payload_bits *= sample[0].size / n
    try:
        check_payload(sample, payload_bits)
    except PayloadTooLargeError:
        return 0.0
    return solve_multiplier(sample, payload_bits, 1e-3)


def _bound(costs: Costs, payload_bits: float) -> float:
    check_payload(costs, payload_bits)
    if payload_bits == 0:
        return 0.0
    lam = solve_multiplier(costs, payload_bits)
    return 0.0 if np.isinf(lam) else float(_sums(costs)(lam)[1])


def bound_distortion(cost: npt.ArrayLike, payload_bits: float) -> float:
    """Return the least expected distortion at which flips can carry a payload.

    Filler, Judas and Fridrich 2011, Sec. II: the rate-distortion bound of an embedding that
    flips element i at cost[i], reached by the Gibbs distribution.

    Parameters
    ----------
    cost : (n,) float >= 0
        units of distortion; inf marks a wet element
    payload_bits : float, 0 <= payload_bits <= number of dry elements
        bits

    Returns
    -------
    distortion : float, units of `cost`

    Raises
    ------
    PayloadTooLargeError : more bits than dry elements
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> round(stc.bound_distortion(np.ones(100), 50), 3)  # 100 * H^-1(0.5)
    11.003

    """
    array = np.asarray(cost, dtype=np.float64).ravel()
    return _bound((check_cost("cost", array, array.size),), payload_bits)


def bound_distortion_ternary(
    cost_p1: npt.ArrayLike, cost_m1: npt.ArrayLike, payload_bits: float
) -> float:
    """Return the least expected distortion at which ±1 changes can carry a payload.

    Parameters
    ----------
    cost_p1, cost_m1 : (n,) float >= 0
        units of distortion; inf marks a forbidden change
    payload_bits : float >= 0
        bits; at most log2(3) per element that may go both ways

    Returns
    -------
    distortion : float, units of the costs

    Raises
    ------
    PayloadTooLargeError : more bits than free choice among the permitted changes holds
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> round(stc.bound_distortion_ternary(np.ones(100), np.ones(100), 50), 3)
    8.397

    """
    return _bound(_two_costs(cost_p1, cost_m1), payload_bits)


def _two_costs(cost_p1: npt.ArrayLike, cost_m1: npt.ArrayLike) -> Costs:
    first = np.asarray(cost_p1, dtype=np.float64).ravel()
    second = np.asarray(cost_m1, dtype=np.float64).ravel()
    return check_cost("cost_p1", first, first.size), check_cost("cost_m1", second, first.size)


def simulate(
    cover: npt.NDArray[Any],
    cost_p1: npt.ArrayLike,
    cost_m1: npt.ArrayLike,
    payload_bits: float,
    rng: np.random.Generator,
) -> npt.NDArray[Any]:
    """Make the changes that an optimal code would make, carrying nothing; for experiments only.

    Parameters
    ----------
    cover : (...) any integer dtype
        elements
    cost_p1, cost_m1 : (...) float >= 0, shaped like `cover`
        units of distortion; inf marks a forbidden change
    payload_bits : float >= 0
        bits
    rng : numpy random generator
        one uniform number is drawn per element

    Returns
    -------
    stego : like `cover`, each element changed by -1, 0 or +1 and never beyond its dtype

    Raises
    ------
    PayloadTooLargeError, ValueError : as `bound_distortion_ternary`

    Examples
    --------
    >>> import numpy as np, stc
    >>> cover = np.full(1000, 7)
    >>> stego = stc.simulate(cover, np.ones(1000), np.ones(1000), 500, np.random.default_rng(1))
    >>> sorted({int(v) for v in stego})
    [6, 7, 8]

    """
    from stc.multilayer import check_elements, close_dtype_limits  # which imports this file

    shaped = np.asarray(cover)
    flat = check_elements("cover", shaped.ravel())
    for name, cost in (("cost_p1", cost_p1), ("cost_m1", cost_m1)):
        if np.shape(cost) != shaped.shape:
            raise ValueError(f"{name}: got shape {np.shape(cost)}; allowed: {shaped.shape}")
    up, down = _two_costs(cost_p1, cost_m1)
    costs = close_dtype_limits(flat, up, down)
    check_payload(costs, payload_bits)
    stego = flat.copy()
    if payload_bits > 0:
        lam = min(solve_multiplier(costs, payload_bits), _LARGEST_MULTIPLIER)
        with np.errstate(over="ignore", invalid="ignore"):
            # A free change stays free however large the multiplier is.
            rise, fall = (np.exp(-np.where(c == 0, 0.0, lam * c)) for c in costs)
        z = 1.0 + rise + fall
        u = rng.random(flat.size)
        stego[u < rise / z] += 1
        stego[u >= 1.0 - fall / z] -= 1
    return stego.reshape(np.shape(cover))
