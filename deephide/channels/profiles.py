"""Channels by name, and the readings that a receiver tries; a new platform is three lines of data.

A *reading* says which steps and which modes of luma carry elements, and what an element is.  Where
one table is counted on, it is a multiple of the step, which that table leaves alone.  Other tables
in a row move multiples by more than half a step; but none makes something of nothing, nor nothing
of a whole step unless its own is twice as wide.  So where only a floor of quality is known, an
element is whether there is anything at all, and its sign, which does not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide.channels.tables import luma_table
from deephide.making import channel_side

__all__ = ["PLATFORMS", "READINGS", "Channel", "Platform", "Reading", "parse"]

_LEAST_STEP = 5  # of a known table: finer ones do not survive the rounding of samples


@dataclass(frozen=True)
class Reading:
    """Where a receiver looks; `quality` is None where the table of the file itself counts.

    `fixed_modes` are the modes that carry elements, row by row of a block; none means all but DC
    whose step is at least 5.  Without `least` an element is a multiple of the step; with it, the
    sign of its coefficient, and 0 of less than that fraction of a step.
    """

    number: int
    name: str
    quality: int | None
    fixed_modes: tuple[int, ...] = ()
    least: tuple[int, int] | None = None

    def elements(self, values: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return the elements that coefficients quantised with the steps themselves are."""
        whole = values.astype(np.int64)
        return whole if self.least is None else np.sign(whole)

    def steps(self, table: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return the (64,) steps; `table` are those of the file, None where it has none."""
        if self.quality is not None:
            return luma_table(self.quality)
        return luma_table(75) if table is None else table

    def modes(self, table: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return the modes that carry elements, ascending."""
        if self.fixed_modes:
            return np.array(self.fixed_modes, np.int64)
        wide = self.steps(table) >= _LEAST_STEP
        wide[0] = False
        return np.flatnonzero(wide)


# What a receiver tries, in this order.
OWN_TABLE = Reading(1, "own table", None)
# Modes that are left out: DC, and five of which smooth areas, where all is rounded in the same
# direction, make something (1 and 3 in fast transforms of encoders); and the highest, whose steps
# optimising encoders make so wide that they keep nothing there.
_LOW = (0, 1, 2, 3, 24, 32)
_HIGH = (15, 23, 31, 39, 47, 55, 61, 62, 63)
_MODES = tuple(k for k in range(64) if k not in (*_LOW, *_HIGH))
# One number: a stego for one of them is read as well where only the other one holds.
FROM_75 = Reading(9, "any:75", 75, _MODES, least=(1, 3))
FROM_60 = Reading(9, "any:60", 60, _MODES, least=(2, 5))
READINGS = (OWN_TABLE, FROM_75, FROM_60)
# Strong mode has readings of its own; see `strong.reading`.
STRONG = Reading(4, "strong", 92)
_STRONG_SIDE = 1072


@dataclass(frozen=True)
class Platform:
    """What a service is said to do to pictures; none of it was tried with the service itself."""

    channel: str
    longest_side: int
    source: str
    date: str


# Figures of others' measurements, handed down in the project's notes.
PLATFORMS = {
    "whatsapp": Platform("any:75", 1080, "uploads by others: standard table at 92", "2026-07"),
    "instagram": Platform("jpeg:75", 1080, "uploads by others: standard table at 75", "2026-07"),
    "facebook": Platform("any:60", 1080, "uploads by others: a coarse table of its own", "2026-07"),
}

_LONGEST_SIDE = 1080  # above it, every service that was looked at may resize
_NAMED = re.compile(r"(any|jpeg):([0-9]{1,3})")
_FLOORS = {75: FROM_75, 60: FROM_60}
_QUALITIES = range(50, 96)


@dataclass(frozen=True)
class Channel:
    """A channel as asked for: what to compress with, how large, and what must survive.

    The program compresses with `quality`; every quality from `floor` up must survive, and every
    one from `optimisers` up of encoders that drop coefficients, unless that is 0.
    """

    name: str
    reading: Reading
    quality: int
    floor: int
    longest_side: int
    optimisers: int = 0

    @property
    def is_known(self) -> bool:
        """Whether the channel's own table is counted on, instead of every one from a floor up."""
        return self.reading is OWN_TABLE

    @property
    def is_strong(self) -> bool:
        """Whether resizing, cropping and other codecs are to be survived too."""
        return self.reading is STRONG

    @property
    def survives(self) -> str:
        """What a stego for this channel is checked against, in words."""
        if self.is_strong:
            return "resizing to 0.6 of the size, cropping by 8 pixels, JPEG 75, WebP 80 and AVIF 60"
        if self.is_known:
            return f"JPEG compression of quality {self.quality} with the standard tables, repeated"
        return f"JPEG compression of every quality from {self.floor} up"


def parse(text: str, shrink: float | str | None = None) -> Channel:
    """Return the channel of a name.

    Parameters
    ----------
    text : "any", "any:75", "any:60", "jpeg:50" to "jpeg:95", "strong", or a platform
    shrink : pixels of the longer side as "1600px", in place of the channel's own

    Raises
    ------
    ValueError : none of these, a factor, or a side for "strong", whose lattice has one

    Examples
    --------
    >>> parse("any").quality, parse("jpeg:80").reading.name
    (75, 'own table')
    >>> parse("any").longest_side, parse("any", "2048px").longest_side
    (1080, 2048)
    """
    longest = channel_side(text, shrink)
    if text == "strong":
        return Channel(text, STRONG, 92, 75, _STRONG_SIDE)
    platform = PLATFORMS.get(text)
    side = longest or (_LONGEST_SIDE if platform is None else platform.longest_side)
    meant = "any:75" if text == "any" else text if platform is None else platform.channel
    found = _NAMED.fullmatch(meant)
    if found is not None:
        quality = int(found[2])
        if found[1] == "any" and quality in _FLOORS:
            reading = _FLOORS[quality]
            return Channel(text, reading, reading.quality or quality, quality, side)
        if found[1] == "jpeg" and quality in _QUALITIES:
            return Channel(text, OWN_TABLE, quality, quality, side)
    raise ValueError(
        f"channel: got {text!r}, allowed: any, any:75, any:60, jpeg:{_QUALITIES[0]} to "
        f"jpeg:{_QUALITIES[-1]}, strong, {', '.join(PLATFORMS)}"
    )
