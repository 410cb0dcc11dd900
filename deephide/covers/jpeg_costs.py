"""Costs of changing JPEG coefficients, what they hide safely, and signs of a poor hiding place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.covers.base import Costs, Sign
from deephide.covers.detectability import MOST_SEARCHED, Prospect
from deephide.covers.history import looks_recompressed
from deephide.covers.jpeg_values import forbid_new_values
from deephide.covers.side_information import apply_errors
from deephide.formats.jpeg.blocks import Coefficients

__all__ = ["COSTS", "LARGEST", "costs", "find_signs", "noise_of", "survey"]

COSTS = ("juniward", "uerd")

# What 8-bit images can have, and every table of Huffman codes can say.
LARGEST = 1023

_TINY = 20_000  # coefficients other than zero
_FLAT_SHARE = 0.5


def costs(
    coefficients: Coefficients, name: str, errors: NDArray[np.float32] | None = None
) -> Costs:
    """Return the costs of +1 and -1 for every coefficient.

    DC coefficients and zeros have the costs that the cost functions give them: J-UNIWARD and UERD
    are defined for both, and a receiver who cannot tell which zeros were changed needs all of them
    as elements.  Luma and chroma are treated alike.

    Parameters
    ----------
    coefficients : of a `JpegCover`
    name : one of COSTS
    errors : (n,) of rounding, as in `side_information`, or None

    Returns
    -------
    cost_p1, cost_m1 : (n,) float64; inf where a change would leave -1023..1023 or make a value that
        this coefficient lacks in all blocks, or where the block has a DC coefficient alone: such a
        block is perfectly flat
    """
    function = getattr(stc.costs, name)
    planes, tables = coefficients.planes(), coefficients.file.quantization
    n, at = sum(plane.size for plane in planes), 0
    cost_p1, cost_m1 = np.empty(n), np.empty(n)
    for plane, table in zip(planes, tables, strict=True):
        cost = function(plane, table)
        cost[~_rough(plane)] = np.inf
        cost[np.abs(plane.astype(np.int32)) > LARGEST] = np.inf
        part = slice(at, at + plane.size)
        up, down = stc.costs.wet(plane, cost, low=-LARGEST, high=LARGEST)
        forbid_new_values(plane, up, down)
        cost_p1[part], cost_m1[part] = up.reshape(-1), down.reshape(-1)
        at += plane.size
    if errors is not None:
        apply_errors(cost_p1, cost_m1, errors)
    return cost_p1, cost_m1


def _rough(plane: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Mark the blocks (rows, columns) that have an AC coefficient other than zero."""
    blocks = plane.reshape(*plane.shape[:2], 64)
    return np.asarray((blocks[:, :, 1:] != 0).any(axis=2))


def _textured(coefficients: Coefficients) -> int:
    """Return the number of AC coefficients other than zero."""
    return sum(
        int(np.count_nonzero(plane)) - int(np.count_nonzero(plane[:, :, 0, 0]))
        for plane in coefficients.planes()
    )


def find_signs(coefficients: Coefficients) -> tuple[Sign, ...]:
    """Return what makes a JPEG file a poor hiding place; nothing for an ordinary photo."""
    found = []
    count = _textured(coefficients)
    if count < _TINY:
        found.append(
            f"the carrier has few details ({count} coefficients other than zero): changes are a "
            "large part of them and easier to detect"
        )
    luma = coefficients.planes()[0]
    flat = 1 - float(_rough(luma).mean())
    if flat > _FLAT_SHARE:
        found.append(
            f"{100 * flat:.0f} % of the carrier is perfectly flat: drawings, screenshots and "
            "strongly compressed images are poor hiding places"
        )
    file = coefficients.file
    if looks_recompressed(luma, file.quantization[0]):
        found.append(
            "the carrier was compressed twice, first with a lower quality, which leaves gaps in "
            "its histograms; the file as the camera made it is a better hiding place"
        )
    if b"c2pa" in file.raw[: file.scans[0].start]:
        found.append(
            "the carrier has signed content credentials (C2PA), which no longer match once it is "
            "changed: --strip-metadata leaves them out"
        )
    return tuple(Sign(text) for text in found)


def survey(
    coefficients: Coefficients, costs: Costs, errors: NDArray[np.float32] | None = None
) -> Prospect:
    """Look at the costs and the noise of coefficients; see `detectability`.

    The variance of a coefficient, in steps of its quantiser, is that of the same mode in its own
    and the eight neighbouring blocks (of DC about its mean there, of the others about zero) and
    that of rounding.  Rates are counted per AC coefficient other than zero, as the field counts
    payloads.

    Parameters
    ----------
    coefficients : of a `JpegCover`
    costs : of +1 and -1, (n,) float64, inf marks a change that may not happen
    errors : (n,) of rounding, that the costs make use of, or None

    Returns
    -------
    Prospect
    """
    cost_p1, cost_m1 = costs
    dry = np.flatnonzero(np.isfinite(cost_p1) | np.isfinite(cost_m1))
    stride = (1 + dry.size // MOST_SEARCHED) | 1  # odd, so that all modes are met
    used = dry[::stride]
    information, at = [], 0
    for plane in coefficients.planes():
        first, last = np.searchsorted(used, (at, at + plane.size))
        found = noise_of(plane, used[first:last] - at) + 1.0 / 12.0
        information.append(found**-2)
        at += plane.size
    return Prospect(
        cost_p1[used],
        cost_m1[used],
        np.concatenate(information),
        dry.size / max(used.size, 1),
        max(1, _textured(coefficients)),
        None if errors is None else errors[used],
    )


def noise_of(plane: NDArray[np.int16], places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the variance of the coefficients at some places of a plane, without rounding."""
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
