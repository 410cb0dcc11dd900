"""Images for people to look at: 8-bit levels, small copies, and differences of stego and cover."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

__all__ = ["differences", "small_copy", "to_uint8"]


def to_uint8(levels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return values on the scale of 8-bit samples as such samples: rounded, then clipped.

    Examples
    --------
    >>> to_uint8(np.array([-3.0, 0.5, 1.5, 254.6, 300.0])).tolist()
    [0, 0, 2, 255, 255]
    """
    rounded: NDArray[np.uint8] = np.rint(levels).clip(0, 255).astype(np.uint8)
    return rounded


def small_copy(image: Image.Image, side: int) -> Image.Image:
    """Return an image in RGB whose longer side has at most `side` pixels; a small one as it is.

    Parameters
    ----------
    image : any mode
    side : pixels, at least 1
    """
    copy = image.convert("RGB")
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    return copy


def differences(cover: Image.Image, stego: Image.Image, side: int) -> Image.Image:
    """Draw where two images differ: white on black, no change too small to be seen.

    Parameters
    ----------
    cover, stego : RGB images of one size
    side : pixels that the longer side may have; of a larger image, every block of pixels that
        has a change becomes a white one

    Returns
    -------
    image : mode L, values 0 and 255

    Examples
    --------
    >>> before = Image.new("RGB", (4, 2))
    >>> after = before.copy()
    >>> after.putpixel((3, 1), (0, 1, 0))
    >>> list(differences(before, after, 2).getdata())
    [0, 255]
    """
    red, green, blue = ImageChops.difference(cover, stego).split()
    changed = _whitened(ImageChops.lighter(ImageChops.lighter(red, green), blue))
    factor = -(-max(cover.size) // side)
    # The average of a block with a change is 255 / factor**2 or more, which must not vanish.
    while factor > 1:
        step = min(factor, 8)
        changed = _whitened(changed.reduce(step))
        factor = -(-factor // step)
    return changed


def _whitened(image: Image.Image) -> Image.Image:
    return image.point(lambda level: 255 if level else 0)
