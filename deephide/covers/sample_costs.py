"""Costs of changing samples, and what they hide safely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import stc
from deephide.covers.base import Costs
from deephide.covers.detectability import MOST_SEARCHED, Prospect
from deephide.covers.side_information import apply_errors
from deephide.covers.values import closed_values, forbid_values

__all__ = [
    "FINITE",
    "CostMaps",
    "costs",
    "count_changeable",
    "flat_samples",
    "flat_share",
    "survey",
]

FINITE = ("hill", "suniward", "mipod")  # forbid no change themselves

SURVEYED_PIXELS = 1 << 20
# Rounding to whole levels alone has a variance of 1/12.
_MOST_INFORMATION = 144.0
_STRIPE_PIXELS = 1 << 19  # costs of so many pixels are in memory at once
_REACH = 1  # of a look at whether a sample is flat
# How far a cost function looks, in samples.
_MARGINS = {"hill": 9, "suniward": 16, "wow": 16}
_TILE, _MARGIN = 128, 8  # MiPOD's estimate looks 8 pixels far


def flat_samples(channel: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the samples of one channel that equal all their neighbours.

    A change there stands alone in a perfectly flat area, where any program can see it.
    """
    height, width = channel.shape
    padded = np.pad(channel, 1, mode="edge")
    flat = np.ones(channel.shape, dtype=bool)
    for dy in range(3):
        for dx in range(3):
            flat &= padded[dy : dy + height, dx : dx + width] == channel
    return flat


def costs(
    samples: NDArray[np.uint8],
    fixed: NDArray[np.bool_] | None,
    name: str,
    payload_bits: int = 0,
    *,
    sync: bool = False,
    errors: NDArray[np.float32] | None = None,
) -> Costs:
    """Return the costs of +1 and -1 for every sample, in raster order.

    Parameters
    ----------
    samples, fixed : of a `SampleCover`
    name : one of `cost_names.OF_SAMPLES`
    payload_bits : what is to be hidden; `mipod` and `sync` depend on it
    sync : make the channels of a pixel change in the same direction, which the receiver need not
        know of; `docs/stc.md` says what that costs
    errors : (H, W, C) of rounding, as in `side_information`, or None

    Returns
    -------
    cost_p1, cost_m1 : (n,) float64; inf where a change would leave 0..255, make a value that the
        channel lacks, touch a pixel whose colour nobody sees, or disturb a perfectly flat area
    """
    maps = CostMaps(samples, fixed, name, payload_bits, errors)
    cost_p1, cost_m1 = maps.of(0, 0, *samples.shape[:2])
    if sync:
        # Secret directions: seeded by the operating system.
        rng = np.random.default_rng()
        cost_p1, cost_m1 = stc.costs.sync_channels(cost_p1, cost_m1, payload_bits, rng)
    return cost_p1.reshape(-1), cost_m1.reshape(-1)


class CostMaps:
    """Costs of any part of an image, the same as in those of the whole.

    Parameters
    ----------
    samples, fixed, payload_bits, errors : as in `costs`
    name : one of `cost_names.OF_SAMPLES`
    """

    def __init__(
        self,
        samples: NDArray[np.uint8],
        fixed: NDArray[np.bool_] | None,
        name: str,
        payload_bits: int = 0,
        errors: NDArray[np.float32] | None = None,
    ) -> None:
        self._errors = errors
        self._samples, self._fixed, self._name = samples, fixed, name
        channels = range(samples.shape[2])
        self._closed = [closed_values(samples[:, :, index]) for index in channels]
        self._rho = None
        if name == "mipod":
            # Its payload is spread over the whole image.  Nothing above one bit per element fits
            # the format; `hiding` says so in its own words.
            bits = max(1, min(payload_bits, samples.size))
            self._rho = stc.costs.mipod(samples, bits)

    def of(self, top: int, left: int, bottom: int, right: int) -> Costs:
        """Return the costs of +1 and -1, (rows, columns, channels), of rows and columns."""
        height, width, channels = self._samples.shape
        shape = bottom - top, right - left, channels
        # A cost hangs on samples near by; where the image ends the margin does, too.
        margin = _REACH if self._rho is not None else _MARGINS[self._name]
        y, x = max(0, top - margin), max(0, left - margin)
        rows = slice(y, min(height, bottom + margin))
        columns = slice(x, min(width, right + margin))
        inner = slice(top - y, bottom - y), slice(left - x, right - x)
        cost_p1, cost_m1 = np.empty(shape), np.empty(shape)
        for index in range(channels):
            channel = np.ascontiguousarray(self._samples[rows, columns, index])
            if self._rho is not None:
                cost = self._rho[top:bottom, left:right, index].copy()
            else:
                cost = getattr(stc.costs, self._name)(channel)[inner]
            cost[flat_samples(channel)[inner]] = np.inf
            if self._fixed is not None:
                cost[self._fixed[top:bottom, left:right]] = np.inf
            channel = channel[inner]
            up, down = stc.costs.wet(channel, cost)
            for each, closed in zip((up, down), self._closed[index], strict=True):
                forbid_values(channel, each, closed)
            if self._errors is not None:
                apply_errors(up, down, self._errors[top:bottom, left:right, index])
            cost_p1[:, :, index], cost_m1[:, :, index] = up, down
        return cost_p1, cost_m1

    def stripes(self) -> Iterator[Costs]:
        """Yield the costs in raster order, some rows at a time, flat."""
        height, width = self._samples.shape[:2]
        for top, bottom in _stripes(height, width):
            up, down = self.of(top, 0, bottom, width)
            yield up.reshape(-1), down.reshape(-1)


