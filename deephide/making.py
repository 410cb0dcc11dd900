"""Requests to make a cover of a photo, the sizes that follow, and what is said of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deephide.errors import InputImageError

if TYPE_CHECKING:
    from deephide.formats.deep import DeepPhoto

__all__ = ["DEFAULT_QUALITY", "Made", "Making", "channel_side", "parse_shrink"]

DEFAULT_QUALITY = 95
LOWEST_QUALITY = 50
_PLAIN_BITS = 8


def parse_shrink(shrink: float | str | None) -> tuple[float | None, int | None]:
    """Return the scale and the pixels of the longer side that an option asks for.

    Parameters
    ----------
    shrink : a factor such as 0.75 or "0.75", pixels as "1600px", or None

    Raises
    ------
    ValueError : neither

    Examples
    --------
    >>> parse_shrink("0.75"), parse_shrink("1600px")
    ((0.75, None), (None, 1600))
    """
    if shrink is None:
        return None, None
    text = str(shrink)
    pixels = re.fullmatch(r"([1-9]\d{0,5})px", text)
    if pixels:
        return None, int(pixels[1])
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1:
        raise ValueError(
            f"shrink: got {text!r}, allowed: a factor above 0 and up to 1, or pixels of the longer "
            "side as 1600px"
        )
    return scale, None


def channel_side(channel: str, shrink: float | str | None) -> int | None:
    """Return the pixels of the longer side that an option asks for of a stego for a channel.

    Parameters
    ----------
    channel : its name
    shrink : pixels as "1600px", or None for the channel's own side

    Raises
    ------
    ValueError : a factor, or a side for "strong", whose lattice has one of its own

    Examples
    --------
    >>> channel_side("any", "1600px")
    1600
    """
    scale, longest = parse_shrink(shrink)
    strong = channel == "strong"
    if scale is not None or (longest is not None and strong):
        allowed = "none for strong" if strong else "pixels of the longer side as 1600px"
        raise ValueError(f"shrink: got {str(shrink)!r}, allowed with a channel: {allowed}")
    return longest


@dataclass(frozen=True)
class Making:
    """What the program is to make of a photo before it hides something.

    `scale` is a factor above 0 and up to 1, `longest` the pixels of the longer side; at most one of
    them is given.  `quality` is that of a JPEG file, or None for samples, or for what a JPEG file
    of the same photo gets by default.
    """

    scale: float | None = None
    longest: int | None = None
    quality: int | None = None

    @classmethod
    def of(cls, shrink: float | str | None, quality: int | None) -> Making | None:
        """Return what two options ask for; None where they ask for nothing.

        Parameters
        ----------
        shrink : as for `parse_shrink`
        quality : LOWEST_QUALITY to 100, or None

        Raises
        ------
        ValueError : outside these
        """
        scale, longest = parse_shrink(shrink)
        if quality is not None and not LOWEST_QUALITY <= quality <= 100:
            raise ValueError(f"quality_jpeg: got {quality!r}, allowed: {LOWEST_QUALITY} to 100")
        if scale is None and longest is None and quality is None:
            return None
        return cls(scale, longest, quality)

    def size(self, photo: DeepPhoto) -> tuple[int, int]:
        """Return width and height of what is made.

        Raises
        ------
        InputImageError : the photo is that small already, or nothing would be rounded
        """
        width, height = photo.size
        scale = self.scale or 1.0
        if self.longest is not None:
            if max(photo.size) < self.longest:
                raise InputImageError(
                    f"the carrier has {width} x {height} pixels and cannot be made smaller to "
                    f"{self.longest}",
                    hint="ask for fewer pixels, or leave --shrink out",
                )
            scale = self.longest / max(photo.size)
        found = max(1, round(scale * width)), max(1, round(scale * height))
        if found == photo.size and photo.is_jpeg:
            raise InputImageError(
                "the carrier is a JPEG file, and to compress it again at its own size would leave "
                "traces of both compressions",
                hint="make it smaller with --shrink 0.75, or hide in the file as it is",
            )
        if found == photo.size and photo.bits == _PLAIN_BITS and self.quality is None:
            raise InputImageError(
                "the carrier has 8 bits per sample already, and nothing is rounded at its own size",
                hint="make it smaller with --shrink 0.75, or take an original of 16 bits",
            )
        return found


@dataclass(frozen=True)
class Made:
    """What the program made of a photo: sizes before and after, bits of a sample, JPEG quality."""

    original_size: tuple[int, int]
    size: tuple[int, int]
    bits: int
    quality: int | None

    @property
    def in_words(self) -> str:
        """Return what was done, and what of it stays known."""
        done = []
        if self.size != self.original_size:
            done.append(f"made smaller from {_times(self.original_size)} to {_times(self.size)}")
        if self.quality is not None:
            done.append(f"compressed with quality {self.quality}")
        elif self.bits > _PLAIN_BITS:
            done.append(f"rounded from {self.bits} to {_PLAIN_BITS} bits")
        return f"the carrier was {' and '.join(done)}, with its errors of rounding known"


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
