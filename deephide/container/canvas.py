"""Canvas of elements that messages are written into, and the costs of changing them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.container import layout, permuting, shortlist
from deephide.container.zones import Zone

__all__ = ["HEIGHT", "Canvas", "ChangeCosts", "CostPair", "Elements"]

HEIGHT = 12  # constraint height, fixed by format version 2

_WORD = 64

Elements: TypeAlias = NDArray[np.integer[Any]]
CostPair: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64]]"


class ChangeCosts:
    """Costs of +1 and -1, looked up in the order in which a trellis visits the elements.

    A large cover offers its cheapest changes only: a few bits in many megapixels go there anyway,
    and the time and memory of a trellis grow with the elements that may change.  These are kept as
    a short list, picked out of the stripes in which the costs come, so that nothing of the size of
    a large cover's costs is ever there.

    Parameters
    ----------
    stripes : costs of +1 and -1 of the elements, (k,) float64 each, stripe after stripe; inf marks
        a change that may not happen
    n : elements in all
    limit : elements that may change at most, the cheapest first
    """

    def __init__(self, stripes: Iterable[CostPair], n: int, limit: int) -> None:
        self.listed: Listed | None = None
        if n <= limit:
            pairs = list(stripes)
            up, down = (
                pairs[0] if len(pairs) == 1 else map(np.concatenate, zip(*pairs, strict=True))
            )
            self._costs = up, down
            return
        places, up, down = shortlist.cheapest(stripes, limit)
        self.listed = Listed(places, n)
        self._costs = up, down

    def at(
        self, places: NDArray[np.integer[Any]], frozen: NDArray[np.bool_] | None = None
    ) -> CostPair:
        """Return fresh arrays of both costs, inf where `frozen`.

        `places` are elements; where there is a list, ranks in it.
        """
        up, down = (cost[places] for cost in self._costs)
        if frozen is not None:
            up[frozen[places]] = down[frozen[places]] = np.inf
        return up, down

    def total(self, up: NDArray[np.intp], down: NDArray[np.intp]) -> float:
        """Return the distortion: summed costs of raising the elements `up` and lowering `down`."""
        if self.listed is not None:
            places = self.listed.places
            up, down = np.searchsorted(places, up), np.searchsorted(places, down)
        return float(self._costs[0][up].sum() + self._costs[1][down].sum())


class Listed:
    """Ascending list of the elements that may change, and whether one is on it.

    Parameters
    ----------
    places : (k,) int32
    n : elements in all
    """

    def __init__(self, places: NDArray[np.int32], n: int) -> None:
        self.places = places
        size = -(-n // _WORD)
        marks = np.zeros(size * _WORD, np.bool_)
        marks[places] = True
        self._words = np.packbits(marks, bitorder="little").view("<u8")
        self._before = np.searchsorted(places, np.arange(0, size * _WORD, _WORD)).astype(np.int32)

    def find(self, places: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return which of the places are on the list, by their position, and their ranks."""
        at, ranks = np.empty(places.size, np.int32), np.empty(places.size, np.int32)
        count = permuting.find_listed(places, self._words, self._before, at, ranks)
        return at[:count], ranks[:count]


class Canvas:
    """The stego while messages are written into it, one after the other.

    Zones are disjoint, except that the elements of a stanza may belong to any of them: only its
    recipient can find them.  Once written, they are frozen: wet for every later message.
    """

    def __init__(self, cover: Elements, costs: ChangeCosts) -> None:
        self.stego = cover.copy()
        self._costs = costs
        self._frozen: NDArray[np.bool_] | None = None

    def write(self, zone: Zone, data: bytes, *, freeze: bool = False) -> None:
        """Change elements of a zone so that they carry `data`."""
        bits = layout.to_bits(data)
        listed = self._costs.listed
        if listed is None:
            self._write_all(zone.places(), bits)
        else:
            self._write_listed(zone, bits, listed)
        if freeze:
            if self._frozen is None:
                self._frozen = np.zeros(self.stego.size, dtype=bool)
            self._frozen[zone.places()] = True

    def _write_all(self, places: NDArray[np.int32], bits: NDArray[np.uint8]) -> None:
        p1, m1 = self._costs.at(places, self._frozen)
        self.stego[places] = stc.embed_ternary(
            self.stego[places],
            bits,
            p1,
            m1,
            height=HEIGHT,
            split="even",
            threads=2,
            overwrite_costs=True,
        )

    def _write_listed(self, zone: Zone, bits: NDArray[np.uint8], listed: Listed) -> None:
        """Do the same with the elements of a large cover that may change."""
        found: list[NDArray[np.int32]] = []

        def read(start: int, stop: int) -> tuple[Elements, NDArray[np.int32]]:
            places = zone.places(start, stop)
            at, ranks = listed.find(places)
            if self._frozen is not None:
                free = ~self._frozen[places[at]]
                at, ranks = at[free], ranks[free]
            found.append(ranks)
            return self.stego.take(places), at

        new = stc.embed_ternary_from(
            read,
            zone.size,
            bits,
            lambda: self._costs.at(np.concatenate(found)),
            height=HEIGHT,
            threads=2,
        )
        self.stego[listed.places[np.concatenate(found)]] = new
