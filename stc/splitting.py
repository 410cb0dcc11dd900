"""Division of a ±1 message between the two layers, and its signal to the receiver."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc import codec
from stc.gibbs import binary_entropy, weights
from stc.sampling import spread

__all__ = ["best_share", "nearest_shares", "parts", "put_share", "read_share", "share_places"]

# The upper layer's share is signalled in this many bits, as a multiple of 1 / (2**SHARE_BITS - 1).
SHARE_BITS = 6
_WHOLE = (1 << SHARE_BITS) - 1

# Shorter messages are split in halves: the signal would cost more than it saves.
_SIGNALLED_FROM = 600

# Elements looked at to find the share.
_SAMPLE = 1 << 16


def share_places(n: int, n_message: int) -> slice | None:
    """Return the elements that signal the share, or None where the message is halved.

    They are evenly spaced, as many as six bits would take of the message, and at least twelve.
    """
    if n_message < _SIGNALLED_FROM or n < 2 * SHARE_BITS:
        return None
    stride = min((n_message + SHARE_BITS) // SHARE_BITS, n // (2 * SHARE_BITS))
    return slice(stride // 2, None, stride)


def parts(n: int, n_message: int, share: int | None = None) -> tuple[int, int]:
    """Return the bits of the lowest and of the second-lowest layer of n elements.

    Halves without a share; and whatever an image that carries nothing signals, neither layer gets
    more bits than it has elements.
    """
    n_high = n_message // 2
    if share is not None:
        n_high = (2 * share * n_message + _WHOLE) // (2 * _WHOLE)
        n_high = min(max(n_high, n_message - n), n)
    return n_message - n_high, n_high


def best_share(
    across: npt.NDArray[np.float64], within: npt.NDArray[np.float64], multiplier: float
) -> int:
    """Return the share of the upper layer in the entropy at the optimum, in 63rds.

    Parameters
    ----------
    across, within : (n,) float64 >= 0
        costs of the change that flips the second-lowest bit and of the other one; inf for wet
    multiplier : float >= 0
        Gibbs multiplier of the whole message

    Returns
    -------
    share : int in 0..63

    """
    some = spread(across.size, _SAMPLE)
    crossing, staying = (weights(cost[some], multiplier) for cost in (across, within))
    total = 1.0 + crossing + staying
    inside = 1.0 + staying
    high = float(binary_entropy(crossing / total).sum())
    low = float((binary_entropy(staying / inside) * inside / total).sum())
    return round(_WHOLE * high / (high + low)) if high + low > 0 else _WHOLE // 2


def nearest_shares(share: int) -> list[int]:
    """Return all shares, those near this one first."""
    return sorted(range(_WHOLE + 1), key=lambda other: abs(other - share))


def put_share(
    elements: npt.NDArray[Any],
    up: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
    places: slice,
    share: int,
    height: int,
) -> npt.NDArray[Any]:
    """Return elements whose lowest bits at `places` carry the share, by the cheaper changes.

    Parameters
    ----------
    elements : (n,) any integer dtype
        the cover
    up, down : (places,) float64 >= 0
        costs at `places` of +1 and -1; inf for wet
    places : slice
        what `share_places` returned
    share : int in 0..63
        what to signal
    height : int in 6..14
        constraint height

    Returns
    -------
    marked : (n,) dtype of `elements`

    Raises
    ------
    PayloadTooLargeError : too few of them may change

    """
    marked = elements.copy()
    rise = up <= down
    bits = (elements[places] & 1).astype(np.uint8)
    digits = (share >> np.arange(SHARE_BITS)) & 1
    if not np.array_equal(codec.extract(bits, SHARE_BITS, height), digits):
        moved = codec.embed(bits, digits, np.where(rise, up, down), height) != bits
        view = marked[places]
        view[moved & rise] += 1
        view[moved & ~rise] -= 1
    return marked


def read_share(elements: npt.NDArray[Any], places: slice, height: int) -> int:
    """Return the share that `put_share` put in; integer arithmetic only."""
    digits = codec.extract((elements[places] & 1).astype(np.uint8), SHARE_BITS, height)
    return int(digits @ (1 << np.arange(SHARE_BITS)))
