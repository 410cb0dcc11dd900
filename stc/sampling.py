"""Elements that stand for all of a large cover, whatever the order it is in."""

import numpy as np
import numpy.typing as npt

__all__ = ["spread"]


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
