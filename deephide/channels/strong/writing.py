"""Sender's side of strong mode: the photo at its size, elements moved onto the lattice, the ladder.

::

    photo ── 1,072 pixels ── headroom, brightness kept off levels ── elements to their bits
                 ▲                                                        │
                 └── next step of the lattice, or headroom ◄── lost ── battery ── survived: done
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.channels import coding, lattice, zones
from deephide.channels.battery import Recompressor, as_shown, half_the_size, strong_battery
from deephide.channels.coding import Plan
from deephide.channels.ladder import Robust, Trial
from deephide.channels.receiving import luma_of_file, samples_of_file
from deephide.channels.strong import code, grid, reading
from deephide.channels.strong.grid import Frame, Rows
from deephide.channels.strong.reading import STEPS, Places
from deephide.channels.transform import LUMA_WEIGHTS, Photo, kept_off_levels
from deephide.container import brightness
from deephide.container import layout as container
from deephide.container.crypto import StrongKeys
from deephide.errors import CapacityError, ExtractionError

__all__ = ["QUALITY", "Stage", "climb", "elements_for", "embed", "prepare", "write"]

QUALITY = 92
_HEADROOMS = (4, 16)
_MOST_MOVED = (10.0, 14.0)  # levels of brightness, by headroom
_BESIDES = 0.5  # levels, for what compression does
_LEAST_FACTOR = 0.6  # of the sizes that are promised
_PARITY = 32
_ROUNDS = 2
_LEAST_SIDE = 640  # pixels of the longer side; smaller ones would have to be enlarged too much

_log = logging.getLogger(__name__)

Derive = Callable[[bytes], StrongKeys]


@dataclass(frozen=True, eq=False)
class Stage:
    """A photo ready for a message: samples, the JPEG file they make, and the keys for it."""

    samples: NDArray[np.float64] = field(repr=False)
    cover: bytes = field(repr=False)
    frame: Frame
    keys: StrongKeys = field(repr=False)
    salt: bytes
    headroom: int


def elements_for(size: tuple[int, int]) -> int:
    """Return how many elements a photo of this width and height has."""
    return grid.count(grid.whole(*size))


def climb(photo: Photo, plaintext: bytes, derive: Derive, random: Callable[[int], bytes]) -> Robust:
    """Return a stego that survived every recompressor of the battery of strong mode.

    Parameters
    ----------
    photo : what `transform.open_photo` returned
    plaintext : what `container.pack` returned
    derive : gives the keys for the picture's salt
    random : source of randomness; replaced in tests only

    Raises
    ------
    CapacityError : no rung of the ladder survives, or the photo is too small
    """
    length = zones.MIN_BODY_BYTES - container.HEADER_BYTES + len(plaintext)
    most = zones.longest_body(elements_for(photo.size))
    if max(photo.size) < _LEAST_SIDE or length > most:
        raise CapacityError(
            f"the photo is too small for strong mode: {length} bytes are needed, {most} can be "
            f"carried by photos of {_LEAST_SIDE} pixels and more",
            needed_bits=8 * length,
            capacity_bits=8 * most if max(photo.size) >= _LEAST_SIDE else 0,
            hint="take a larger photo, or hide fewer bytes",
        )
    lost = "cropping, which changes what its parts have for brightness"
    number, plan = 0, Plan(length, _PARITY)
    kept: Robust | None = None
    required = 1 + sum(1 for _ in strong_battery())
    for headroom, most_moved in zip(_HEADROOMS, _MOST_MOVED, strict=True):
        stage = prepare(photo, headroom, most_moved, derive)
        if not _is_steady(stage):
            continue
        for step in STEPS:
            number += 1
            jpeg = embed(stage, step, plan, plaintext, random)
            trials = list(_trials(jpeg, stage, plaintext))
            if all(trial.survived for trial in trials):
                return _report(stage, plan, jpeg, number, trials)
            lost = next(trial.name for trial in trials if not trial.survived)
            _log.info("rung %d of the ladder is lost in %s", number, lost)
            if len(trials) > required:
                kept = _report(stage, plan, jpeg, number, trials)
        if kept is not None:
            return kept
    raise CapacityError(
        f"no strong stego of this photo survives; the last one was lost to {lost}",
        needed_bits=8 * length,
        capacity_bits=0,
        hint="take a photo with fewer burnt-out and black areas, or hide fewer bytes",
    )


def prepare(photo: Photo, headroom: int, most: float, derive: Derive) -> Stage:
    """Return a photo ready for a message.

    Parameters
    ----------
    photo : what `transform.open_photo` returned
    headroom : levels are scaled into [headroom, 255 - headroom]
    most : levels that the brightness of a tile is moved by at most, so that its salt stays
    derive : gives the keys for the picture's salt
    """
    size = grid.size_for(*photo.size)
    bands = [
        np.asarray(
            Image.fromarray(band.astype(np.float32)).resize(size, Image.Resampling.LANCZOS),
            np.float64,
        )
        for band in np.moveaxis(photo.samples, 2, 0)
    ]
    samples = headroom + np.stack(bands, axis=2) * ((255 - 2 * headroom) / 255)
    darker, brighter = (np.minimum(each + _BESIDES, most) for each in _moves(samples))
    samples = np.clip(kept_off_levels(samples, darker, brighter, smooth=True), 0.0, 255.0)
    cover = _jpeg(samples)
    salt = lattice.salt_of(luma_of_file(cover))
    return Stage(samples, cover, Frame(*size), derive(salt), salt, headroom)


def _moves(samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how many levels each of the (8, 8) tiles becomes darker, and brighter, at most.

    Cropping moves them, and resizing to sizes that are not whole blocks, whose rest does not count.
    """
    picture = as_shown(_jpeg(samples)).convert("L")
    width, height = picture.size
    corners = ((0, 0), (0, 8), (8, 0), (8, 8), (4, 4))
    came_back = [
        picture.crop((left, top, width - 8 + left, height - 8 + top)) for left, top in corners
    ]
    for size in ((width // 2, height // 2), _with_most_left_over(width, height)):
        came_back.append(picture.resize(size, Image.Resampling.BOX))
    before = _contrasts(picture)
    moved = np.array([np.zeros_like(before)] + [_contrasts(each) - before for each in came_back])
    return -moved.min(axis=0), moved.max(axis=0)


def _with_most_left_over(width: int, height: int) -> tuple[int, int]:
    """Return a size of about three fifths in which seven columns and rows are no whole block."""
    across, down = (8 * (int(_LEAST_FACTOR * length) // 8) - 1 for length in (width, height))
    return across, down


def _contrasts(picture: Image.Image) -> NDArray[np.float64]:
    dc = brightness.dc_of_samples(np.asarray(picture))
    found = brightness.contrasts(dc, brightness.DC_SCALE, picture.size)
    return np.array(found, np.float64).reshape(brightness.TILES, brightness.TILES)


def _jpeg(samples: NDArray[np.float64]) -> bytes:
    rounded = np.clip(np.rint(samples), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(rounded if rounded.shape[2] == 3 else rounded[:, :, 0])
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=2)
    return buffer.getvalue()


def embed(
    stage: Stage, step: int, plan: Plan, plaintext: bytes, random: Callable[[int], bytes]
) -> bytes:
    """Return the file with a sealed plaintext in it."""
    sealed = zones.lock(
        stage.keys,
        random(zones.NONCE_BYTES),
        plaintext,
        reading.associated_data(stage.frame, step),
    )
    header = coding.pack_plan(plan, zones.MIN_BODY_BYTES, stage.keys.header_pad)
    return write(stage, step, header, plan.framing.encode(sealed))


def write(stage: Stage, step: int, header: bytes, body: bytes) -> bytes:
    """Return the file with the streams of header and body, both with error correction."""
    n = grid.count(stage.frame)
    places = Places(stage.keys, n)
    bits = np.empty(n, np.uint8)
    for zone, stream in ((places.header, header), (places.body, body)):
        coded = code.encode(stream)
        bits[zone] = np.resize(coded, zone.size)
    samples = stage.samples
    for _ in range(_ROUNDS):  # clipping takes some of the change away
        luma = samples @ LUMA_WEIGHTS if samples.shape[2] == 3 else samples[:, :, 0]
        values = grid.coefficients(Rows(luma), stage.frame)
        changes = code.towards(values, places.shifts, step, bits)
        samples = np.clip(grid.add_changes(samples, changes, stage.frame), 0.0, 255.0)
    return _jpeg(samples)


def _is_steady(stage: Stage) -> bool:
    """Tell whether every recompressor leaves the salt of the cover as it is."""
    picture = as_shown(stage.cover)
    return all(
        lattice.salt_of(luma_of_file(test.apply(picture))) == stage.salt
        for test in (*strong_battery(), *half_the_size())
    )


def _trials(jpeg: bytes, stage: Stage, plaintext: bytes) -> Iterator[Trial]:
    """Yield what becomes of a stego in each recompressor, up to one that loses what it must not.

    Half the size is hoped for alone, and comes last.
    """
    picture = as_shown(jpeg)
    itself = Recompressor("the file itself", (lambda _: jpeg,))
    for test in (itself, *strong_battery()):
        trial = _try(test, picture, stage, plaintext)
        yield trial
        if not trial.survived:
            return
    for test in half_the_size():
        yield _try(test, picture, stage, plaintext)


def _try(test: Recompressor, picture: Image.Image, stage: Stage, plaintext: bytes) -> Trial:
    return Trial(test.name, _survives(test.apply(picture), stage, plaintext))


def _survives(file: bytes, stage: Stage, plaintext: bytes) -> bool:
    if lattice.salt_of(luma_of_file(file)) != stage.salt:
        return False
    try:
        return reading.reveal(samples_of_file(file), stage.keys) == plaintext
    except ExtractionError:
        return False


def _report(stage: Stage, plan: Plan, jpeg: bytes, step: int, trials: list[Trial]) -> Robust:
    before, after = (samples_of_file(raw).astype(np.float64) for raw in (stage.cover, jpeg))
    squared = (after - before) ** 2
    n = grid.count(stage.frame)
    return Robust(
        jpeg=jpeg,
        cover=stage.cover,
        plan=plan,
        headroom=stage.headroom,
        step=step,
        elements=n,
        changes=n,
        distortion=float(squared.sum()),
        psnr=float(10 * np.log10(255.0**2 / max(squared.mean(), 1e-9))),
        trials=tuple(trial for trial in trials if trial.survived),
    )
