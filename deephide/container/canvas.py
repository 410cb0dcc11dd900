"""Canvas of elements that messages are written into, and the costs of changing them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.container import layout

__all__ = ["HEIGHT", "Canvas", "ChangeCosts", "Elements"]

HEIGHT = 12  # constraint height, fixed by format version 2

Elements: TypeAlias = NDArray[np.integer[Any]]


class ChangeCosts:
    """Costs of +1 and -1, looked up in the order in which a trellis visits the elements.

    A large cover offers its cheapest changes only: a few bits in many megapixels go there anyway,
    and the time and memory of a trellis grow with the elements that may change.  The offered
    changes are kept as a short list, so that nothing as large as the cover is copied twice.

    Parameters
    ----------
    cost_p1, cost_m1 : (n,) float64; inf marks a change that may not happen
    limit : elements that may change at most, the cheapest first
    """

    def __init__(
        self, cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64], limit: int
    ) -> None:
        self._costs = cost_p1, cost_m1
        self._places: NDArray[np.intp] | None = None
        if cost_p1.size <= limit:
            return
        cheapest = np.minimum(cost_p1, cost_m1)
        cheapest.partition(limit)
        highest = float(cheapest[limit])
        np.minimum(cost_p1, cost_m1, out=cheapest)
        self._places = np.flatnonzero((cheapest <= highest) & (cheapest < np.inf))
        self._costs = cost_p1[self._places], cost_m1[self._places]
        for cost in self._costs:
            cost[cost > highest] = np.inf

    def at(
        self, places: NDArray[np.integer[Any]], frozen: NDArray[np.bool_] | None, n: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return fresh arrays of both costs at `places`; inf where `frozen`."""
        if self._places is None:
            up, down = (cost[places] for cost in self._costs)
        else:
            where = np.full(n, -1, np.int32)
            where[places] = np.arange(places.size, dtype=np.int32)
            where = where[self._places]
            used = where >= 0
            up, down = np.full(places.size, np.inf), np.full(places.size, np.inf)
            for array, cost in zip((up, down), self._costs, strict=True):
                array[where[used]] = cost[used]
        if frozen is not None:
            up[frozen[places]] = down[frozen[places]] = np.inf
        return up, down

    def total(self, up: NDArray[np.intp], down: NDArray[np.intp]) -> float:
        """Return the distortion: summed costs of raising the elements `up` and lowering `down`."""
        if self._places is not None:
            up, down = np.searchsorted(self._places, up), np.searchsorted(self._places, down)
        return float(self._costs[0][up].sum() + self._costs[1][down].sum())


class Canvas:
    """The stego while messages are written into it, one after the other.

    Zones are disjoint, except that the elements of a stanza may belong to any of them: only its
    recipient can find them.  Once written, they are frozen: wet for every later message.
    """

    def __init__(self, cover: Elements, costs: ChangeCosts) -> None:
        self.stego = cover.copy()
        self._costs = costs
        self._frozen: NDArray[np.bool_] | None = None

    def write(self, places: NDArray[np.integer[Any]], data: bytes, *, freeze: bool = False) -> None:
        """Change elements at `places` so that they carry `data`."""
        p1, m1 = self._costs.at(places, self._frozen, self.stego.size)
        self.stego[places] = stc.embed_ternary(
            self.stego[places],
            layout.to_bits(data),
            p1,
            m1,
            height=HEIGHT,
            split="even",
            threads=2,
            overwrite_costs=True,
        )
        if freeze:
            if self._frozen is None:
                self._frozen = np.zeros(self.stego.size, dtype=bool)
            self._frozen[places] = True
