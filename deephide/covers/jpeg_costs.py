"""Costs of changing JPEG coefficients, what they hide safely, and signs of a poor hiding place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.covers.base import Costs, Sign
from deephide.covers.detectability import MOST_SEARCHED, Prospect
from deephide.covers.history import looks_recompressed
from deephide.covers.jpeg_values import forbid_values, missing_values
from deephide.covers.side_information import apply_errors
from deephide.formats.jpeg.blocks import Coefficients

__all__ = ["LARGEST", "Survey", "find_signs", "noise_of", "stripes"]

# What 8-bit images can have, and every table of Huffman codes can say.
LARGEST = 1023

_STRIPE = 1 << 19  # costs of so many coefficients are in memory at once
_MARGIN = 3  # blocks: residuals of 16 samples on both sides of one, each of 8

_TINY = 20_000  # coefficients other than zero
_FLAT_SHARE = 0.5


def stripes(
    coefficients: Coefficients,
    name: str | None,
    errors: NDArray[np.float32] | None = None,
    payload_bits: int = 0,
) -> Iterator[Costs]:
    """Yield the costs of +1 and -1 for every coefficient, some rows of blocks at a time.

    DC coefficients and zeros have the costs that the cost functions give them: J-UNIWARD and UERD
    are defined for both, and a receiver who cannot tell which zeros were changed needs all of them
    as elements.  Luma and chroma are treated alike.

    Parameters
    ----------
    coefficients : of a `JpegCover`
    name : one of `cost_names.OF_COEFFICIENTS`, or None for costs of 0, which tell where changes
        may happen
    errors : (n,) of rounding, as in `side_information`, or None
    payload_bits : what is to be hidden; "jmipod" alone depends on it, and its costs are computed
        for the whole image at once

    Yields
    ------
    cost_p1, cost_m1 : float64; inf where a change would leave -1023..1023 or make a value that
        this coefficient lacks in all blocks, or where the block has a DC coefficient alone: such a
        block is perfectly flat
    """
    start = 0
    planes, tables = coefficients.planes(), coefficients.file.quantization
    whole = None
    if name == "jmipod":
        # Nothing above one bit per element fits the format; `hiding` says so in its own words.
        bits = max(1, min(payload_bits, sum(plane.size for plane in planes)))
        whole = stc.costs.jmipod(planes, tables, bits)
    for number, (plane, table) in enumerate(zip(planes, tables, strict=True)):
        missing = missing_values(plane)
        count = max(1, _STRIPE // (plane.shape[1] * 64))
        for top in range(0, len(plane), count):
            bottom = min(top + count, len(plane))
            # A cost hangs on the blocks near by; where the plane ends the margin does, too.
            first = max(0, top - _MARGIN)
            near = plane[first : bottom + _MARGIN]
            part = plane[top:bottom]
            if name is None:
                cost = np.zeros(part.shape)
            elif whole is not None:
                cost = whole[number][top:bottom]
            else:
                cost = getattr(stc.costs, name)(near, table)[top - first : bottom - first]
            cost[~_rough(part)] = np.inf
            cost[np.abs(part.astype(np.int32)) > LARGEST] = np.inf
            up, down = stc.costs.wet(part, cost, low=-LARGEST, high=LARGEST)
            forbid_values(missing, part, up, down)
            up, down = up.reshape(-1), down.reshape(-1)
            if errors is not None:
                apply_errors(up, down, errors[start : start + up.size])
            start += up.size
            yield up, down


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


class Survey:
    """A look at the costs and the noise of coefficients; see `detectability`.

    The variance of a coefficient, in steps of its quantiser, is that of the same mode in its own
    and the eight neighbouring blocks (of DC about its mean there, of the others about zero) and
    that of rounding.  Rates are counted per AC coefficient other than zero, as the field counts
    payloads.

    Parameters
    ----------
    coefficients : of a `JpegCover`
    dry_count : how many coefficients may change
    errors : (n,) of rounding, that the costs make use of, or None
    """

    def __init__(
        self,
        coefficients: Coefficients,
        dry_count: int,
        errors: NDArray[np.float32] | None = None,
    ) -> None:
        self._coefficients, self._errors = coefficients, errors
        self._stride = (1 + dry_count // MOST_SEARCHED) | 1  # odd, so that all modes are met
        self._used: list[NDArray[np.intp]] = []
        self._pairs: list[Costs] = []
        self._seen = 0

    def watch(self, stripes: Iterable[Costs]) -> Iterator[Costs]:
        """Pass on costs of +1 and -1 of all coefficients, and look at some of them."""
        start = 0
        for up, down in stripes:
            dry = np.flatnonzero(_is_dry(up, down))
            chosen = dry[-self._seen % self._stride :: self._stride]
            self._used.append(chosen + start)
            self._pairs.append((up[chosen], down[chosen]))
            self._seen += dry.size
            start += up.size
            yield up, down

    def prospect(self) -> Prospect:
        """Return what was found, after all stripes."""
        places = np.concatenate(self._used)
        information, at = [], 0
        for plane in self._coefficients.planes():
            first, last = np.searchsorted(places, (at, at + plane.size))
            found = noise_of(plane, places[first:last] - at) + 1.0 / 12.0
            information.append(found**-2)
            at += plane.size
        return Prospect(
            np.concatenate([up for up, _ in self._pairs]),
            np.concatenate([down for _, down in self._pairs]),
            np.concatenate(information),
            self._seen / max(places.size, 1),
            max(1, _textured(self._coefficients)),
            None if self._errors is None else self._errors[places],
        )


def _is_dry(up: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(up) | np.isfinite(down))


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
