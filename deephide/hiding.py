"""Put a container into a vector of elements and get it back: zones, keys and trellises together.

The sender needs costs; the receiver needs the elements and the key and computes with integers
only.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import stc
from deephide import container, crypto
from deephide.container import Zones
from deephide.errors import CapacityError, ExtractionError
from deephide.keystream import keyed_order, public_order

__all__ = ["Hidden", "check_capacity", "hide", "reveal"]

HEIGHT = 10  # constraint height, fixed by format version 1
MAX_ATTEMPTS = 8  # fresh salts tried when wet elements leave a zone no solution

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hidden:
    """The stego elements and what they cost."""

    elements: NDArray[np.uint8]
    distortion: float
    message_bits: int
    changes: int


def _split(n: int) -> tuple[Zones, NDArray[np.int64], NDArray[np.int64]]:
    """Return the zones, the places of the salt, and all other places in raster order."""
    zones = Zones(n)
    salt_places = public_order(n)[: zones.salt]
    others = np.ones(n, dtype=bool)
    others[salt_places] = False
    return zones, salt_places, np.flatnonzero(others)


def check_capacity(
    payload_bytes: int, cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64]
) -> None:
    """Refuse a payload that cannot fit, before any expensive work.

    Raises
    ------
    CapacityError : too few elements, or too few that may change
    """
    n = cost_p1.size
    needed = 8 * (container.OVERHEAD_BYTES + payload_bytes)
    dry = int(np.count_nonzero(np.isfinite(cost_p1) | np.isfinite(cost_m1)))
    limit = 0
    if n >= container.MIN_ELEMENTS:
        zones = Zones(n)
        framing = container.SALT_BYTES + container.LENGTH_BYTES
        limit = min(8 * (zones.max_body_bytes + framing), dry)
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
    check_capacity(len(plaintext) - container.HEADER_BYTES, cost_p1, cost_m1)
    zones, salt_places, others = _split(elements.size)
    for attempt in range(MAX_ATTEMPTS):
        salt = draw_salt(container.SALT_BYTES)
        keys = crypto.derive_keys(key_input, salt)
        order = others[keyed_order(keys.order, others.size)]
        sealed = crypto.seal(keys, plaintext, associated)
        length = container.mask_length(len(sealed), keys.length_pad, zones)
        stego = elements.copy()
        try:
            for places, data in (
                (salt_places, salt),
                (order[: zones.length], length),
                (order[zones.length :], sealed),
            ):
                stego[places] = stc.embed_ternary(
                    elements[places],
                    container.to_bits(data),
                    cost_p1[places],
                    cost_m1[places],
                    height=HEIGHT,
                )
        except stc.PayloadTooLargeError as error:
            _log.info("attempt %d found no solution: %s", attempt + 1, error)
            continue
        return _measure(elements, stego, cost_p1, cost_m1, 8 * (len(sealed) + 20))
    needed = 8 * (container.OVERHEAD_BYTES + len(plaintext) - container.HEADER_BYTES)
    # What failed is the best estimate there is: less than what was asked for does fit.
    raise _too_small(needed, needed - 1)


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
    masked = _extract(elements[order[: zones.length]], container.LENGTH_BYTES)
    body_bytes, canonical = container.unmask_length(masked, keys.length_pad, zones)
    sealed = _extract(elements[order[zones.length :]], body_bytes)
    plaintext = crypto.open_sealed(keys, sealed, associated)
    if not canonical:
        raise ExtractionError
    return plaintext


def _extract(elements: NDArray[np.uint8], n_bytes: int) -> bytes:
    try:
        return container.to_bytes(stc.extract_ternary(elements, 8 * n_bytes, height=HEIGHT))
    except stc.StcError:
        raise ExtractionError from None
