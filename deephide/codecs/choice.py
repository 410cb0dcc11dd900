"""What a payload means: one interface, four codecs.

::

    codec    number  secret          8 parameter bytes            payload
    latent        1  a face          fingerprint and quality      entropy-coded W+ integers
    image         2  any picture     format and sizes             a small WebP or AVIF
    file          3  any bytes       method and size              the bytes, by Zstandard
    paper         4  a face          the model's fingerprint      nine bits per W+ integer

Codecs 2 and 3 need no model, on either side.  Bytes are decoded only after they turned out to be
authentic; they are distrusted all the same, because a sender may be an enemy too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import models
from deephide.codecs import faces, qualities
from deephide.codecs import file as file_codec
from deephide.codecs import image as image_codec
from deephide.codecs import latent as latent_codec
from deephide.codecs import paper as paper_codec
from deephide.covers import samples as image_io
from deephide.covers.samples import ImageSource
from deephide.errors import (
    CapacityError,
    ExtractionError,
    FormatVersionError,
    InputImageError,
)
from deephide.models import LazyModel
from deephide.options import EmbedOptions

__all__ = ["CHOICES", "NUMBERS", "Content", "Encoded", "Request", "decode", "encode", "uses_model"]

NUMBERS = {"latent": 1, "image": 2, "file": 3, "paper": 4}
CHOICES = ("auto", *NUMBERS)

# "auto" takes pictures whose longer side is this much longer for something else than a face.
_MAX_ASPECT = 1.1

_NAMES = {number: name for name, number in NUMBERS.items()}


class Room(Protocol):
    """What a carrier has room for, in bytes of payload."""

    @property
    def limit(self) -> int:
        """What the format allows in this carrier."""

    def safe(self) -> int:
        """Return what is safe in this carrier."""

    def for_image(self) -> int:
        """Return what an image may take where nobody says so."""


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be encoded, how, and into how much room.

    `options.budget` replaces what is safe and what an image may take, where somebody gave one.
    """

    secret: ImageSource | bytes = field(repr=False)
    model: LazyModel
    options: EmbedOptions = field(repr=False)
    carrier: Room

    def room(self) -> int:
        """Return the bytes beyond which "auto" takes no code of a face."""
        return self.options.budget or self.carrier.safe()

    def budget(self) -> int:
        """Return the bytes that a payload of the image codec may have."""
        return self.options.budget or self.carrier.for_image()


@dataclass(frozen=True, eq=False)
class Encoded:
    """A payload, and what the receiver will see of it.

    `preview` is None for a file, and otherwise stands for `shown`, the secret or the face in it;
    `secret_psnr` compares both, in dB; `reason` is a sentence that says what was chosen.
    """

    codec: str
    parameters: bytes
    payload: bytes = field(repr=False)
    reason: str
    preview: Image.Image | None = field(default=None, repr=False)
    shown: Image.Image | None = field(default=None, repr=False)
    secret_psnr: float | None = None
    model: str | None = None
    integers: NDArray[np.int32] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Content:
    """What was hidden: a picture, or the bytes of a file."""

    codec: str
    image: Image.Image | None = field(default=None, repr=False)
    data: bytes | None = field(default=None, repr=False)
    model: str | None = None


class Codec(Protocol):
    """Content to bytes and back."""

    def encode(self, request: Request) -> Encoded:
        """Return parameters and payload of a secret."""

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        """Return what was encoded; raises ExtractionError for bytes that `encode` never writes."""


def uses_model(codec: str) -> bool:
    """Say whether a choice of codec needs a model for encoding."""
    return codec in ("auto", "latent", "paper")


def encode(codec: str, request: Request) -> Encoded:
    """Encode a secret.

    Parameters
    ----------
    codec : one of CHOICES; "auto" takes latent for a face that the model paints closely and whose
        code has room, or that a small picture would show less closely still; else image
    request : the secret and what is needed to encode it

    Raises
    ------
    ValueError : an unknown codec or rounding
    DeephideError : the secret cannot be encoded
    """
    if codec not in CHOICES:
        raise ValueError(f"codec: got {codec!r}, allowed: {', '.join(CHOICES)}")
    if codec != "auto":
        return _CODECS[codec].encode(request)
    latent, doubt = _Latent().consider(request)
    if latent is not None and not doubt:
        size, room = len(latent.payload), request.room()
        if size <= room:
            return latent
        doubt = f"the face's code takes {size} bytes, and {room} are safe here or allowed"
        try:
            squeezed = _Image().encode(request)
        except CapacityError:
            return latent  # nothing else fits; whether this does, its price decides
        if len(squeezed.payload) >= size:
            return latent
    else:
        squeezed = _Image().encode(request)
        # A face that was chosen in a photo and the whole photo cannot be compared.
        whole = request.options.face in ("auto", None)
        if latent is not None and whole and _is_closer(latent, squeezed, request.room()):
            though = f"closer than a small picture would be, although {doubt}"
            return replace(latent, reason=f"{latent.reason}, {though}")
    chosen = squeezed.reason.removeprefix("codec image: ")
    return replace(squeezed, reason=f"codec image, because {doubt}: {chosen}")