def _stripes(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end of stripes of an image."""
    rows = max(1, _STRIPE_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def _flat_stripes(
    channel: NDArray[np.uint8],
) -> Iterator[tuple[tuple[int, int], NDArray[np.uint8], NDArray[np.bool_]]]:
    """Yield the first row and the end of stripes, their samples, and which of these are flat."""
    for top, bottom in _stripes(*channel.shape):
        first = max(0, top - _REACH)
        outer = np.ascontiguousarray(channel[first : bottom + _REACH])
        inner = slice(top - first, bottom - first)
        yield (top, bottom), outer[inner], flat_samples(outer)[inner]


def flat_share(samples: NDArray[np.uint8]) -> float:
    """Return the share of the samples, (H, W, 1 or 3), that `flat_samples` marks in a channel."""
    channels = np.moveaxis(samples, 2, 0)
    return (
        sum(int(np.count_nonzero(flat)) for each in channels for _, _, flat in _flat_stripes(each))
        / samples.size
    )


def count_changeable(
    samples: NDArray[np.uint8], fixed: NDArray[np.bool_] | None
) -> tuple[int, int]:
    """Count the samples that may change under a cost function that forbids nothing itself.

    The same as counting what is finite in `CostMaps` of such a function, without any cost.

    Parameters
    ----------
    samples, fixed : of a `SampleCover`

    Returns
    -------
    dry, crossing : as in `hiding.Changeable`
    """
    values = np.arange(256)
    dry = crossing = 0
    for index in range(samples.shape[2]):
        closed_up, closed_down = closed_values(samples[:, :, index])
        rise, fall = ~closed_up & (values < 255), ~closed_down & (values > 0)
        for (top, bottom), channel, flat in _flat_stripes(samples[:, :, index]):
            free = ~flat
            if fixed is not None:
                free &= ~fixed[top:bottom]
            mask = Image.fromarray(free.view(np.uint8))
            counts = np.array(Image.fromarray(channel).histogram(mask))
            dry += int(counts[rise | fall].sum())
            crossing += int(counts[np.where(values & 1, rise, fall)].sum())
    return dry, crossing


def survey(
    samples: NDArray[np.uint8],
    costs: Costs | CostMaps,
    max_pixels: int = SURVEYED_PIXELS,
    errors: NDArray[np.float32] | None = None,
) -> Prospect:
    """Look at the costs and the noise of samples, at evenly spread tiles of a large image.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8
    costs : of +1 and -1, (n,) float64, inf marks a change that may not happen; or what computes
        them where they are looked at
    max_pixels : whose noise is looked at; of their elements some 65,536 are searched
    errors : (H, W, C) of rounding, that the costs make use of, or None

    Returns
    -------
    Prospect
    """
    from stc.costs.mipod import fisher_information

    height, width, channels = samples.shape
    if isinstance(costs, CostMaps):
        of = costs.of
    else:
        up, down = (each.reshape(samples.shape) for each in costs)

        def of(top: int, left: int, bottom: int, right: int) -> Costs:
            return up[top:bottom, left:right], down[top:bottom, left:right]

    if height * width <= max_pixels or min(height, width) < _TILE + 2 * _MARGIN:
        picked, seen, known = of(0, 0, height, width), samples, errors
    else:
        tops, lefts = _grid(height, width, max_pixels // _TILE**2)
        tiles = [of(y, x, y + _TILE, x + _TILE) for y in tops for x in lefts]
        ups, downs = zip(*tiles, strict=True)
        picked = np.concatenate(ups), np.concatenate(downs)
        known = None if errors is None else _tiles(errors, tops, lefts)
        outer = _TILE + 2 * _MARGIN
        seen = np.concatenate(
            [
                samples[y - _MARGIN : y - _MARGIN + outer, x - _MARGIN : x - _MARGIN + outer]
                for y in tops
                for x in lefts
            ]
        )
    information = np.stack(
        [fisher_information(np.ascontiguousarray(seen[:, :, c])) for c in range(channels)], axis=2
    )
    if seen is not samples:
        shaped = information.reshape(-1, outer, outer, channels)
        information = shaped[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].reshape(picked[0].shape)
    dry = np.flatnonzero(np.isfinite(picked[0]) | np.isfinite(picked[1]))
    # A stride that shares no factor with the three channels.
    stride = 1 + (dry.size // MOST_SEARCHED) // 3 * 3 + (1 if dry.size > MOST_SEARCHED else 0)
    used = dry[::stride]
    return Prospect(
        picked[0].reshape(-1)[used],
        picked[1].reshape(-1)[used],
        np.minimum(information.reshape(-1)[used], _MOST_INFORMATION),
        samples.size / picked[0].size * dry.size / max(used.size, 1),
        samples.size,
        None if known is None else known.reshape(-1)[used],
    )


def _tiles(array: NDArray[Any], tops: list[int], lefts: list[int]) -> NDArray[Any]:
    """Return the tiles of an array, one below the other."""
    return np.concatenate([array[y : y + _TILE, x : x + _TILE] for y in tops for x in lefts])


def _grid(height: int, width: int, tiles: int) -> tuple[list[int], list[int]]:
    """Return the first rows and columns of about so many tiles, evenly spread."""
    rows = max(1, round((tiles * height / width) ** 0.5))
    columns = max(1, tiles // rows)

    def spread(size: int, count: int) -> list[int]:
        room = size - _TILE - 2 * _MARGIN
        count = min(count, 1 + room // _TILE)
        return [_MARGIN + int((k + 0.5) * room / count) for k in range(count)]

    return spread(height, rows), spread(width, columns)
