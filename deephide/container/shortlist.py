"""Short list of the cheapest changes, picked out of costs that come stripe by stripe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.jit import jit

__all__ = ["cheapest"]

_SLACK = 1 << 20  # changes kept beyond the limit before the costliest are dropped


@jit
def _append(
    up: Any, down: Any, highest: float, start: int, places: Any, ups: Any, downs: Any, count: int
) -> int:
    """Append the changes up to a cost; returns how many there are.

    Writes, and overwrites, one beyond these: a branch that nothing can predict takes longer.
    """
    for i in range(up.size):
        lower = min(up[i], down[i])
        places[count] = start + i
        ups[count] = up[i]
        downs[count] = down[i]
        count += (lower <= highest) & (lower < np.inf)
    return count


@jit
def _drop(places: Any, ups: Any, downs: Any, count: int, highest: float) -> int:
    """Drop changes above a cost, in place; returns how many are left of `count`."""
    kept = 0
    for i in range(count):
        up, down = ups[i], downs[i]
        places[kept], ups[kept], downs[kept] = places[i], up, down
        kept += min(up, down) <= highest
    return kept


def cheapest(
    stripes: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]], limit: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Return the places of the elements that are as cheap as the one of rank `limit`, and costs.

    Parameters
    ----------
    stripes : costs of +1 and -1, (k,) float64 each, stripe after stripe; inf marks a change that
        may not happen
    limit : elements at most, but for those that cost as much as the last

    Returns
    -------
    places, up, down : ascending; inf where a change costs more than the cheaper one of the element
        of that rank
    """
    found = _Found(limit)
    for up, down in stripes:
        found.add(up, down)
    found.sift()
    count = found.count
    ups, downs = found.ups[:count].copy(), found.downs[:count].copy()
    for cost in (ups, downs):
        cost[cost > found.highest] = np.inf
    return found.places[:count].copy(), ups, downs


class _Found:
    """Changes found so far, in arrays with room for another stripe."""

    def __init__(self, limit: int) -> None:
        self.limit, self.highest = limit, np.inf
        self.count = self._seen = 0
        self.places: NDArray[np.int32] = np.empty(0, np.int32)
        self.ups: NDArray[np.float64] = np.empty(0)
        self.downs: NDArray[np.float64] = np.empty(0)

    def add(self, up: NDArray[np.float64], down: NDArray[np.float64]) -> None:
        """Take the next stripe."""
        if self.count + up.size >= self.places.size:
            self.sift()
            self._make_room(max(self.count, self.limit + _SLACK) + up.size + 1)
        self.count = _append(
            up, down, self.highest, self._seen, self.places, self.ups, self.downs, self.count
        )
        self._seen += up.size

    def sift(self) -> None:
        """Drop what is above the limit."""
        if self.count <= self.limit:
            return
        lower = np.minimum(self.ups[: self.count], self.downs[: self.count])
        lower.partition(self.limit)
        self.highest = min(self.highest, float(lower[self.limit]))
        self.count = _drop(self.places, self.ups, self.downs, self.count, self.highest)

    def _make_room(self, size: int) -> None:
        if size <= self.places.size:
            return
        places, ups, downs = np.empty(size, np.int32), np.empty(size), np.empty(size)
        places[: self.count] = self.places[: self.count]
        ups[: self.count], downs[: self.count] = self.ups[: self.count], self.downs[: self.count]
        self.places, self.ups, self.downs = places, ups, downs
