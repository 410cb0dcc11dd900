"""The "auto" decision: the code of a face where the model generates it well, else a small image."""

from __future__ import annotations

from dataclasses import replace

from deephide import models
from deephide.codecs import base, faces, image, latent
from deephide.codecs.base import CHOICES, Encoded, Request
from deephide.errors import CapacityError
from deephide.formats.images import load_image

__all__ = ["encode", "uses_model"]


def uses_model(codec: str) -> bool:
    """Say whether a choice of codec needs a model for encoding."""
    return codec == "auto" or base.load_codec(codec).uses_model


def encode(request: Request) -> Encoded:
    """Encode a secret with the codec of the options.

    "auto" takes latent for a face that the model generates closely and whose code has room, or that
    a small image would show less closely still; else image.

    Parameters
    ----------
    request : the secret and what is needed to encode it

    Raises
    ------
    ValueError : an unknown codec or rounding
    DeephideError : the secret cannot be encoded
    """
    codec = request.options.codec
    if codec not in CHOICES:
        raise ValueError(f"codec: got {codec!r}, allowed: {', '.join(CHOICES)}")
    if codec != "auto":
        return base.load_codec(codec).encode(request)
    face, objection = _consider_face(request)
    if face is None:
        return _as_image(request, objection)
    if objection:
        return _closer(face, request, objection)
    return _shorter(face, request)


def _consider_face(request: Request) -> tuple[Encoded | None, str]:
    """Return the code of the face, if there is one, and the objection to sending it, or ""."""
    image = load_image(request.secret)
    whole = _hides_whole(request)
    unfit = faces.unfit_shape(image, whole=whole)
    if unfit is not None:
        return None, unfit.reason
    model = request.model.load()
    if model.quantizer is None:
        return None, f"the model {model.name} has no quantizer"
    # "auto" hides the whole secret; hiding a part of it is for the user to choose.
    face = None if whole else request.options.face
    asked = replace(request, secret=image, options=replace(request.options, face=face))
    coded = latent.CODEC.code(asked, request.room())
    # Whether a secret is a face does not depend on the bits that it gets.
    usual = coded.preview if coded.quality == model.quality else None
    failed = faces.failed_criterion(model, coded.face, coded.code, usual)
    return coded.encoded, failed.reason if failed is not None else ""


def _shorter(face: Encoded, request: Request) -> Encoded:
    """Return the code of a face where it has room, or where no image is shorter; else an image."""
    size, room = len(face.payload), request.room()
    if size <= room:
        return face
    try:
        squeezed = _as_image(
            request, f"the face's code takes {size} bytes, and {room} are safe here or allowed"
        )
    except CapacityError:
        return face  # no image fits; whether the code does, its distortion decides
    return squeezed if len(squeezed.payload) < size else face


def _closer(face: Encoded, request: Request, objection: str) -> Encoded:
    """Return the code of a face that shows it more closely than an image would; else the image."""
    squeezed = _as_image(request, objection)
    # A face that was chosen in a photo and the whole photo cannot be compared.
    if not _hides_whole(request) or len(face.payload) > request.room():
        return squeezed
    if not _is_closer(face, squeezed):
        return squeezed
    though = f"closer than a small image would be, although {objection}"
    return replace(face, reason=f"{face.reason}, {though}")


def _is_closer(face: Encoded, squeezed: Encoded) -> bool:
    assert face.shown is not None and face.preview is not None
    assert squeezed.shown is not None and squeezed.preview is not None
    if not faces.shows_same_person(face.shown, face.preview):
        return False
    theirs = models.likeness(squeezed.shown, squeezed.preview)
    return models.likeness(face.shown, face.preview) >= theirs


def _as_image(request: Request, objection: str) -> Encoded:
    squeezed = image.CODEC.encode(request)
    described = squeezed.reason.removeprefix("codec image: ")
    return replace(squeezed, reason=f"codec image, because {objection}: {described}")


def _hides_whole(request: Request) -> bool:
    return request.options.face in ("auto", None)
