"""Face of a secret: where it is in the image, and whether the model can generate it.

Detection, alignment and measurements are the work of `e2style`; the decision is made here, one
criterion after the other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import inference, models
from deephide.codecs.base import Request
from deephide.errors import CheckpointError, InputImageError
from deephide.formats.files import ImageSource
from deephide.formats.images import load_image
from deephide.models import Model
from deephide.options import FaceChoice

__all__ = [
    "MIN_SECRET_SIDE",
    "Criterion",
    "criteria",
    "failed_criterion",
    "load_square",
    "of_request",
    "of_secret",
    "shows_same_person",
    "unfit_shape",
]

MIN_SECRET_SIDE = 64
# An image whose longer side is this much longer is taken for something else than a face.
MAX_ASPECT = 1.1

_INSTALL = "install the extra: pip install 'deephide[align]'"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Criterion:
    """One measurement of a secret, the limit for a face, and whether the secret keeps it.

    `reason` is a clause to follow "because" where it does not.
    """

    name: str
    value: float
    limit: float
    passed: bool
    reason: str


def unfit_shape(image: Image.Image, *, whole: bool) -> Criterion | None:
    """Return the criterion of shape that an image fails, or None: then it may be a face.

    Parameters
    ----------
    image : the secret
    whole : all of it is to be hidden, so that it has to be square
    """
    width, height = image.size
    short, long = sorted(image.size)
    if short < MIN_SECRET_SIDE:
        reason = f"the secret has only {width} x {height} pixels, too few for a face"
        return Criterion("size", short, MIN_SECRET_SIDE, False, reason)
    if whole and long > MAX_ASPECT * short:
        reason = (
            f"the secret is not square ({width} x {height}), and of a face only the central "
            "square would travel"
        )
        return Criterion("aspect", long / short, MAX_ASPECT, False, reason)
    return None


def failed_criterion(
    model: Model,
    face: Image.Image,
    code: NDArray[np.float32],
    reconstruction: Image.Image | None = None,
) -> Criterion | None:
    """Return the first criterion that a square image fails, or None: the model can generate it.

    Parameters
    ----------
    model : with a quantizer
    face : square RGB image
    code : (n, 512) float32, what the model inverts it to
    reconstruction : what the model generates from the code in its usual quality, if that is known
    """
    integers = models.round_code(models.quantizer_of(model), code)
    if reconstruction is None:
        reconstruction = inference.generate(model, models.dequantise(model, integers))
    found = criteria(model, face, reconstruction, integers)
    return next((each for each in found if not each.passed), None)


def criteria(
    model: Model, face: Image.Image, reconstruction: Image.Image, integers: NDArray[np.int32]
) -> Iterator[Criterion]:
    """Yield what makes a square image a face to the model, each measured when it is asked for.

    Parameters
    ----------
    model : with a quantizer and the limits that were fitted to it
    face, reconstruction : square RGB images
    integers : (n, 512) int32, the code in the usual quality
    """
    unlike = "the secret does not look like an aligned face that the model can generate"
    psnr, least = models.agreement(face, reconstruction), model.accept_psnr
    reason = f"{unlike} ({psnr:.1f} dB, at least {least:.1f} dB are expected)"
    yield Criterion("agreement", psnr, least, psnr >= least, reason)
    edges, least = models.likeness(face, reconstruction), model.accept_likeness
    reason = f"{unlike} (its edges agree to {edges:.2f}, at least {least:.2f} is expected)"
    yield Criterion("likeness", edges, least, edges >= least, reason)
    bits = float(models.quantizer_of(model).ideal_bits(integers[None])[0])
    most = model.accept_bits
    reason = f"{unlike} (its code takes {bits:.0f} bits, at most {most:.0f} are expected)"
    yield Criterion("bits", bits, most, bits <= most, reason)
    yield _identity(face, reconstruction)


def shows_same_person(face: Image.Image, reconstruction: Image.Image) -> bool:
    """Say whether a recogniser takes two aligned faces for one person.

    Raises
    ------
    CheckpointError : the recogniser that ships is missing or damaged
    """
    return _identity(face, reconstruction).passed


def _identity(face: Image.Image, reconstruction: Image.Image) -> Criterion:
    similarity, least = models.similarity(face, reconstruction), models.least_similarity()
    reason = "the face that the model generates may be taken for somebody else"
    return Criterion("identity", similarity, least, similarity >= least, reason)


def of_request(request: Request, model: Model) -> tuple[Image.Image, str]:
    """Return the face of a request's secret; see `of_secret`."""
    image = load_image(request.secret)
    return of_secret(image, request.options.face, model.image_size)


