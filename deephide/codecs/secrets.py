"""Secrets as images: whole as people see them, or their central square."""

from __future__ import annotations

import logging

from PIL import Image

from deephide.errors import InputImageError
from deephide.formats.files import ImageSource
from deephide.formats.images import load_picture

__all__ = ["MIN_SECRET_SIDE", "load_square"]

MIN_SECRET_SIDE = 64

_log = logging.getLogger(__name__)


def load_square(source: ImageSource | bytes) -> Image.Image:
    """Read a secret as `load_picture` does, and crop it to its central square.

    Raises
    ------
    InputImageError : unreadable, too large, or a side below 64 pixels
    """
    image = load_picture(source)
    side = min(image.size)
    if side < MIN_SECRET_SIDE:
        raise InputImageError(
            f"the secret is too small ({image.width} x {image.height}), "
            f"at least {MIN_SECRET_SIDE} x {MIN_SECRET_SIDE} pixels are needed",
            hint="use a larger picture of the face",
        )
    if image.width != image.height:
        _log.warning(
            "the secret is not square: only its central %d x %d pixels are hidden", side, side
        )
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image
