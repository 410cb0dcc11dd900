"""The prices of a JPEG cover's coefficients, what they hide safely, and poor carriers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.covers.detectability import Prospect
from deephide.covers.jpeg import JpegCover

__all__ = ["COSTS", "jpeg_costs", "jpeg_survey", "jpeg_warnings"]

COSTS = ("juniward", "uerd")

# What 8-bit pictures can have, and every table of Huffman codes can say.
LARGEST = 1023

_TINY = 20_000  # coefficients other than zero
_EVEN_SHARE = 0.5
_SEARCHED = 1 << 16


def jpeg_costs(cover: JpegCover, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the prices of +1 and -1 for every coefficient.

    DC coefficients and zeros have the prices that the cost functions give them: J-UNIWARD and UERD
    are defined for both, and a receiver who cannot tell which zeros were changed needs all of them
    as elements.  Luma and chroma are priced alike.

    Parameters
    ----------
    cover : what `jpeg_cover.decode` returned
    name : one of COSTS

    Returns
    -------
    cost_p1, cost_m1 : (n,) float64; inf where a change would leave -1023..1023, or where the block
        has a DC coefficient alone: such a block is perfectly even
    """
    function = getattr(stc.costs, name)
    n, at = cover.elements.size, 0
    cost_p1, cost_m1 = np.empty(n), np.empty(n)
    file = cover.coefficients.file
    for plane, table in zip(cover.coefficients.planes(), file.quantization, strict=True):
        price = function(plane, table)
        price[~_rough(plane)] = np.inf
        price[np.abs(plane.astype(np.int32)) > LARGEST] = np.inf
        part = slice(at, at + plane.size)
        up, down = stc.costs.wet(plane, price, low=-LARGEST, high=LARGEST)
        cost_p1[part], cost_m1[part] = up.reshape(-1), down.reshape(-1)
        at += plane.size
    return cost_p1, cost_m1


def _rough(plane: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Mark the blocks (rows, columns) that have an AC coefficient other than zero."""
    blocks = plane.reshape(*plane.shape[:2], 64)
    return np.asarray((blocks[:, :, 1:] != 0).any(axis=2))


def _textured(cover: JpegCover) -> int:
    """Return the number of AC coefficients other than zero."""
    return sum(
        int(np.count_nonzero(plane)) - int(np.count_nonzero(plane[:, :, 0, 0]))
        for plane in cover.coefficients.planes()
    )


def jpeg_warnings(cover: JpegCover) -> tuple[str, ...]:
    """Say in words why a cover is a poor hiding place; empty for an ordinary photo."""
    found = []
    count = _textured(cover)
    if count < _TINY:
        found.append(
            f"the carrier has few details ({count} coefficients other than zero): changes are a "
            "large part of them and easier to detect"
        )
    luma = cover.coefficients.planes()[0]
    even = 1 - float(_rough(luma).mean())
    if even > _EVEN_SHARE:
        found.append(
            f"{100 * even:.0f} % of the carrier is perfectly even: drawings, screenshots and "
            "strongly compressed pictures are poor hiding places"
        )
    file = cover.coefficients.file
    if b"c2pa" in file.raw[: file.scans[0].start]:
        found.append(
            "the carrier has signed content credentials (C2PA), which no longer match once it is "
            "changed: --strip-metadata leaves them out"
        )
    return tuple(found)


def jpeg_survey(
    cover: JpegCover, cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64]
) -> Prospect:
    """Look at the prices and the noise of a JPEG cover; see `detectability`.

    The variance of a coefficient, in steps of its quantiser, is that of the same mode in its own
    and the eight neighbouring blocks (of DC about its mean there, of the others about zero) and
    that of rounding.  Rates are counted per AC coefficient other than zero, as the field counts
    payloads.

    Parameters
    ----------
    cover : what `jpeg_cover.decode` returned
    cost_p1, cost_m1 : (n,) float64, inf marks a change that may not happen

    Returns
    -------
    Prospect
    """
    dry = np.flatnonzero(np.isfinite(cost_p1) | np.isfinite(cost_m1))
    stride = (1 + dry.size // _SEARCHED) | 1  # odd, so that all modes are met
    used = dry[::stride]
    information, at = [], 0
    for plane in cover.coefficients.planes():
        first, last = np.searchsorted(used, (at, at + plane.size))
        variance = _variance(plane, used[first:last] - at) + 1.0 / 12.0
        information.append(variance**-2)
        at += plane.size
    return Prospect(
        cost_p1[used],
        cost_m1[used],
        np.concatenate(information),
        dry.size / max(used.size, 1),
        max(1, _textured(cover)),
    )


def _variance(plane: NDArray[np.int16], places: NDArray[np.intp]) -> NDArray[np.float64]:
    rows, columns = plane.shape[:2]
    blocks, modes = plane.reshape(-1, 64), places % 64
    row, column = places // 64 // columns, places // 64 % columns
    around = np.stack(
        [
            blocks[
                (row + dy).clip(0, rows - 1) * columns + (column + dx).clip(0, columns - 1), modes
            ]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
    ).astype(np.float64)
    about = np.where(modes == 0, around.mean(axis=0), 0.0)
    return np.asarray(((around - about) ** 2).mean(axis=0))
