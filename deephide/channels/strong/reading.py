"""Receiver's side of strong mode: a picture of any size, and what it may carry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deephide.channels import coding, zones
from deephide.channels.coding import Plan
from deephide.channels.strong import code, grid
from deephide.channels.strong.grid import Frame, Rows
from deephide.container.crypto import StrongKeys
from deephide.container.keystream import Order
from deephide.errors import ExtractionError

__all__ = ["MIN_ELEMENTS", "STEPS", "Places", "associated_data", "can_hold", "reveal"]

STEPS = (16, 24, 36, 52)  # of the lattice, in levels
MIN_ELEMENTS = 4096
_LEAST_SIDE = 400  # of what came back, the longer one
_FIRST_NUMBER = 4  # of the readings of `profiles`


class Places:
    """Zones of the n elements of a frame, in the keyed order, and the shifts of their lattice."""

    def __init__(self, keys: StrongKeys, n: int) -> None:
        places = Order(keys.order, n).places(0, n)
        self.header, self.body = places[: n // 8], places[n // 8 :]
        self.shifts = code.dither(keys.dither, n)


def can_hold(width: int, height: int) -> bool:
    """Tell whether a picture of this size may be a strong stego."""
    return _LEAST_SIDE <= max(width, height) <= grid.SIDE


def associated_data(frame: Frame, step: int) -> bytes:
    """Return what the seal authenticates besides the body: shape and lattice."""
    numbers = (frame.width, frame.height, _FIRST_NUMBER + STEPS.index(step))
    return b"deephide/2 channel\x00" + b"".join(each.to_bytes(4, "little") for each in numbers)


def _groups(height: int, width: int) -> Iterator[list[Frame]]:
    """Yield the frames that a picture of this size may have, those to choose from together."""
    yield [grid.whole(width, height)]
    yield list(grid.crops(width, height))


def _read(soft: NDArray[np.int64], places: NDArray[np.uint32], n_bytes: int) -> bytes:
    n_bits = code.coded_bits(n_bytes)
    if n_bits > places.size:
        return bytes(n_bytes)
    return code.decode(code.spread(soft[places], n_bits))


def read_body(soft: NDArray[np.int64], places: Places, keys: StrongKeys) -> tuple[bytes, int]:
    """Return the body as error correction gives it, and the bytes it put right."""
    stream = _read(soft, places.header, coding.HEADER_STREAM)
    most = zones.longest_body(soft.size)
    plan, _ = coding.unpack_plan(stream, zones.MIN_BODY_BYTES, most, keys.header_pad)
    plan = Plan(plan.length, plan.parity)
    return plan.framing.decode(_read(soft, places.body, plan.framing.stream_bytes))


def reveal(luma: NDArray[np.uint8], keys: StrongKeys) -> bytes:
    """Return the plaintext that a strong stego carries.

    Every frame and every step is tried, also after one of them opened.  Of the frames of a cropped
    picture the one counts whose elements are nearest to the points of the lattice.

    Parameters
    ----------
    luma : (h, w), of any picture
    keys : right or wrong

    Raises
    ------
    ExtractionError : nothing hidden, wrong key, or more lost than can be put right
    """
    rows, found = Rows(luma), None
    for frames in _groups(*luma.shape):
        if not frames or grid.count(frames[0]) < MIN_ELEMENTS:
            continue
        places = Places(keys, grid.count(frames[0]))
        for step, (soft, frame) in _nearest(rows, frames, places).items():
            body, _ = read_body(soft, places, keys)
            try:
                plaintext = zones.unlock(keys, body, associated_data(frame, step))
            except ExtractionError:
                continue
            found = plaintext if found is None else found
    if found is None:
        raise ExtractionError
    return found


def _nearest(
    rows: Rows, frames: list[Frame], places: Places
) -> dict[int, tuple[NDArray[np.int64], Frame]]:
    """Return, of each step, the softness in the frame where it is greatest, and that frame."""
    best: dict[int, tuple[int, NDArray[np.int64], Frame]] = {}
    for frame in sorted(frames, key=lambda each: (each.left, each.top)):
        values = grid.coefficients(rows, frame)
        for step in STEPS:
            soft = code.softness(values, places.shifts, step)
            total = int(np.abs(soft).sum())
            if step not in best or total > best[step][0]:
                best[step] = total, soft, frame
    return {step: (soft, frame) for step, (_, soft, frame) in best.items()}