def _is_closer(latent: Encoded, squeezed: Encoded, room: int) -> bool:
    """Whether the code of a face fits and shows the same person, more closely than a picture."""
    if len(latent.payload) > room:
        return False
    face, painted, whole, small = latent.shown, latent.preview, squeezed.shown, squeezed.preview
    assert face is not None and painted is not None and whole is not None and small is not None
    if models.are_two_people(face, painted):
        return False
    return models.likeness(face, painted) >= models.likeness(whole, small)


def decode(number: int, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
    """Decode an authentic payload.

    Parameters
    ----------
    number : of the codec, from the header
    parameters : 8 bytes, from the header
    payload : the rest
    model : loaded only if the codec needs it

    Raises
    ------
    FormatVersionError : an unknown codec, or a picture format that is not supported here
    CheckpointError : made with another model
    ExtractionError : not what the sender's side of the codec writes
    """
    if number not in _NAMES:
        raise FormatVersionError(
            f"the hidden container uses codec {number}, which this program does not know",
            hint="install a newer deephide",
        )
    return _CODECS[_NAMES[number]].decode(parameters, payload, model)


class _Latent:
    def encode(self, request: Request) -> Encoded:
        return self._coded(request, request.options.budget)[0]

    def consider(self, request: Request) -> tuple[Encoded | None, str]:
        """Return the code of a face, if there is one, and why it should not be sent; else empty."""
        picture = image_io.load_picture(request.secret)
        width, height = picture.size
        if min(picture.size) < image_io.MIN_SECRET_SIDE:
            return None, f"the secret has only {width} x {height} pixels, too few for a face"
        # What "auto" hides is the whole secret; a part of it is for the user to choose.
        whole = request.options.face in ("auto", None)
        if whole and max(picture.size) > _MAX_ASPECT * min(picture.size):
            return None, (
                f"the secret is not square ({width} x {height}), and of a face only the central "
                "square would travel"
            )
        model = request.model.load()
        if model.quantizer is None:
            return None, f"the model {model.name} has no quantizer"
        face_choice = None if whole else request.options.face
        asked = replace(request, secret=picture, options=replace(request.options, face=face_choice))
        encoded, face, code, quality = self._coded(asked, request.room())
        integers, preview, psnr = encoded.integers, encoded.preview, encoded.secret_psnr
        if quality != model.quality:  # what is a face does not depend on the bits that it gets
            integers = models.round_code(models.quantizer_of(model), code)
            preview = models.paint(model, integers)
            psnr = models.agreement(face, preview)
        assert integers is not None and preview is not None and psnr is not None
        return encoded, models.doubt(model, face, preview, psnr, integers)

    def _coded(
        self, request: Request, most: int | None
    ) -> tuple[Encoded, Image.Image, NDArray[np.float32], int]:
        """Return the face's code in at most so many bytes, if that can be.

        Beside it the face, its code before rounding, and the quality.
        """
        model = request.model.load()
        face, cropped = _face(request, model)
        code = models.invert_exactly(model, face)
        quality, integers, payload = qualities.fit(
            model, code, wanted=request.options.quality, ceiling=request.options.budget, most=most
        )
        preview = models.paint(model, integers, quality)
        psnr = models.agreement(face, preview)
        chosen = f", quality {quality} of {len(model.quantizers)}"
        encoded = Encoded(
            codec="latent",
            parameters=qualities.stamp(model, quality),
            payload=payload,
            reason=f"codec latent{chosen if len(model.quantizers) > 1 else ''}: "
            f"the model paints the face to {psnr:.1f} dB{cropped}",
            preview=preview,
            shown=face,
            secret_psnr=psnr,
            model=model.name,
            integers=integers,
        )
        return encoded, face, code, quality

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        loaded, quality = qualities.find_model(parameters, model)
        try:
            integers = latent_codec.decode(payload, models.quantizer_of(loaded, quality))
        except latent_codec.LatentFormatError as error:
            raise ExtractionError from error
        return Content("latent", models.paint(loaded, integers, quality), model=loaded.name)


class _Paper:
    def encode(self, request: Request) -> Encoded:
        model = request.model.load()
        face, cropped = _face(request, model)
        code = models.invert_exactly(model, face)
        try:
            integers = paper_codec.round_code(code, request.options.rounding)
        except ValueError as error:
            if request.options.rounding not in paper_codec.ROUNDINGS:
                raise
            raise InputImageError(
                f"the secret cannot be hidden as in the paper: {error}",
                hint="use --codec latent, whose integers have no such limit",
            ) from error
        preview = models.paint_code(model, integers.astype(np.float32))
        psnr = models.agreement(face, preview)
        return Encoded(
            codec="paper",
            parameters=qualities.stamp(model, 1),
            payload=paper_codec.encode(integers),
            reason=f"codec paper, {request.options.rounding} integers: the face comes back at "
            f"{psnr:.1f} dB{cropped}",
            preview=preview,
            shown=face,
            secret_psnr=psnr,
            model=model.name,
            integers=integers,
        )

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        loaded, _ = qualities.find_model(parameters, model)
        try:
            integers = paper_codec.decode(payload, loaded.n_codes)
        except paper_codec.PaperFormatError as error:
            raise ExtractionError from error
        image = models.paint_code(loaded, integers.astype(np.float32))
        return Content("paper", image, model=loaded.name)


class _Image:
    def encode(self, request: Request) -> Encoded:
        picture = image_io.load_picture(request.secret)
        budget = request.budget()
        found = image_codec.encode(picture, budget)
        if found is None:
            raise CapacityError(
                f"no picture fits in {budget} bytes, however small",
                needed_bits=8 * (budget + 1),
                capacity_bits=8 * budget,
                hint="take a larger photo with more texture, or a larger --budget",
            )
        return Encoded(
            codec="image",
            parameters=found.parameters,
            payload=found.payload,
            reason=f"codec image: {found.description}, {len(found.payload)} bytes, shown at "
            f"{found.preview.width} x {found.preview.height}",
            preview=found.preview,
            shown=picture,
            secret_psnr=found.psnr,
        )

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        try:
            return Content("image", image_codec.decode(parameters, payload))
        except image_codec.UnsupportedFormatError as error:
            raise FormatVersionError(
                f"what is hidden uses {error}, which this program cannot decode",
                hint="install a newer deephide and a Pillow that supports WebP and AVIF",
            ) from error
        except image_codec.ImageFormatError as error:
            raise ExtractionError from error


class _File:
    def encode(self, request: Request) -> Encoded:
        data = _read_bytes(request.secret)
        limit = request.carrier.limit
        if file_codec.hopeless(data, limit):
            raise CapacityError(
                f"the file of {len(data)} bytes is too long: at most {limit} bytes, "
                "compressed, go into this carrier",
                needed_bits=8 * (limit + 1),
                capacity_bits=8 * limit,
                hint="take a shorter file or a larger photo",
            )
        parameters, payload = file_codec.encode(data)
        how = "stored" if not parameters[0] else "compressed"
        return Encoded(
            codec="file",
            parameters=parameters,
            payload=payload,
            reason=f"codec file: {len(data)} bytes, {how} in {len(payload)}",
        )

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        try:
            return Content("file", data=file_codec.decode(parameters, payload))
        except file_codec.FileFormatError as error:
            raise ExtractionError from error


_CODECS: dict[str, Codec] = {
    "latent": _Latent(),
    "image": _Image(),
    "file": _File(),
    "paper": _Paper(),
}


def _face(request: Request, model: models.Model) -> tuple[Image.Image, str]:
    """The face of the secret, and a clause that says what travels if not all does."""
    picture = image_io.load_picture(request.secret)
    return faces.of_secret(picture, request.options.face, model.image_size)


def _read_bytes(secret: ImageSource | bytes) -> bytes:
    if isinstance(secret, bytes):
        data = secret
    elif isinstance(secret, Image.Image):
        raise ValueError("secret: got a picture, the file codec takes bytes or a path")
    else:
        data = image_io.read_bytes(Path(os.fspath(secret)), "secret", file_codec.MAX_FILE_BYTES)
    if len(data) > file_codec.MAX_FILE_BYTES:
        raise InputImageError(
            f"the secret has {len(data)} bytes, at most {file_codec.MAX_FILE_BYTES} are allowed"
        )
    return data
