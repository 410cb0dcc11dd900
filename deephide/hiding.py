"""Put a container into a vector of elements and get it back: zones, keys and trellises together.

The sender needs costs; the receiver needs the elements and the key and computes with integers
only.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

import stc
from deephide import container, crypto
from deephide.container import Zones
from deephide.errors import CapacityError, ExtractionError
from deephide.keystream import keyed_order, public_order

__all__ = ["Hidden", "Locked", "check_capacity", "hide", "limit_bits", "lock", "reveal", "unlock"]

HEIGHT = 12  # constraint height, fixed by format version 1
MAX_ATTEMPTS = 8  # fresh salts tried when wet elements leave a zone no solution
LIVE_ELEMENTS = 1 << 22  # of a large picture, the cheapest ones that the trellises may change

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hidden:
    """The stego elements and what they cost."""

    elements: NDArray[np.uint8]
    distortion: float
    message_bits: int
    changes: int


@dataclass(frozen=True)
class Locked:
    """The bytes of the three zones, and the key of the order they go in."""

    salt: bytes
    length: bytes
    body: bytes
    order_key: bytes = field(repr=False)


def lock(
    plaintext: bytes, key_input: bytes, salt: bytes, zones: Zones, associated: bytes
) -> Locked:
    """Return what the zones carry; NEVER with the same salt and key twice."""
    keys = crypto.derive_keys(key_input, salt)
    body = crypto.seal(keys, plaintext, associated)
    length = container.mask_length(len(body), keys.length_pad, zones)
    return Locked(salt, length, body, keys.order)


def unlock(
    keys: crypto.Keys,
    length: bytes,
    read_body: Callable[[int], bytes],
    zones: Zones,
    associated: bytes,
) -> bytes:
    """Return the plaintext, given the masked length and a way to read so many bytes of body.

    Raises
    ------
    ExtractionError : not authentic, for whatever reason
    """
    body_bytes, canonical = container.unmask_length(length, keys.length_pad, zones)
    plaintext = crypto.open_sealed(keys, read_body(body_bytes), associated)
    if not canonical:
        raise ExtractionError
    return plaintext


def _split(n: int) -> tuple[Zones, NDArray[np.int64], NDArray[np.int64]]:
    """Return the zones, the places of the salt, and all other places in raster order."""
    zones = Zones(n)
    salt_places = public_order(n)[: zones.salt]
    others = np.ones(n, dtype=bool)
    others[salt_places] = False
    return zones, salt_places, np.flatnonzero(others)


def limit_bits(
    elements: NDArray[np.uint8], cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64]
) -> int:
    """Return the largest message, container included, that could possibly be hidden.

    Half of every message lies in the second-lowest bits, and only some changes reach those: -1
    from an even value, +1 from an odd one.
    """
    if elements.size < container.MIN_ELEMENTS:
        return 0
    framing = container.SALT_BYTES + container.LENGTH_BYTES
    room = 8 * (Zones(elements.size).max_body_bytes + framing)
    dry = np.isfinite(cost_p1) | np.isfinite(cost_m1)
    crossing = np.isfinite(np.where(elements & 1, cost_p1, cost_m1))
    return min(room, int(np.count_nonzero(dry)), 2 * int(np.count_nonzero(crossing)))


def check_capacity(
    payload_bytes: int,
    elements: NDArray[np.uint8],
    cost_p1: NDArray[np.float64],
    cost_m1: NDArray[np.float64],
) -> None:
    """Refuse a payload that cannot fit, before any expensive work.

    Raises
    ------
    CapacityError : too few elements, or too few that may change
    """
    needed = 8 * (container.OVERHEAD_BYTES + payload_bytes)
    limit = limit_bits(elements, cost_p1, cost_m1)
    if needed > limit:
        raise _too_small(needed, limit)


def _too_small(needed: int, limit: int) -> CapacityError:
    return CapacityError(
        f"the carrier is too small or too flat: {needed} bits are needed and "
        f"about {limit} can be hidden",
        needed_bits=needed,
        capacity_bits=limit,
        hint="take a larger photo with more texture",
    )


def hide(
    elements: NDArray[np.uint8],
    cost_p1: NDArray[np.float64],
    cost_m1: NDArray[np.float64],
    key_input: bytes,
    plaintext: bytes,
    associated: bytes,
    *,
    draw_salt: Callable[[int], bytes] = os.urandom,
) -> Hidden:
    """Return stego elements that carry `plaintext`, each element changed by at most one.

    Parameters
    ----------
    elements : (n,) uint8, the cover
    cost_p1, cost_m1 : (n,) float64, price of +1 and -1; inf marks a change that may not happen
    key_input : what `crypto.key_input` returned
    plaintext : what `container.pack` returned
    associated : what `container.associated_data` returned
    draw_salt : source of randomness; replaced in tests only

    Raises
    ------
    CapacityError : no solution, also after several fresh salts
    """
    payload_bytes = len(plaintext) - container.HEADER_BYTES
    check_capacity(payload_bytes, elements, cost_p1, cost_m1)
    needed = 8 * (container.OVERHEAD_BYTES + payload_bytes)
    zones, salt_places, others = _split(elements.size)
    priciest = _priciest(cost_p1, cost_m1)
    for attempt in range(MAX_ATTEMPTS):
        if attempt == MAX_ATTEMPTS // 2:
            priciest = np.inf
        salt = draw_salt(container.SALT_BYTES)
        locked = lock(plaintext, key_input, salt, zones, associated)
        order = others[keyed_order(locked.order_key, others.size)]
        stego = elements.copy()
        try:
            for places, data in (
                (salt_places, locked.salt),
                (order[: zones.length], locked.length),
                (order[zones.length :], locked.body),
            ):
                p1, m1 = cost_p1[places], cost_m1[places]
                p1[p1 > priciest] = np.inf
                m1[m1 > priciest] = np.inf
                stego[places] = stc.embed_ternary(
                    elements[places], container.to_bits(data), p1, m1, height=HEIGHT
                )
        except stc.PayloadTooLargeError as error:
            _log.info("attempt %d found no solution: %s", attempt + 1, error)
            continue
        return _measure(elements, stego, cost_p1, cost_m1, needed)
    raise CapacityError(
        f"the carrier cannot take {needed} bits: its even and saturated areas leave no solution "
        f"({MAX_ATTEMPTS} attempts)",
        needed_bits=needed,
        capacity_bits=limit_bits(elements, cost_p1, cost_m1),
        hint="take a larger photo with more texture",
    )


def _priciest(cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64]) -> float:
    """Return the price above which a change is not worth the time and memory it takes.

    A few bits in a picture of many megapixels go to its cheapest elements anyway.
    """
    if cost_p1.size <= LIVE_ELEMENTS:
        return np.inf
    cheapest = np.minimum(cost_p1, cost_m1)
    cheapest.partition(LIVE_ELEMENTS)
    return float(cheapest[LIVE_ELEMENTS])


def _measure(
    cover: NDArray[np.uint8],
    stego: NDArray[np.uint8],
    cost_p1: NDArray[np.float64],
    cost_m1: NDArray[np.float64],
    message_bits: int,
) -> Hidden:
    up = stego > cover
    down = stego < cover
    distortion = float(cost_p1[up].sum() + cost_m1[down].sum())
    return Hidden(stego, distortion, message_bits, int(up.sum() + down.sum()))


def reveal(elements: NDArray[np.uint8], key_input: bytes, associated: bytes) -> bytes:
    """Return the plaintext that `hide` was given.

    The amount of work depends on the number of elements, not on the key or on what is found.

    Raises
    ------
    ExtractionError : nothing hidden, wrong key or altered elements
    """
    if elements.size < container.MIN_ELEMENTS:
        raise ExtractionError
    zones, salt_places, others = _split(elements.size)
    salt = _extract(elements[salt_places], container.SALT_BYTES)
    keys = crypto.derive_keys(key_input, salt)
    order = others[keyed_order(keys.order, others.size)]
    length = _extract(elements[order[: zones.length]], container.LENGTH_BYTES)
    places = order[zones.length :]
    return unlock(keys, length, lambda n: _extract(elements[places], n), zones, associated)


def _extract(elements: NDArray[np.uint8], n_bytes: int) -> bytes:
    try:
        return container.to_bytes(stc.extract_ternary(elements, 8 * n_bytes, height=HEIGHT))
    except stc.StcError:
        raise ExtractionError from None
