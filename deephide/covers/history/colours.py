"""Colours that came out of YCbCr: JPEG, WebP and video files decoded to RGB.

Such a file has 8 bits of luma and of each chroma.  The conversion to RGB spreads these integers
over a cube with more colours than there are to begin with, so that three quarters of all RGB
colours or more cannot occur, whatever the quality, the sampling of chroma, or the crop.  A sample
that changes by 1 leads to one of those in three cases of four.

The colours that do occur form a lattice, bent by rounding.  Its dual is known: Y, Cb and Cr as
linear functions of R, G and B, which are nearly integers there.  A set of colours S is held
against it by

    coherence(k) = | mean over S of exp(2 pi i k.colour) |       k: the row of Cb, that of Cr

which rounding leaves near 0.5 for a decoded file, while the colours of any other image, each
counted once, spread evenly over the phases: coherence falls with the square root of their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide.covers.values import distinct

__all__ = ["Conversion", "find_conversion"]

_MAX_PIXELS = 1 << 16
_COHERENCE = 0.25  # ordinary photos have 0.08 at most, decoded files 0.38 at least
_NOISE = 2.6  # times 1 / sqrt(colours)
_MIN_CHROMA = 32  # distinct pairs of R - G and B - G


@dataclass(frozen=True)
class Conversion:
    """A conversion between RGB and YCbCr.

    `red` and `blue` are the weights of R and B in luma.  `full_range` says whether luma takes all
    256 values, as in JPEG, or those from 16 to 235, as in WebP and video.
    """

    red: float
    blue: float
    full_range: bool

    @property
    def is_jpeg(self) -> bool:
        """Whether this is what JPEG files use, and most HEIC and AVIF files."""
        return self == _JPEG

    def chroma_rows(self) -> NDArray[np.float64]:
        """Return Cb and Cr as linear functions of R, G and B, (2, 3)."""
        luma = np.array([self.red, 1 - self.red - self.blue, self.blue])
        rows = np.stack(
            [
                (np.array([0.0, 0.0, 1.0]) - luma) / (2 - 2 * self.blue),
                (np.array([1.0, 0.0, 0.0]) - luma) / (2 - 2 * self.red),
            ]
        )
        return rows if self.full_range else rows * (224 / 255)


_JPEG = Conversion(0.299, 0.114, True)
# BT.601 (of JPEG, and of WebP), BT.709 and BT.2020.
_CONVERSIONS = (
    _JPEG,
    Conversion(0.299, 0.114, False),
    Conversion(0.2126, 0.0722, True),
    Conversion(0.2126, 0.0722, False),
    Conversion(0.2627, 0.0593, False),
)


def find_conversion(samples: NDArray[np.uint8]) -> Conversion | None:
    """Return the conversion that an image's colours came out of; None for gray and most photos.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    Conversion or None; None also where an image has next to no colour
    """
    if samples.shape[2] != 3:
        return None
    pixels = samples.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // _MAX_PIXELS)].astype(np.int64)
    # Clipping to 0..255 bends the lattice.
    pixels = pixels[(pixels.min(axis=1) > 0) & (pixels.max(axis=1) < 255)]
    # Each colour counts once: otherwise flat areas would outvote the others.
    colours, _ = distinct(pixels @ np.array([1 << 16, 1 << 8, 1]))
    colours = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    chroma, _ = distinct((colours[:, 0] - colours[:, 1]) * 1024 + colours[:, 2] - colours[:, 1])
    if chroma.size < _MIN_CHROMA:
        return None
    # In full range luma adds the same integer to R, G and B, and the differences are a lattice.
    differences = np.stack([(chroma + 512) // 1024, (chroma + 512) % 1024 - 512], axis=1)
    best, found = max(_COHERENCE, _NOISE / chroma.size**0.5), None
    for conversion in _CONVERSIONS:
        rows = conversion.chroma_rows()
        points = colours
        if conversion.full_range:
            rows, points = rows[:, [0, 2]], differences
        coherence = float(np.abs(np.exp(2j * np.pi * (points @ rows.T)).mean(axis=0)).min())
        if coherence > best:
            best, found = coherence, conversion
    return found
