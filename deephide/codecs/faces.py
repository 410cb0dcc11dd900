"""Face of a secret: where it is in the image, and whether the model can generate it.

Detection, alignment and measurements are the work of `e2style`; the decisions are made here, one
criterion after the other.

An image is *about* a face if all of this holds for its largest one (figures of
`benchmarks/portraits.py`):

- the square that alignment cuts has at least 0.27 of the image's shorter side: of 40 portraits
  the smallest has 0.28, and 10 from waist or knees on have 0.28 to 0.44; people in a scene have
  0.05 to 0.26;
- at least 0.85 of that square lies inside the image, or the edge cuts the head off;
- its middle lies in the middle three fifths of the width and the upper two thirds of the height;
- no other face has more than half of its side: else it is a group.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from e2style.data.align import Placement
    from e2style.data.detect import Detector, Face

__all__ = [
    "MIN_SECRET_SIDE",
    "Criterion",
    "Cut",
    "criteria",
    "failed_criterion",
    "find_faces",
    "load_square",
    "of_request",
    "of_secret",
    "shows_same_person",
    "subject",
    "unfit_shape",
]

MIN_SECRET_SIDE = 64
# An image whose longer side is this much longer is taken for something else than a face.
MAX_ASPECT = 1.1

# What an image is about: see above.
SUBJECT_SHARE, SUBJECT_INSIDE, OTHER_FACE = 0.27, 0.85, 0.5
SUBJECT_ACROSS, SUBJECT_DOWN = (0.2, 0.8), (0.0, 2 / 3)

_INSTALL = "install deephide again: pip install --force-reinstall --no-deps deephide"
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
    if model.accept_face and (filled := _is_filled(face)) is not None:
        reason = f"{unlike} (no face was found that fills it)"
        yield Criterion("face", float(filled), 1.0, filled, reason)
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


def _is_filled(square: Image.Image) -> bool | None:
    """Whether a face fills a square image; None where the detector cannot be used."""
    from e2style.data import align

    found = _faces_or_warning(square)
    if found is None:
        return None
    return bool(found) and align.fills(square, found[0])


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


@dataclass(frozen=True, eq=False)
class Cut:
    """A square that is to be inverted.

    `clause` ends a sentence about the face, and says what of the secret travels; it is empty if all
    of it does.  `placement` is where in the secret a face was cut out, None for the whole or its
    central square.
    """

    image: Image.Image
    clause: str = ""
    placement: Placement | None = None


def of_request(request: Request, model: Model) -> Cut:
    """Return the face of a request's secret; see `of_secret`."""
    image = load_image(request.secret)
    return of_secret(image, request.options.face, model.image_size)


def of_secret(image: Image.Image, face: FaceChoice, size: int) -> Cut:
    """Return the square that is to be inverted.

    Parameters
    ----------
    image : upright, RGB
    face : "auto" takes the largest face if there is one and the image is not aligned already,
        else the central square; "largest" or a number insists on that face; None takes the
        central square
    size : side of the cut-out face

    Raises
    ------
    InputImageError : too small, or no such face
    CheckpointError : a face is insisted on, and the detector cannot be used
    """
    if face is None or min(image.size) < MIN_SECRET_SIDE:
        return _central_square(image)
    try:
        return _found(image, face, size)
    except CheckpointError as error:
        if face != "auto":
            raise
        _log.warning("%s; %s", error, error.hint)
    except InputImageError as error:
        if face != "auto":
            raise
        _log.info("%s", error)
    return _central_square(image)


def subject(image: Image.Image, size: int) -> Cut | None:
    """Return the face that an image is about, cut out; None if it is about something else.

    None too for an image that is aligned already: all of it is the face.

    Parameters
    ----------
    image : upright, RGB
    size : side of the cut-out face
    """
    if min(image.size) < MIN_SECRET_SIDE:
        return None
    from e2style.data import align

    found = _faces_or_warning(image)
    if not found or align.is_aligned(image, found[0]):
        return None
    places = [align.place(each.landmarks) for each in found]
    if not _is_subject(image, places):
        return None
    face = align.cut(image, places[0], size)
    return Cut(face, _clause(places[0], "the face"), places[0])


def _is_subject(image: Image.Image, places: Sequence[Placement]) -> bool:
    """Say whether an image is about the first of its faces."""
    first, others = places[0], places[1:]
    x, y = (first.centre / image.size).tolist()
    return (
        first.side >= max(SUBJECT_SHARE * min(image.size), MIN_SECRET_SIDE)
        and SUBJECT_ACROSS[0] <= x <= SUBJECT_ACROSS[1]
        and SUBJECT_DOWN[0] <= y <= SUBJECT_DOWN[1]
        and first.share_inside(image.size) >= SUBJECT_INSIDE
        and all(each.side <= OTHER_FACE * first.side for each in others)
    )


def _found(image: Image.Image, face: FaceChoice, size: int) -> Cut:
    from e2style import errors
    from e2style.data import align

    number = face if isinstance(face, int) else None
    with _translated():
        detector = _detector()
    try:
        aligned = align.align(image, detector, size, number)
    except errors.DataError as error:
        raise InputImageError(
            f"the secret cannot be aligned: {error}",
            hint="take a photo that shows the face from the front, or --face none",
        ) from error
    if aligned.placement is None:
        return Cut(aligned.image)
    side = round(aligned.placement.side)
    if side < MIN_SECRET_SIDE:
        raise InputImageError(
            f"the face in the secret is too small ({side} x {side} pixels), at least "
            f"{MIN_SECRET_SIDE} x {MIN_SECRET_SIDE} are needed",
            hint="use a larger image of the face",
        )
    which = "the face" if aligned.faces == 1 else f"face {number or 1} of {aligned.faces}"
    return Cut(aligned.image, _clause(aligned.placement, which), aligned.placement)


def _clause(placement: Placement, which: str) -> str:
    side = round(placement.side)
    return (
        f"; of the secret only {which} travels, cut to {side} x {side} pixels (--face none keeps "
        "the whole)"
    )


def find_faces(image: Image.Image) -> list[Face]:
    """Return the faces of an RGB image, the largest first.

    Raises
    ------
    CheckpointError : the detector cannot be used
    """
    with _translated():
        return _detector().find(image)


def _faces_or_warning(image: Image.Image) -> list[Face] | None:
    """Faces of an RGB image, the largest first; None, and a warning, without a detector."""
    try:
        return find_faces(image)
    except CheckpointError as error:
        _log.warning("%s; %s", error, error.hint)
        return None


def _detector() -> Detector:
    from e2style.data.detect import load_detector

    return load_detector()


@contextmanager
def _translated() -> Iterator[None]:
    from e2style import errors

    try:
        yield
    except errors.CheckpointError as error:
        raise CheckpointError(f"the face cannot be looked for: {error}", hint=_INSTALL) from error


def _central_square(image: Image.Image) -> Cut:
    square = load_square(image)
    if square.size == image.size:
        return Cut(square)
    return Cut(
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