def of_secret(image: Image.Image, face: FaceChoice, size: int) -> tuple[Image.Image, str]:
    """Return the square that is to be inverted, and a clause that says what it is of the secret.

    Parameters
    ----------
    image : upright, RGB
    face : "auto" takes the largest face if a detector is installed and the image is not aligned
        already, else the central square; "largest" or a number insists on that face; None takes
        the central square
    size : side of the cut-out face

    Returns
    -------
    square image, and a clause to end a sentence about the face; empty if all of it travels

    Raises
    ------
    InputImageError : too small, or no such face
    CheckpointError : a face is insisted on, and no detector is installed
    """
    if face is None or min(image.size) < MIN_SECRET_SIDE:
        return _central_square(image)
    try:
        return _found(image, face, size)
    except CheckpointError:
        if face != "auto":
            raise
    except InputImageError as error:
        if face != "auto":
            raise
        _log.info("%s", error)
    return _central_square(image)


def _found(image: Image.Image, face: FaceChoice, size: int) -> tuple[Image.Image, str]:
    from e2style import errors
    from e2style.data import align
    from e2style.data.detect import load_detector

    number = face if isinstance(face, int) else None
    try:
        aligned = align.align(image, load_detector(), size, number)
    except errors.DataError as error:
        raise InputImageError(
            f"the secret cannot be aligned: {error}",
            hint="take a photo that shows the face from the front, or --face none",
        ) from error
    except errors.CheckpointError as error:
        raise CheckpointError(f"the face cannot be looked for: {error}", hint=_INSTALL) from error
    if aligned.placement is None:
        return aligned.image, ""
    side = round(aligned.placement.side)
    if side < MIN_SECRET_SIDE:
        raise InputImageError(
            f"the face in the secret is too small ({side} x {side} pixels), at least "
            f"{MIN_SECRET_SIDE} x {MIN_SECRET_SIDE} are needed",
            hint="use a larger image of the face",
        )
    which = "the face" if aligned.faces == 1 else f"face {number or 1} of {aligned.faces}"
    return aligned.image, f"; of the secret only {which} travels, cut to {side} x {side} pixels"


def _central_square(image: Image.Image) -> tuple[Image.Image, str]:
    square = load_square(image)
    if square.size == image.size:
        return square, ""
    return (
        square,
        f"; of the secret's {image.width} x {image.height} pixels only the central "
        f"{square.width} x {square.height} travel",
    )


def load_square(source: ImageSource | bytes) -> Image.Image:
    """Return a secret, whole as people see it, or its central square where it is not square.

    Raises
    ------
    InputImageError : unreadable, too large, or a side below 64 pixels
    """
    image = load_image(source)
    side = min(image.size)
    if side < MIN_SECRET_SIDE:
        raise InputImageError(
            f"the secret is too small ({image.width} x {image.height}), "
            f"at least {MIN_SECRET_SIDE} x {MIN_SECRET_SIDE} pixels are needed",
            hint="use a larger image of the face",
        )
    if image.width != image.height:
        _log.warning(
            "the secret is not square: only its central %d x %d pixels are hidden", side, side
        )
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image
