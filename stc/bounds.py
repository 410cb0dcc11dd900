"""Bounds that no code can beat: the least distortion of a payload, and a simulator at the bound.

Never used to embed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.gibbs import Costs, check_payload, solve_multiplier, sums_of, weights
from stc.inputs import check_cost, check_elements, close_dtype_limits

__all__ = ["bound_distortion", "bound_distortion_ternary", "simulate"]


def _bound(costs: Costs, payload_bits: float) -> float:
    check_payload(costs, payload_bits)
    if payload_bits == 0:
        return 0.0
    lam = solve_multiplier(costs, payload_bits)
    return 0.0 if np.isinf(lam) else float(sums_of(costs)(lam)[1])


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
        lam = solve_multiplier(costs, payload_bits)
        rise, fall = (weights(cost, lam) for cost in costs)
        z = 1.0 + rise + fall
        u = rng.random(flat.size)
        stego[u < rise / z] += 1
        stego[u >= 1.0 - fall / z] -= 1
    return stego.reshape(np.shape(cover))
