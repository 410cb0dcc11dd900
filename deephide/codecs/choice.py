"""The "auto" decision: the code of a face where the model generates it well, else a small image."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PIL import Image

from deephide import models
from deephide.codecs import base, faces, image, latent
from deephide.codecs.base import CHOICES, Encoded, Request
from deephide.errors import CapacityError
from deephide.formats.images import SEEN_HINT, load_image

if TYPE_CHECKING:
    from e2style.data.align import Placement

__all__ = ["encode", "uses_model"]

# A face that was cut out is compared with the secret as an image of so many times its bytes.
MORE_BYTES = 2
_HINT = f"{SEEN_HINT}, or hide it as a file: --codec file"


def uses_model(codec: str) -> bool:
    """Say whether a choice of codec needs a model for encoding."""
    return codec == "auto" or base.load_codec(codec).uses_model


def encode(request: Request) -> Encoded:
    """Encode a secret with the codec of the options.

    "auto" takes latent for a face that the model generates closely and whose code has room, or that
    a small image would show less closely still; else image.  A secret that is about a face (see
    `faces`) is cut to that, unless it is aligned.

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
    return _shorter(face.told(), request)


@dataclass(frozen=True)
class _Face:
    """A face's code, and where in the secret the face was cut out, None for all of the secret."""

    encoded: Encoded
    placement: Placement | None
    clause: str

    def told(self, though: str = "") -> Encoded:
        """Return the code with a reason that says why it was taken and what of the secret it is."""
        return replace(self.encoded, reason=f"{self.encoded.reason}{though}{self.clause}")


def _consider_face(request: Request) -> tuple[_Face | None, str]:
    """Return the code of the face, if there is one, and the objection to sending it, or ""."""
    secret = load_image(request.secret, hint=_HINT)
    chosen = request.options.face
    model = request.model.load()
    cut = None
    if chosen == "auto":
        cut = faces.subject(secret, model.image_size)
    elif chosen is not None:
        cut = faces.of_secret(secret, chosen, model.image_size)
    unfit = faces.unfit_shape(secret, whole=cut is None)
    if unfit is not None:
        return None, unfit.reason
    if model.quantizer is None:
        return None, f"the model {model.name} has no quantizer"
    shown = secret if cut is None else cut.image
    asked = replace(request, secret=shown, options=replace(request.options, face=None))
    coded = latent.CODEC.code(asked, request.room())
    # Whether a secret is a face does not depend on the bits that it gets.
    usual = coded.preview if coded.quality == model.quality else None
    failed = faces.failed_criterion(model, coded.face, coded.code, usual)
    if failed is not None and failed.name == "face":
        return None, failed.reason  # however closely the model happens to generate it
    encoded = coded.encoded
    if cut is not None:
        encoded = replace(encoded, cut_out=bool(cut.clause))
    placement, clause = (None, "") if cut is None else (cut.placement, cut.clause)
    found = _Face(encoded, placement, clause)
    return found, failed.reason if failed is not None else ""


def _shorter(face: Encoded, request: Request) -> Encoded:
    """Return the code of a face where it has room, or where no image is shorter; else an image."""
    size, room = len(face.payload), request.room()
    if size <= room:
        return face
    takes, most = request.carrier.hidden_bytes(size), request.carrier.hidden_bytes(room)
    try:
        squeezed = _as_image(
            request, f"the face's code takes {takes} bytes, and {most} are safe here or allowed"
        )
    except CapacityError:
        if request.options.budget is not None:
            raise
        return face  # no image fits; whether the code does, its distortion decides
    if request.options.budget is not None:
        return squeezed
    return squeezed if len(squeezed.payload) < size else face


def _closer(face: _Face, request: Request, objection: str) -> Encoded:
    """Return the code of a face that shows it more closely than an image would; else the image."""
    encoded, rival = face.encoded, request
    if face.placement is not None:
        # The secret is about the face, which is not to lose to an image that is only longer.
        room = min(request.budget(), MORE_BYTES * len(encoded.payload))
        most = request.carrier.hidden_bytes(room)
        rival = replace(request, options=replace(request.options, budget=most))
    if len(encoded.payload) <= request.room():
        with suppress(CapacityError):
            squeezed = _as_image(rival, objection)
            if not _is_closer(face, squeezed):
                return squeezed if rival is request else _as_image(request, objection)
        return face.told(f", closer than a small image would be, although {objection}")
    return _as_image(request, objection)


def _is_closer(face: _Face, squeezed: Encoded) -> bool:
    shown, preview = face.encoded.shown, face.encoded.preview
    assert shown is not None and preview is not None
    if not faces.shows_same_person(shown, preview):
        return False
    theirs = models.likeness(shown, _same_part(face, squeezed))
    return models.likeness(shown, preview) >= theirs


def _same_part(face: _Face, squeezed: Encoded) -> Image.Image:
    """Return what an image of the whole secret shows of the face, cut out as that was."""
    assert squeezed.shown is not None and squeezed.preview is not None
    if face.placement is None or face.encoded.shown is None:
        return squeezed.preview
    from e2style.data import align

    smaller = squeezed.preview.width / squeezed.shown.width
    centre, right = face.placement.centre * smaller, face.placement.right * smaller
    return align.cut(squeezed.preview, align.Placement(centre, right), face.encoded.shown.width)


def _as_image(request: Request, objection: str) -> Encoded:
    squeezed = image.CODEC.encode(request)
    described = squeezed.reason.removeprefix("codec image: ")
    return replace(squeezed, reason=f"codec image, because {objection}: {described}")
