"""Robust containers written into the luma of a picture of the program's own making."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import stc
from deephide.channels import coding, lattice, optimisers, zones
from deephide.channels.battery import Recompressor, as_shown
from deephide.channels.coding import Plan
from deephide.channels.profiles import Reading
from deephide.channels.receiving import Derive, luma_of_file
from deephide.channels.transform import Precover
from deephide.channels.zones import HEIGHT, Zones
from deephide.container import layout as container
from deephide.container.crypto import ChannelKeys
from deephide.container.keystream import Order

__all__ = ["Embedded", "Stage", "elements_behind", "embed", "prepare", "settle", "write"]

_ROUNDS = 5
_ROUNDS_OF_MANY = 2  # what is left after them is for error correction
_ROUNDS_OF_CHOICE = 4
_FEW_LOST = 1  # elements in one recompressor, which error correction puts right
_LARGEST = 1023
_CLIPPED = 2.0  # levels that a mode of a block is moved where samples are out of range
_SAFE_BITS = 4.0  # that a coefficient must be worth more than it takes
_SURE = 1e-6  # what a change costs that rounding left to chance

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Stage:
    """A settled picture with its keys: what plans are tried on.

    `places` are the elements among the coefficients of luma, in the order of the elements;
    `picture` is what a viewer shows, and `cover` the picture before it settled.  A plan takes from
    the settled picture the elements that it uses, and from the cover all others.
    """

    precover: Precover
    picture: Image.Image = field(repr=False)
    cover: Precover
    reading: Reading
    keys: ChannelKeys
    zones: Zones
    places: NDArray[np.intp] = field(repr=False)
    costs: NDArray[np.float64] = field(repr=False)
    salt: bytes = b""
    associated: bytes = b""


@dataclass(frozen=True, eq=False)
class Embedded:
    """A stego file, its coefficients of luma, the streams that it carries, and what that took."""

    jpeg: bytes = field(repr=False)
    values: NDArray[np.int16] = field(repr=False)
    header: bytes = field(repr=False)
    body: bytes = field(repr=False)
    distortion: float


def _whole_blocks(precover: Precover) -> tuple[int, int]:
    file = precover.template.file
    return file.height // 8, file.width // 8


def _places(precover: Precover, reading: Reading) -> NDArray[np.intp]:
    """Return where the elements are in the flat coefficients of luma."""
    rows, columns = _whole_blocks(precover)
    blocks = np.arange(rows)[:, None] * precover.values.shape[1] + np.arange(columns)
    modes = reading.modes(precover.table)
    return np.asarray((64 * blocks.reshape(-1)[:, None] + modes).reshape(-1), np.intp)


def elements_behind(
    test: Recompressor, picture: Image.Image, reading: Reading
) -> NDArray[np.int64]:
    """Return the elements that a receiver reads behind a recompressor."""
    return lattice.elements_of(luma_of_file(test.apply(picture)), reading)


def settle(precover: Precover, reading: Reading, tests: Iterable[Recompressor]) -> Precover:
    """Return the picture with those elements replaced that recompressors would change.

    They lie where samples are burnt out; there is no message yet.
    """
    cases = tuple(tests)
    places = _places(precover, reading)
    settled = np.zeros(places.size, np.bool_)
    for _ in range(_ROUNDS if len(cases) == 1 else _ROUNDS_OF_MANY):
        picture = as_shown(precover.encode())
        values = precover.values.reshape(-1).copy()
        own = reading.elements(values[places])
        found = own.copy()
        for test in cases:
            seen = elements_behind(test, picture, reading)
            np.copyto(found, seen, where=(seen != own) & ~settled)
        wrong = np.flatnonzero(found != own)
        _log.info("%d elements of the picture are settled", wrong.size)
        if not wrong.size:
            break
        values[places[wrong]] = found[wrong]
        # Where one case takes away what another one adds, it stays as the first one left it.
        settled[wrong] = len(cases) > 1
        precover = precover.with_values(values.reshape(precover.values.shape))
    return precover


def prepare(
    precover: Precover,
    reading: Reading,
    derive: Derive,
    cover: Precover | None = None,
    *,
    optimisers_from: int = 0,
) -> Stage:
    """Derive the keys of a settled picture and compute its costs; `cover` is what it was before.

    Settled elements are wet: a channel would only take back what is done to them.  With
    `optimisers_from` nothing is added that mozjpeg of this quality is likely to drop.
    """
    before = precover if cover is None else cover
    raw = precover.encode()
    luma = luma_of_file(raw)
    salt = lattice.salt_of(luma)
    keys = derive(salt)
    places = _places(precover, reading)
    costs = _costs(precover, reading)
    if optimisers_from:
        gained = optimisers.bits_gained(precover.values, precover.table, optimisers_from)
        costs[((precover.values == 0) & (gained < _SAFE_BITS)).reshape(-1)] = np.inf
    costs = costs[places].reshape(*luma.values.shape[:2], -1)
    picture = as_shown(raw)
    shown = lattice.from_samples(np.asarray(picture))
    costs[lattice.distances(luma, shown, reading).max(axis=2) > _CLIPPED] = np.inf
    costs = costs.reshape(-1)
    costs[precover.values.reshape(-1)[places] != before.values.reshape(-1)[places]] = np.inf
    return Stage(
        precover,
        picture,
        before,
        reading,
        keys,
        Zones(Order(keys.order, places.size)),
        places,
        costs,
        salt,
        zones.associated_data(luma, reading),
    )


def _costs(precover: Precover, reading: Reading) -> NDArray[np.float64]:
    """Return the cost of the cheaper change of each coefficient of luma, inf for wet ones.

    J-UNIWARD, times how far the value before rounding was from half a step (Denemark and
    Fridrich, "Side-informed steganography with additive distortion", WIFS 2015).  Where
    elements are signs, those of one step can go to 0 alone, on whichever side of it they were
    rounded, and larger ones are wet.
    """
    rows, columns = precover.values.shape[:2]
    blocks = precover.values.reshape(rows, columns, 8, 8)
    table = precover.table.reshape(8, 8)
    cost = stc.costs.juniward(blocks, table).reshape(rows, columns, 64)
    gained = np.abs(precover.errors)
    if reading.least is not None:
        gained = np.where(precover.values, -np.sign(precover.values) * precover.errors, gained)
        cost[np.abs(precover.values) > 1] = np.inf
    cost *= 1.0 - 2.0 * gained + _SURE
    cost[~precover.values[:, :, 1:].any(axis=2) | precover.saturated()] = np.inf
    cost[np.abs(precover.values) >= _LARGEST] = np.inf
    return np.asarray(cost.reshape(-1))


def embed(
    stage: Stage,
    plan: Plan,
    plaintext: bytes,
    random: Callable[[int], bytes],
    tests: Iterable[Recompressor] = (),
) -> Embedded:
    """Write a sealed plaintext into the elements of a stage; raises as `write`."""
    body = zones.lock(stage.keys, random(zones.NONCE_BYTES), plaintext, stage.associated)
    header = coding.pack_plan(plan, zones.MIN_BODY_BYTES, stage.keys.header_pad)
    return write(stage, plan, header, plan.framing.encode(body), tests)


def write(
    stage: Stage, plan: Plan, header: bytes, body: bytes, tests: Iterable[Recompressor] = ()
) -> Embedded:
    """Write the streams of header and body.

    Elements that do not survive a recompressor are wet in the next of a few rounds: those that
    were changed stay as they were, and others are settled.

    Parameters
    ----------
    stage : what `prepare` returned
    plan : says which elements carry the body
    header, body : with error correction
    tests : recompressors that elements are chosen by

    Raises
    ------
    stc.PayloadTooLargeError : too few elements may change
    """
    cases = tuple(tests)
    zones_of = ((stage.zones.header, header), (stage.zones.body(plan), body))
    used = np.zeros(stage.places.size, np.bool_)
    for where, _ in zones_of:
        used[where] = True
    own = stage.places[used]
    base = stage.cover.values.reshape(-1).copy()
    base[own] = stage.precover.values.reshape(-1)[own]
    costs = stage.costs.copy()
    for left in range(_ROUNDS_OF_CHOICE if cases else 1, 0, -1):
        values, distortion = _with_streams(stage, base, costs, zones_of)
        jpeg = stage.precover.encode(values.reshape(stage.precover.values.shape))
        if left == 1 or not _avoid(stage, jpeg, values, base, costs, used, cases):
            break
    shaped = values.reshape(stage.precover.values.shape)
    return Embedded(jpeg, shaped, header, body, distortion)


def _with_streams(
    stage: Stage,
    base: NDArray[np.int16],
    costs: NDArray[np.float64],
    streams: Iterable[tuple[NDArray[np.uint32], bytes]],
) -> tuple[NDArray[np.int16], float]:
    """Return flat coefficients that carry streams, and the distortion."""
    values, distortion = base.copy(), 0.0
    errors = stage.precover.errors.reshape(-1)
    for where, stream in streams:
        places, cost = stage.places[where], costs[where]
        bits = (stage.reading.elements(values[places]) & 1).astype(np.uint8)
        stego = stc.embed(bits, container.to_bits(stream), cost, height=HEIGHT)
        flipped = np.flatnonzero(stego != bits)
        at = places[flipped]
        towards = np.where(errors[at] >= 0, 1, -1)
        if stage.reading.least is not None:
            towards = np.where(values[at], -values[at], towards)
        values[at] += towards.astype(np.int16)
        distortion += float(cost[flipped].sum())
    return values, distortion


def _avoid(
    stage: Stage,
    jpeg: bytes,
    values: NDArray[np.int16],
    base: NDArray[np.int16],
    costs: NDArray[np.float64],
    used: NDArray[np.bool_],
    cases: Iterable[Recompressor],
) -> bool:
    """Settle what recompressors change in a stego, and make it wet; tell whether that was much."""
    picture, places = as_shown(jpeg), stage.places
    own = stage.reading.elements(values[places])
    most, lost = 0, np.zeros(places.size, np.bool_)
    found = own.copy()
    for test in cases:
        seen = elements_behind(test, picture, stage.reading)
        wrong = ((seen ^ own) & 1).astype(np.bool_) & used
        np.copyto(found, seen, where=wrong & ~lost)
        lost |= wrong
        most = max(most, int(np.count_nonzero(wrong)))
    kept = lost & (values[places] == base[places])
    base[places[kept]] = found[kept]
    costs[lost] = np.inf
    _log.info("%d elements are lost, %d at once", np.count_nonzero(lost), most)
    return most > _FEW_LOST
