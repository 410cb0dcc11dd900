"""Embedding of a container in a vector of elements, and its extraction.

Zones, keys and trellises come together here.  The sender needs costs; the receiver needs the
elements and the key, and computes with integers only.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.container import crypto, layout
from deephide.container.canvas import HEIGHT, Canvas, ChangeCosts, CostPair, Elements
from deephide.container.keys import Opener, Opening, Sealer
from deephide.container.layout import Zones
from deephide.container.zones import Zone, keyed_zones, public_zone, stanza_zone
from deephide.errors import CapacityError, ExtractionError

__all__ = [
    "Changeable",
    "Gathered",
    "Hidden",
    "hide",
    "hide_computing_costs",
    "lock",
    "message_bits",
    "read_zones",
    "reveal",
    "unlock",
]

MAX_ATTEMPTS = 8  # fresh openings tried when wet elements leave a zone no solution
MAX_PICTURES = 64  # stegos tried, all in all, when changes alter the salt: in tiny pictures alone
LIVE_ELEMENTS = 1 << 22  # of a large image, the cheapest ones that the trellises may change
_BLOCK = 1 << 20  # elements looked at at once

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hidden:
    """Stego elements and their distortion.

    `loads` has the share of the elements and the bits of each zone.
    """

    elements: Elements
    distortion: float
    message_bits: int
    changes: int
    loads: tuple[tuple[float, int], ...]


def message_bits(plaintext_bytes: int, key: Opener) -> int:
    """Return the size of everything that is hidden with a plaintext, as far as `key` knows."""
    framing = _framing_bytes(key.public_bytes, key.stanza_count)
    return 8 * (framing + plaintext_bytes + layout.TAG_BYTES)


def _framing_bytes(opening: int, stanzas: int) -> int:
    """Return the bytes of all messages but the body."""
    return opening + layout.COMMITMENT_BYTES + stanzas * layout.STANZA_BYTES + layout.LENGTH_BYTES


def lock(
    plaintext: bytes, keys: crypto.Keys, zones: Zones, associated: bytes
) -> tuple[bytes, bytes]:
    """Return the masked length and the sealed body; NEVER with the same keys twice."""
    body = crypto.seal(keys, plaintext, associated)
    return layout.mask_length(len(body), keys.length_pad, zones), body


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
    body_bytes, canonical = layout.unmask_length(length, keys.length_pad, zones)
    plaintext = crypto.open_sealed(keys, read_body(body_bytes), associated)
    if not canonical or not keys.usable:
        raise ExtractionError
    return plaintext


@dataclass
class Changeable:
    """Elements that may change, counted stripe by stripe.

    `dry` elements may change at all.  Half of every message lies in the second-lowest bits, and
    only some changes reach those: -1 from a value of parity 0, +1 from one of parity 1; `crossing`
    elements have such a one.
    """

    dry: int = 0
    crossing: int = 0

    def counted(self, elements: Elements, stripes: Iterable[CostPair]) -> Iterator[CostPair]:
        """Pass stripes of costs on, and count."""
        start = 0
        for up, down in stripes:
            for first in range(0, up.size, _BLOCK):
                part = slice(first, first + _BLOCK)
                rise, fall = np.isfinite(up[part]), np.isfinite(down[part])
                own = elements[start + first : start + min(first + _BLOCK, up.size)]
                self.dry += int(np.count_nonzero(rise | fall))
                self.crossing += int(np.count_nonzero(np.where(own & 1, rise, fall)))
            start += up.size
            yield up, down

    @classmethod
    def of(cls, elements: Elements, stripes: Iterable[CostPair]) -> Changeable:
        """Count all stripes."""
        found = cls()
        for _ in found.counted(elements, stripes):
            pass
        return found

    def limit_bits(self, n: int, key: Opener | None = None) -> int:
        """Return the largest message, container included, that n elements could possibly hold.

        Without a key, the framing of a shared one is counted.
        """
        if n < layout.MIN_ELEMENTS:
            return 0
        opening, stanzas = (
            (layout.SALT_BYTES, 0) if key is None else (key.public_bytes, key.stanza_count)
        )
        body = Zones(n, opening).max_body_bytes
        room = 8 * (body + _framing_bytes(opening, stanzas))
        return min(room, self.dry, 2 * self.crossing)

    def check(self, needed: int, n: int, key: Opener) -> int:
        """Reject a message that cannot fit; return `limit_bits`.

        Parameters
        ----------
        needed : bits of everything that is to be hidden
        n, key : as in `limit_bits`

        Raises
        ------
        CapacityError : too few elements, or too few that may change
        """
        limit = self.limit_bits(n, key)
        if needed > limit:
            raise CapacityError(
                f"the carrier is too small or too flat: {needed} bits are needed and "
                f"about {limit} can be hidden",
                needed_bits=needed,
                capacity_bits=limit,
                hint="take a larger photo with more texture",
            )
        return limit


@dataclass(frozen=True)
class Gathered:
    """What may change in a cover and at what cost, of one pass over the costs."""

    changeable: Changeable
    costs: ChangeCosts

    @classmethod
    def of(cls, elements: Elements, stripes: Iterable[CostPair]) -> Gathered:
        """Gather stripes of costs; of a large cover the lowest are kept."""
        found = Changeable()
        counted = found.counted(elements, stripes)
        costs = ChangeCosts(counted, elements.size, LIVE_ELEMENTS)
        return cls(found, costs)


def hide(
    elements: Elements,
    cost_p1: NDArray[np.float64],
    cost_m1: NDArray[np.float64],
    key: Sealer,
    plaintext: bytes,
    associated: bytes,
    random: Callable[[int], bytes] = os.urandom,
) -> Hidden:
    """Return stego elements that carry `plaintext`, each element changed by at most one.

    Parameters
    ----------
    cost_p1, cost_m1 : (n,) float64, costs of +1 and -1; inf marks a change that may not happen
    elements, key, plaintext, associated, random : as in `hide_computing_costs`

    Raises
    ------
    CapacityError : no solution, also after several fresh openings
    """
    costs = (cost_p1, cost_m1)
    return hide_computing_costs(
        elements, lambda: (costs,), key, plaintext, associated, random=random
    )


def hide_computing_costs(
    elements: Elements,
    compute_costs: Callable[[], Iterable[CostPair]],
    key: Sealer,
    plaintext: bytes,
    associated: bytes,
    *,
    random: Callable[[int], bytes] = os.urandom,
    gathered: Gathered | None = None,
    first: Callable[[], Opening] | None = None,
    accept: Callable[[Elements], bool] = lambda elements: True,
) -> Hidden:
    """Do what `hide` does; costs are computed on request, stripe by stripe.

    The costs of a large cover would take gigabytes, and a trellis needs the lowest alone.

    Parameters
    ----------
    elements : (n,) integers, the cover: samples, or coefficients of a JPEG file
    compute_costs : returns stripes of `cost_p1` and `cost_m1`, as `ChangeCosts` takes them; called
        once, unless they are `gathered`, and again after several failures
    key : what `keys.Access.sealer` returned
    plaintext : what `layout.pack` returned
    associated : what `layout.associated_data` returned
    random : source of randomness; replaced in tests only
    gathered : those costs, where something has been through them before
    first : gives what `key.begin(random)` would, for the first attempt, if that was begun before
    accept : tells whether the receiver will derive the same keys from a stego

    Raises
    ------
    CapacityError : as in `hide`
    """
    needed = message_bits(len(plaintext), key)
    n = elements.size
    if gathered is None:
        gathered = Gathered.of(elements, compute_costs())
    costs = gathered.costs
    limit = gathered.changeable.check(needed, n, key)
    zones = Zones(n, key.public_bytes)
    attempt = 0
    for picture in range(MAX_PICTURES):
        if attempt == MAX_ATTEMPTS:
            break
        opening = first() if first is not None and picture == 0 else key.begin(random)
        length, body = lock(plaintext, opening.keys, zones, associated)
        canvas = Canvas(elements, costs)
        try:
            canvas.write(public_zone(zones), opening.public + opening.keys.commitment)
            for stanza in opening.stanzas:
                canvas.write(stanza_zone(zones, stanza.order_key), stanza.data, freeze=True)
            length_zone, body_zone = keyed_zones(zones, opening.keys.order)
            canvas.write(length_zone, length)
            canvas.write(body_zone, body)
        except stc.PayloadTooLargeError as error:
            attempt += 1
            _log.info("attempt %d found no solution: %s", attempt, error)
            if attempt == MAX_ATTEMPTS // 2:
                costs = ChangeCosts(compute_costs(), n, n)
            continue
        if not accept(canvas.stego):
            _log.info("stego %d is a picture of another salt", picture + 1)
            continue
        return _measure(elements, canvas.stego, costs, needed, _loads(zones, key, needed))
    reason = (
        f"its flat and saturated areas leave no solution ({MAX_ATTEMPTS} attempts)"
        if attempt == MAX_ATTEMPTS
        else f"it is so small that changes move its salt ({MAX_PICTURES} stegos tried)"
    )
    raise CapacityError(
        f"the carrier cannot take {needed} bits: {reason}",
        needed_bits=needed,
        capacity_bits=limit,
        hint="take a larger photo with more texture",
    )


def _loads(zones: Zones, key: Opener, message_bits: int) -> tuple[tuple[float, int], ...]:
    """Return `Hidden.loads`; zones of one rate are taken together."""
    fixed = 8 * (zones.public_bytes + layout.LENGTH_BYTES)
    stanzas = 8 * key.stanza_count * layout.STANZA_BYTES
    found = [
        ((zones.public + zones.length) / zones.n, fixed),
        (zones.body / zones.n, message_bits - fixed - stanzas),
    ]
    if stanzas:
        found.append((key.stanza_count * zones.stanza / zones.n, stanzas))
    return tuple(found)


def _measure(
    cover: Elements,
    stego: Elements,
    costs: ChangeCosts,
    message_bits: int,
    loads: tuple[tuple[float, int], ...],
) -> Hidden:
    up, down = np.flatnonzero(stego > cover), np.flatnonzero(stego < cover)
    return Hidden(stego, costs.total(up, down), message_bits, up.size + down.size, loads)


def reveal(elements: Elements, key: Opener, associated: bytes, *, in_secret: bool = True) -> bytes:
    """Return the plaintext that `hide` was given.

    The amount of work depends on the number of elements and the kind of key, not on the key
    itself or on what is found.

    Parameters
    ----------
    elements : (n,) integers, the stego
    key : what `keys.choose_opener` returned, or the sealer that `hide` was given
    associated : what `layout.associated_data` returned
    in_secret : take the same time whatever is found; a sender who verifies has nothing to conceal

    Raises
    ------
    ExtractionError : nothing hidden, wrong key or altered elements
    """
    if elements.size < layout.MIN_ELEMENTS:
        raise ExtractionError
    reader = _Reader(elements, key)

    def read_body(n_bytes: int) -> bytes:
        # A short message takes less time than a long one.  A wrong key leads to any length, so that
        # a quick failure would say that there is a short container, which was altered.
        if in_secret:
            reader.idle(reader.zones.max_body_bytes + layout.MIN_BODY_BYTES - n_bytes)
        return reader.body(n_bytes)

    return unlock(reader.keys, reader.length, read_body, reader.zones, associated)


def read_zones(elements: Elements, key: Opener) -> bytes:
    """Return the messages of all zones as they are, one after the other, sealed and masked.

    This is what a test of randomness looks at.  The body is read at its greatest length.

    Parameters
    ----------
    elements, key : as in `reveal`
    """
    reader = _Reader(elements, key)
    return reader.public + reader.length + reader.body(reader.zones.max_body_bytes)


class _Reader:
    """Public zone, keys and length of an image, and its body on demand."""

    def __init__(self, elements: Elements, key: Opener) -> None:
        self._elements = elements
        self.zones = zones = Zones(elements.size, key.public_bytes)
        self.public = self._extract(public_zone(zones), zones.public_bytes)
        opening, found = self.public[: zones.opening_bytes], self.public[zones.opening_bytes :]
        keys = key.open(opening, self._stanza)
        committed = hmac.compare_digest(found, keys.commitment)
        self.keys = replace(keys, usable=keys.usable and committed)
        length_zone, self._body_zone = keyed_zones(zones, self.keys.order)
        self.length = self._extract(length_zone, layout.LENGTH_BYTES)

    def body(self, n_bytes: int) -> bytes:
        """Return so many bytes of the sealed body."""
        return self._extract(self._body_zone, n_bytes)

    def idle(self, n_bytes: int) -> None:
        """Spend the time that the syndrome of so many bytes takes."""
        n = self._body_zone.size
        stc.extract_ternary_from(lambda a, b: np.zeros(b - a, np.uint8), n, 8 * n_bytes, HEIGHT)

    def _stanza(self, order_key: bytes) -> bytes:
        return self._extract(stanza_zone(self.zones, order_key), layout.STANZA_BYTES)

    def _extract(self, zone: Zone, n_bytes: int) -> bytes:
        def read(start: int, stop: int) -> Elements:
            return self._elements.take(zone.places(start, stop))

        try:
            bits = stc.extract_ternary_from(read, zone.size, 8 * n_bytes, HEIGHT)
        except stc.StcError:
            raise ExtractionError from None
        return layout.to_bytes(bits)
