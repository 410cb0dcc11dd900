"""Zones of a cover: elements in the order in which a message is read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide.container.keystream import PIECE, Order, public_order
from deephide.container.layout import Zones

__all__ = ["Zone", "keyed_zones", "public_zone", "stanza_zone"]


@dataclass(frozen=True)
class Zone:
    """Part of an order, and where its numbers lie among the elements.

    `size` elements from the `first` of `order` on; `place_of` turns numbers of the order into
    indices of elements.
    """

    order: Order
    first: int
    size: int
    place_of: Callable[[NDArray[np.uint32]], NDArray[np.int64]]

    def places(self, start: int = 0, stop: int | None = None) -> NDArray[np.int32]:
        """Return the elements that come `start`-th to before `stop`-th; None means all."""
        stop = self.size if stop is None else stop
        found = np.empty(stop - start, np.int32)
        for at in range(start, stop, PIECE):
            end = min(at + PIECE, stop)
            numbers = self.order.places(self.first + at, self.first + end)
            found[at - start : end - start] = self.place_of(numbers)
        return found


def public_zone(zones: Zones) -> Zone:
    """Return the zone that anyone can find."""
    return Zone(public_order(zones.public), 0, zones.public, zones.public_places)


def keyed_zones(zones: Zones, order_key: bytes) -> tuple[Zone, Zone]:
    """Return the zones of the length and of the body."""
    order = Order(order_key, zones.others)
    return (
        Zone(order, 0, zones.length, zones.other_places),
        Zone(order, zones.length, zones.body, zones.other_places),
    )


def stanza_zone(zones: Zones, order_key: bytes) -> Zone:
    """Return the zone of one recipient's stanza."""
    return Zone(Order(order_key, zones.others), 0, zones.stanza, zones.other_places)
