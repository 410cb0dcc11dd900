"""The face of a secret: found in a photo and cut out as the model was taught, or the middle of it.

Detection and cutting are the work of `e2style`; torch is loaded here.
"""

from __future__ import annotations

import logging

from PIL import Image

from deephide.covers import samples as image_io
from deephide.errors import CheckpointError, InputImageError
from deephide.options import FaceChoice

__all__ = ["of_secret"]

_INSTALL = "install the extra: pip install 'deephide[align]'"
_log = logging.getLogger(__name__)


def of_secret(picture: Image.Image, face: FaceChoice, size: int) -> tuple[Image.Image, str]:
    """Return the square that is to be inverted, and a clause that says what it is of the secret.

    Parameters
    ----------
    picture : upright, RGB
    face : "auto" takes the largest face if a detector is installed and the picture is not aligned
        already, else the central square; "largest" or a number insists on that face; None takes
        the central square
    size : side of the cut-out face

    Returns
    -------
    square picture, and a clause to follow "the model paints the face"; empty if all of it travels

    Raises
    ------
    InputImageError : too small, or no such face
    CheckpointError : a face is insisted on, and no detector is installed
    """
    if face is None or min(picture.size) < image_io.MIN_SECRET_SIDE:
        return _central_square(picture)
    try:
        return _found(picture, face, size)
    except CheckpointError:
        if face != "auto":
            raise
    except InputImageError as error:
        if face != "auto":
            raise
        _log.info("%s", error)
    return _central_square(picture)


def _found(picture: Image.Image, face: FaceChoice, size: int) -> tuple[Image.Image, str]:
    from e2style import errors
    from e2style.data import align
    from e2style.data.detect import load_detector

    number = face if isinstance(face, int) else None
    try:
        aligned = align.align(picture, load_detector(), size, number)
    except errors.DataError as error:
        raise InputImageError(
            f"the secret cannot be aligned: {error}",
            hint="take a photo that shows the face from the front, or --face none",
        ) from error
    except errors.CheckpointError as error:
        raise CheckpointError(f"the face cannot be looked for: {error}", hint=_INSTALL) from error
    if aligned.placement is None:
        return aligned.picture, ""
    side = round(aligned.placement.side)
    if side < image_io.MIN_SECRET_SIDE:
        raise InputImageError(
            f"the face in the secret is too small ({side} x {side} pixels), at least "
            f"{image_io.MIN_SECRET_SIDE} x {image_io.MIN_SECRET_SIDE} are needed",
            hint="use a larger picture of the face",
        )
    which = "the face" if aligned.faces == 1 else f"face {number or 1} of {aligned.faces}"
    return aligned.picture, f"; of the secret only {which} travels, cut to {side} x {side} pixels"


def _central_square(picture: Image.Image) -> tuple[Image.Image, str]:
    square = image_io.load_secret(picture)
    if square.size == picture.size:
        return square, ""
    return (
        square,
        f"; of the secret's {picture.width} x {picture.height} pixels only the central "
        f"{square.width} x {square.height} travel",
    )
