"""Elements that stand for all of a large cover, whatever the order it is in."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Listed", "sample", "spread"]


def spread(n: int, count: int) -> npt.NDArray[np.int64] | slice:
    """Return indices of about `count` elements, one from each of as many equal stretches.

    A fixed step would see one channel alone of an image whose channels take turns, or one
    column; within its stretch each element is therefore drawn at random, the same in every call.
    Only the sender samples.

    Parameters
    ----------
    n : int >= 0
        elements
    count : int >= 1
        stretches

    Returns
    -------
    places : (count,) int64, ascending, or a slice of everything if n <= count

    """
    if n <= count:
        return slice(None)
    ends = np.arange(count + 1, dtype=np.int64) * n // count
    return np.random.default_rng(count).integers(ends[:-1], ends[1:])


@dataclass(frozen=True)
class Listed:
    """Elements that may change, of n; all the others are wet.

    Parameters
    ----------
    n : int
        elements in all
    index : (k,) integers
        where those of the list are, ascending

    """

    n: int
    index: npt.NDArray[np.integer]


def sample(
    cost: npt.NDArray[np.float64], count: int, listed: Listed | None = None
) -> tuple[npt.NDArray[np.float64], float]:
    """Return the costs of about `count` elements, and which share of all they are.

    Parameters
    ----------
    cost : (n,) float64, or (k,) of listed elements
        units of distortion
    count : int >= 1
        as in `spread`
    listed : Listed or None
        whose costs these are; those of other elements are inf

    Returns
    -------
    some : (about count,) float64, C-contiguous
    share : float

    """
    if listed is None:
        some = np.ascontiguousarray(cost[spread(cost.size, count)])
        return some, some.size / cost.size
    places = spread(listed.n, count)
    if isinstance(places, slice):
        places = np.arange(listed.n)
    at = np.searchsorted(listed.index, places)
    at[at == listed.index.size] = 0
    some = np.full(places.size, np.inf)
    known = listed.index[at] == places if listed.index.size else np.zeros(places.size, bool)
    some[known] = cost[at[known]]
    return some, places.size / listed.n
