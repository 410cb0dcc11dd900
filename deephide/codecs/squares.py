"""Squares of a secret that are to travel: where its faces are, and what is cut out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from deephide.codecs.faces import MIN_SECRET_SIDE, find_faces
from deephide.errors import InputImageError

__all__ = ["Square", "cut_square", "squares"]

MAX_CUT_SIDE = 512  # no codec sends more of a square


@dataclass(frozen=True)
class Square:
    """A square in an image, in pixels: its middle, its side, and degrees by which it is turned.

    A positive turn is clockwise.
    """

    x: float
    y: float
    side: float
    degrees: float = 0.0


def squares(image: Image.Image) -> tuple[Square, ...]:
    """Return where the faces of an image are, the largest first; none where it is aligned already.

    Parameters
    ----------
    image : upright, RGB

    Raises
    ------
    CheckpointError : the detector cannot be used
    """
    from e2style.data import align

    found = find_faces(image)
    if not found or align.is_aligned(image, found[0]):
        return ()
    places = [align.place(each.landmarks) for each in found]
    return tuple(
        Square(
            float(each.centre[0]),
            float(each.centre[1]),
            each.side,
            float(np.degrees(np.arctan2(each.right[1], each.right[0]))),
        )
        for each in places
        if each.side >= MIN_SECRET_SIDE
    )


def cut_square(image: Image.Image, square: Square) -> Image.Image:
    """Return a square of an image, upright, in at most MAX_CUT_SIDE pixels.

    Parameters
    ----------
    image : upright, RGB
    square : may be turned, and reach beyond the image

    Raises
    ------
    InputImageError : its side is below 64 pixels, or its middle is outside of the image
    """
    from e2style.data import align

    inside = 0 <= square.x <= image.width and 0 <= square.y <= image.height
    if not (inside and MIN_SECRET_SIDE <= square.side <= 2 * max(image.size)):
        raise InputImageError(
            f"the square cannot be cut out of {image.width} x {image.height} pixels: "
            f"its side is {square.side:.0f} and its middle at {square.x:.0f}, {square.y:.0f}",
            hint=f"choose one of at least {MIN_SECRET_SIDE} pixels, with its middle in the image",
        )
    turn = np.radians(square.degrees)
    right = square.side / 2 * np.array([np.cos(turn), np.sin(turn)])
    placement = align.Placement(np.array([square.x, square.y]), right)
    return align.cut(image, placement, min(round(square.side), MAX_CUT_SIDE))
