"""Sampled looks at photos: what a few tiles say of a payload, in a fraction of a second each.

Tiles are spread evenly; costs and noise are computed in each with a margin around it.  Of a JPEG
file luma alone is looked at, decoded by Pillow and transformed and quantised again, which gives
back its coefficients but for a few that clipping changed.  Traces of what an image went through are
looked for in its middle.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import stc
from deephide.container import layout
from deephide.covers import cost_names, sample_costs
from deephide.covers.base import Sign
from deephide.covers.detectability import Prospect
from deephide.covers.history import looks_recompressed
from deephide.covers.sample_files import open_checked
from deephide.covers.sample_signs import find_signs
from deephide.errors import InputImageError
from deephide.formats import images
from deephide.formats.jpeg.segments import is_jpeg

__all__ = ["Look", "look"]

_TILES = 8
_TILE, _MARGIN = 96, 16
_OUTER = _TILE + 2 * _MARGIN
_MIDDLE = 384
_MOST_SEARCHED = 1 << 14
_MOST_INFORMATION = 144.0
_THUMBNAIL, _SHOWN = 16, 160
_TEXTURED = 20_000  # as `jpeg_costs` warns

_K, _X = np.mgrid[0:8, 0:8]
_BASIS = 0.5 * np.cos((2 * _X + 1) * _K * np.pi / 16)
_BASIS[0] /= np.sqrt(2.0)


@dataclass(frozen=True, eq=False)
class Look:
    """What a sampled look at a photo found.

    `size` is width and height, `prospect` what costs and noise promise, `signs` what makes it a
    poor hiding place; `outline` is a vector of unit length that like scenes share, and `thumbnail`
    a small JPEG file.
    """

    size: tuple[int, int]
    prospect: Prospect = field(repr=False)
    signs: tuple[Sign, ...]
    outline: NDArray[np.float64] = field(repr=False)
    thumbnail: bytes = field(repr=False)


def look(raw: bytes) -> Look:
    """Look at the tiles of a photo.

    Parameters
    ----------
    raw : a file that can be a carrier

    Raises
    ------
    InputImageError : it cannot be one, or is smaller than a tile
    """
    if is_jpeg(raw):
        image, _ = images.open_file(raw, "carrier", ("JPEG",), "use a photo")
        _check_size(image.size)
        image.draft("L", image.size)
        images.decode(image, "carrier")
        luma = np.asarray(image if image.mode == "L" else image.convert("L"))
        table = np.array(image.quantization[0], np.int64).reshape(8, 8)  # type: ignore[attr-defined]
        prospect, signs = _coefficients(luma, table)
        return Look(image.size, prospect, signs, *_pictures(Image.fromarray(luma)))
    samples = open_checked(raw, "carrier").samples
    size = (samples.shape[1], samples.shape[0])
    _check_size(size)
    shown = Image.fromarray(samples if samples.shape[2] == 3 else samples[:, :, 0])
    return Look(size, _samples(samples), find_signs(_middle(samples)), *_pictures(shown))


def _check_size(size: tuple[int, int]) -> None:
    if min(size) < _OUTER:
        raise InputImageError(
            f"the carrier is too small ({size[0]} x {size[1]}) to be looked at",
            hint=f"take photos of {_OUTER} pixels on each side at least",
        )


def _pictures(image: Image.Image) -> tuple[NDArray[np.float64], bytes]:
    """Return outline and thumbnail."""
    small = image.convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    vector = np.asarray(small, np.float64).reshape(-1)
    vector = vector - vector.mean()
    image.thumbnail((_SHOWN, _SHOWN))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return vector / (float(np.linalg.norm(vector)) or 1.0), buffer.getvalue()


def _middle(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = samples.shape[:2]
    top, left = max(0, height - _MIDDLE) // 2, max(0, width - _MIDDLE) // 2
    return np.ascontiguousarray(samples[top : top + _MIDDLE, left : left + _MIDDLE])


def _corners(height: int, width: int) -> list[tuple[int, int]]:
    """Return the upper left corners of the tiles, multiples of 8, evenly spread."""
    rows = max(1, min(_TILES, round((_TILES * height / width) ** 0.5)))
    columns = max(1, _TILES // rows)
    down, across = height - _OUTER, width - _OUTER
    found = {
        (int((i + 0.5) * down / rows) // 8 * 8, int((j + 0.5) * across / columns) // 8 * 8)
        for i in range(rows)
        for j in range(columns)
    }
    return sorted(found)


def _samples(samples: NDArray[np.uint8]) -> Prospect:
    from stc.costs.mipod import fisher_information

    inner = slice(_MARGIN, -_MARGIN)
    ups, downs, known = [], [], []
    channels = samples.shape[2]
    for y, x in _corners(*samples.shape[:2]):
        tile = np.ascontiguousarray(samples[y : y + _OUTER, x : x + _OUTER])
        costs = sample_costs.costs(tile, None, cost_names.OF_SAMPLES[0])
        up, down = (each.reshape(tile.shape)[inner, inner].reshape(-1) for each in costs)
        # The noise of one channel stands for that of all.
        information = fisher_information(np.ascontiguousarray(tile[:, :, channels // 2]))
        shared = np.repeat(information[inner, inner, None], channels, axis=2)
        ups.append(up)
        downs.append(down)
        known.append(np.minimum(shared.reshape(-1), _MOST_INFORMATION))
    return _prospect(ups, downs, known, samples.size, samples.size)


def _coefficients(
    luma: NDArray[np.uint8], table: NDArray[np.int64]
) -> tuple[Prospect, tuple[Sign, ...]]:
    from deephide.covers.jpeg_costs import LARGEST, noise_of

    side, edge = _OUTER // 8, _MARGIN // 8
    inner = slice(edge, -edge)
    ups, downs, known, planes = [], [], [], []
    for y, x in _corners(*luma.shape):
        tile = luma[y : y + _OUTER, x : x + _OUTER].astype(np.float64) - 128.0
        blocks = tile.reshape(side, 8, side, 8).transpose(0, 2, 1, 3)
        plane = np.rint(_BASIS @ blocks @ _BASIS.T / table).clip(-LARGEST, LARGEST)
        plane = plane.astype(np.int16)
        cost = stc.costs.juniward(plane, table)
        cost[~plane.reshape(side, side, 64)[:, :, 1:].any(axis=2)] = np.inf
        up, down = stc.costs.wet(plane, cost, low=-LARGEST, high=LARGEST)
        noise = noise_of(plane, np.arange(plane.size)).reshape(plane.shape) + 1.0 / 12.0
        ups.append(up[inner, inner].reshape(-1))
        downs.append(down[inner, inner].reshape(-1))
        known.append(noise[inner, inner].reshape(-1) ** -2)
        planes.append(plane)
    together = np.concatenate(planes)
    seen = np.concatenate([each[inner, inner] for each in planes])
    rough = np.count_nonzero(seen) - np.count_nonzero(seen[:, :, 0, 0])
    textured = max(1, round(rough * luma.size / seen.size))
    signs = []
    if textured < _TEXTURED:
        signs.append("the carrier has few details: changes are easier to detect")
    if looks_recompressed(together, table):
        signs.append("the carrier was compressed twice, which leaves gaps in its histograms")
    prospect = _prospect(ups, downs, known, luma.size, textured)
    return prospect, tuple(Sign(text) for text in signs)


def _prospect(
    ups: list[NDArray[np.float64]],
    downs: list[NDArray[np.float64]],
    known: list[NDArray[np.float64]],
    size: int,
    elements: int,
) -> Prospect:
    """Return the prospect of a cover of so many samples from those of its tiles."""
    up, down, information = (np.concatenate(each) for each in (ups, downs, known))
    dry = np.flatnonzero(np.isfinite(up) | np.isfinite(down))
    used = dry[:: (1 + dry.size // _MOST_SEARCHED) | 1]
    weight = size / up.size * dry.size / max(used.size, 1)
    return Prospect(
        up[used], down[used], information[used], weight, max(elements, layout.MIN_ELEMENTS)
    )
