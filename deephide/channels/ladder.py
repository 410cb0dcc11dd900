"""Ladder of robust mode: settle the picture, embed, see what survives, and climb if not.

::

    photo ─► press(headroom) ─► settle ─► embed(plan) ─► hard cases ─► whole battery ─► done
                 ▲                             ▲              │ lost
                 └── more headroom ◄── last ── └─ next plan ◄─┘

A *plan* (parity, elements for each bit) trades how well the embedding hides against what error
correction puts right.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import stc
from deephide.channels import coding, lattice, zones
from deephide.channels.battery import (
    Recompressor,
    as_shown,
    attempts,
    battery,
    brightness_cases,
    choosing_cases,
    hard_cases,
    settling_cases,
)
from deephide.channels.coding import Plan
from deephide.channels.embedding import Embedded, Stage, elements_behind, embed, prepare, settle
from deephide.channels.profiles import Channel
from deephide.channels.receiving import Derive, luma_of_file
from deephide.channels.transform import Photo, press
from deephide.container import layout as container
from deephide.errors import CapacityError

__all__ = ["HEADROOMS", "PLANS", "Robust", "Trial", "climb"]

HEADROOMS = (0, 8, 16, 28)
# Parity of a codeword in bytes, and `Plan.spread`.
PLANS = ((24, 0), (32, 16), (40, 8), (48, 4), (64, 4), (80, 2), (110, 2))
# Where optimising encoders are tried from this quality up, so many elements are settled that fewer
# of them may carry the body.
_PLANS_OF_MANY = {75: PLANS[2:]}
_SPARSE = PLANS[:4]  # those that are tried at every headroom before the others
_LEAST_GUARD = 0.1  # levels that a tile's brightness is kept away from others
_GUARD = 1.5  # times as far as it was seen to move
_MOST_DENSE = 4  # elements for each bit, at least
_BYTES_LOST = 2.2  # by an element that is lost

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """What became of a stego in one channel; `mended` bytes of its worst codeword were wrong."""

    name: str
    survived: bool
    mended: int = 0


@dataclass(frozen=True, eq=False)
class Robust:
    """A stego that survived, the cover that it was made from, and what it took.

    `step` counts the rungs of the ladder from 1; `psnr` is that of luma against the cover;
    `optimisers` is the lowest quality of optimising encoders that were tried, 0 for none.
    """

    jpeg: bytes = field(repr=False)
    cover: bytes = field(repr=False)
    plan: Plan
    headroom: int
    step: int
    elements: int
    changes: int
    distortion: float
    psnr: float
    trials: tuple[Trial, ...] = ()
    optimisers: int = 0

    @property
    def message_bits(self) -> int:
        """Bits that the trellises carry, parity included."""
        return 8 * (coding.HEADER_STREAM + self.plan.framing.stream_bytes)


def climb(
    photo: Photo,
    channel: Channel,
    plaintext: bytes,
    derive: Derive,
    *,
    random: Callable[[int], bytes] = os.urandom,
    extra: Iterable[Recompressor] = (),
) -> Robust:
    """Return a stego that survived every recompressor of the battery.

    Where none survives optimising encoders, one that survives all others is made.

    Parameters
    ----------
    photo : what `transform.open_photo` returned
    channel : what `profiles.parse` returned
    plaintext : what `container.pack` returned
    derive : gives the keys for the picture's salt
    random : source of randomness; replaced in tests only
    extra : recompressors besides the battery's own

    Raises
    ------
    CapacityError : no rung of the ladder survives, or the photo is too small
    """
    length = zones.MIN_BODY_BYTES - container.HEADER_BYTES + len(plaintext)
    others = tuple(extra)
    lost = "nothing that could be tried"
    for attempt, step, stage, plan in _ladders(photo, channel, length, derive):
        try:
            stego = embed(stage, plan, plaintext, random, choosing_cases(attempt))
        except stc.PayloadTooLargeError:
            lost = "its flat and burnt-out areas"
            continue
        picture, trials = as_shown(stego.jpeg), []
        for test in (*_tests(attempt), *others):
            trials.append(_try(test, picture, stage, plan, stego))
            if not trials[-1].survived:
                lost = trials[-1].name
                _log.info("rung %d of the ladder is lost in %s", step, lost)
                break
        else:
            return _report(attempt, stage, plan, stego, step, trials)
    raise CapacityError(
        f"no robust stego of this photo survives the channel {channel.name}; the last one was lost "
        f"to {lost}",
        needed_bits=8 * length,
        capacity_bits=0,
        hint="take a photo with more texture and fewer burnt-out areas, or hide fewer bytes",
    )


def _ladders(
    photo: Photo, channel: Channel, length: int, derive: Derive
) -> Iterator[tuple[Channel, int, Stage, Plan]]:
    """Yield the rungs with optimising encoders, and then those without them."""
    last = 0
    for attempt in attempts(channel):
        for step, stage, plan in _rungs(photo, attempt, length, derive, last):
            yield attempt, step, stage, plan
            last = step


def _rungs(
    photo: Photo, channel: Channel, length: int, derive: Derive, step: int
) -> Iterator[tuple[int, Stage, Plan]]:
    """Yield every step that is worth trying, the least visible first, counted on from `step`."""
    known: dict[int, tuple[Stage, list[NDArray[np.bool_]]]] = {}
    # A little contrast is worth less than messages so dense as those of the last plans.
    tried = _PLANS_OF_MANY.get(channel.optimisers, PLANS)
    first = [plan for plan in tried if plan in _SPARSE]
    for plans in (first, tried[len(first) :]):
        for headroom in HEADROOMS:
            if headroom not in known:
                made = _stage(photo, channel, headroom, derive)
                _check_room(made, channel, length)
                known[headroom] = made, _lost(made, channel)
            stage, lost = known[headroom]
            for parity, spread in plans:
                step += 1
                plan = Plan(length, parity, spread)
                if _hopeless(stage, plan, lost):
                    continue
                if stage.zones.body_size(plan) >= 8 * _MOST_DENSE * plan.framing.stream_bytes:
                    yield step, stage, plan


def _stage(photo: Photo, channel: Channel, headroom: int, derive: Derive) -> Stage:
    cover = press(photo, channel.quality, headroom, _guards(photo, channel, headroom))
    settled = settle(cover, channel.reading, settling_cases(channel))
    lowest = channel.optimisers
    return prepare(settled, channel.reading, derive, cover, optimisers_from=lowest)


def _guards(photo: Photo, channel: Channel, headroom: int) -> NDArray[np.float64]:
    """Return how far, in levels, each tile's brightness is kept away from another level.

    Smooth tiles are moved most: all of their blocks are rounded in the same direction.
    """
    raw = press(photo, channel.quality, headroom).encode()
    picture, own = as_shown(raw), lattice.brightness_of(luma_of_file(raw))
    moved = [
        np.abs(lattice.brightness_of(luma_of_file(test.apply(picture))) - own)
        for test in brightness_cases(channel)
    ]
    return np.asarray(np.maximum(_LEAST_GUARD, _GUARD * np.max(moved, axis=0)))


def _check_room(stage: Stage, channel: Channel, length: int) -> None:
    most = zones.longest_body(stage.places.size)
    if length > most:
        raise CapacityError(
            f"the photo is too small for the channel {channel.name}: {length} bytes are "
            f"needed, {most} can be carried",
            needed_bits=8 * length,
            capacity_bits=8 * most,
            hint="take a larger photo, or hide fewer bytes",
        )


def _tests(channel: Channel) -> Iterator[Recompressor]:
    """Yield the battery, what is most likely to fail first."""
    first = {test.name: test for test in hard_cases(channel)}
    yield from first.values()
    for test in battery(channel):
        if test.name not in first:
            yield test


def _lost(stage: Stage, channel: Channel) -> list[NDArray[np.bool_]]:
    """Return which elements each hard case changes while there is no message yet."""
    own = stage.reading.elements(stage.precover.values.reshape(-1)[stage.places])
    found = []
    for test in hard_cases(channel):
        seen = elements_behind(test, stage.picture, stage.reading)
        found.append(((seen ^ own) & 1) != 0)
    return found


def _hopeless(stage: Stage, plan: Plan, lost: list[NDArray[np.bool_]]) -> bool:
    """Tell whether more bytes will be wrong than error correction puts right."""
    places = stage.zones.body(plan)
    worst = max(int(np.count_nonzero(each[places])) for each in lost)
    return _BYTES_LOST * worst > plan.parity * plan.framing.codewords / 2


def _try(
    test: Recompressor, picture: Image.Image, stage: Stage, plan: Plan, stego: Embedded
) -> Trial:
    """Read what comes out of a channel, and compare it with what went in."""
    luma = luma_of_file(test.apply(picture))
    elements = lattice.elements_of(luma, stage.reading)
    if elements.size != stage.places.size or lattice.salt_of(luma) != stage.salt:
        return Trial(test.name, False)
    bits = (elements & 1).astype(np.uint8)
    header, body = zones.read_streams(bits, stage.zones, plan)
    mended = plan.framing.worst(body, stego.body)
    sound = coding.HEADER.worst(header, stego.header) <= coding.HEADER.parity // 2
    return Trial(test.name, sound and mended <= plan.parity // 2, mended)


def _report(
    channel: Channel, stage: Stage, plan: Plan, stego: Embedded, step: int, trials: list[Trial]
) -> Robust:
    before, after = stage.cover.values, stego.values
    moved = np.subtract(after, before, dtype=np.int64) * stage.cover.table
    error = float(np.square(moved).sum())
    return Robust(
        jpeg=stego.jpeg,
        cover=stage.cover.encode(),
        plan=plan,
        headroom=stage.precover.headroom,
        step=step,
        elements=stage.places.size,
        changes=int(np.count_nonzero(moved)),
        distortion=stego.distortion,
        psnr=float(10 * np.log10(255.0**2 * before.size / error)) if error else float("inf"),
        trials=tuple(trials),
        optimisers=channel.optimisers,
    )
