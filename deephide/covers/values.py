"""Values and colours that a cover has, and changes that would lead to others.

An image whose levels were stretched, or that comes from 5 bits a sample, has a histogram with
gaps: a value in one of them gives the stego away, whoever counts.  The same holds for the colours
of an image that has few of them.  So a change only leads to values that its channel has already.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.errors import InputImageError

__all__ = [
    "check_colours",
    "check_values",
    "closed_values",
    "distinct",
    "forbid_values",
    "gray_areas",
    "histogram",
    "median",
    "missing_values",
]

LEVELS = 256

Integers = TypeVar("Integers", bound=np.integer[Any])

# Share of colours that one pixel alone has: photos have 20 % or more of them, drawings and images
# that were reduced to a palette next to none.  By the number of colours, what makes them too few.
_SINGLE_SHARES = ((64, 1.0), (256, 0.15), (4096, 0.05))
_MOST = 4096
_LOOKED_AT = 1 << 18
_LOOKED_UP = 4  # more values than that are faster in a table
# Next to a value that an ordinary photo has so often, it does not lack another.
_FREQUENT = 8
_GRAY_SHARE = 0.02
_BAND_ROWS = 256  # copied at once
_LEAST_LEFT = 0.01  # share of samples with a neighbouring value


def histogram(channel: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count each of the 256 values of a channel, (H, W) uint8, a band of rows at a time."""
    if channel.flags.c_contiguous:
        return np.array(Image.fromarray(channel).histogram())
    counts = np.zeros(LEVELS, np.int64)
    for top in range(0, len(channel), _BAND_ROWS):
        band = np.ascontiguousarray(channel[top : top + _BAND_ROWS])
        counts += np.array(Image.fromarray(band).histogram())
    return counts


def closed_values(channel: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the values, (256,) bool each, that +1 and that -1 would turn into one that is lacking.

    Parameters
    ----------
    channel : (H, W) uint8
    """
    present = histogram(channel) > 0
    found = []
    for step, end in ((1, -1), (-1, 0)):
        closed = present & ~np.roll(present, -step)
        closed[end] = False  # which may not leave 0..255 anyway
        found.append(closed)
    return found[0], found[1]


def forbid_values(
    channel: NDArray[np.uint8], cost: NDArray[np.float64], closed: NDArray[np.bool_]
) -> None:
    """Make changes of some values infinitely costly.

    Parameters
    ----------
    channel : (H, W) uint8
    cost : (H, W) float64, changed in place
    closed : (256,) bool
    """
    few = np.flatnonzero(closed)
    if few.size > _LOOKED_UP:
        cost[closed[channel]] = np.inf
        return
    for value in few:
        np.copyto(cost, np.inf, where=channel == value)


def missing_values(counts: NDArray[np.int64]) -> int:
    """Return how many values a channel lacks amid values that it has often, by its `histogram`.

    Ordinary photos lack rare values at the ends of their histogram; those do not count.
    """
    counts = np.pad(counts, 2)
    below = np.maximum(counts[:-4], counts[1:-3])
    above = np.maximum(counts[3:-1], counts[4:])
    gap = (counts[2:-2] == 0) & (np.minimum(below, above) >= _FREQUENT)
    return int(gap.sum())


def check_values(samples: NDArray[np.uint8]) -> None:
    """Reject a carrier whose values are so far apart that no change stays among them.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Raises
    ------
    InputImageError : fewer than one sample in a hundred has a neighbouring value
    """
    pixels = samples.reshape(-1, samples.shape[2])
    pixels = pixels[:: max(1, len(pixels) // _LOOKED_AT)]
    left = most = 0
    for channel in pixels.T:
        counts = np.pad(np.bincount(channel, minlength=LEVELS), 1)
        near = (counts[:-2] > 0) | (counts[2:] > 0)
        left += int(counts[1:-1][near].sum())
        most = max(most, int((counts > 0).sum()))
    # A perfectly flat image is rejected as such.
    if most > 1 and left < _LEAST_LEFT * pixels.size:
        raise InputImageError(
            f"the carrier has only {most} values per channel, none next to another: every change "
            "would make a value that it lacks",
            hint="take a photo whose samples were not reduced to fewer than 8 bits",
        )


def check_colours(samples: NDArray[np.uint8]) -> None:
    """Reject a carrier of few colours, all of which it has often.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Raises
    ------
    InputImageError : a drawing, or an image that was reduced to a palette
    """
    if samples.shape[2] != 3:
        return
    pixels = samples.reshape(-1, 3)
    stride = max(1, len(pixels) // _LOOKED_AT)
    if len(_colours(pixels[::stride])[0]) > _MOST:
        return
    colours, counts = _colours(pixels)
    if len(colours) > _MOST:
        return
    single = int((counts == 1).sum())
    share = next(share for most, share in _SINGLE_SHARES if len(colours) <= most)
    if single <= share * len(colours):
        raise InputImageError(
            f"the carrier has only {len(colours)} colours: every change would make a new one",
            hint="take a photo; of a toned one, the gray original",
        )


def _colours(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the different colours, and how often each occurs."""
    wide = pixels.astype(np.int32)
    return distinct(wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2])


def distinct(values: NDArray[Integers]) -> tuple[NDArray[Integers], NDArray[np.int64]]:
    """Return the different ones of (n,) values, ascending, and how often each occurs.

    `np.unique` imports the masked arrays of numpy, which takes longer.
    """
    ordered = np.sort(values)
    first = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return ordered[first], np.diff(first, append=ordered.size)


def median(values: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Return the median along the first axis; `np.median` imports the masked arrays too."""
    ordered = np.sort(values, axis=0)
    return np.asarray((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)


def gray_areas(samples: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Mark the pixels of a colour image that are gray like all their neighbours.

    A change there makes a coloured pixel in a gray area.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    (H, W) bool; None where next to no pixel is gray
    """
    if samples.shape[2] != 3:
        return None
    pixels = samples.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // _LOOKED_AT)]
    if float((pixels == pixels[:, :1]).all(axis=1).mean()) < _GRAY_SHARE:
        return None
    gray = (samples[:, :, 0] == samples[:, :, 1]) & (samples[:, :, 1] == samples[:, :, 2])
    padded = np.pad(gray, 1, constant_values=True)
    rows = padded[:-2] & padded[1:-1] & padded[2:]
    return np.asarray(rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:])
