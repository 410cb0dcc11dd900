"""The sender's side: encode, price, embed, verify; nothing is written here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

import stc
from deephide import output
from deephide.codecs import choice as codecs
from deephide.codecs import faces
from deephide.codecs.choice import Encoded, Request
from deephide.codecs.faces import FaceChoice
from deephide.container import hiding, keys
from deephide.container import layout as container
from deephide.container.canvas import Elements
from deephide.covers import jpeg as jpeg_cover
from deephide.covers import opening as covers
from deephide.covers import samples as image_io
from deephide.covers.detectability import Prospect
from deephide.covers.opening import AnyCover
from deephide.covers.samples import Cover, ImageSource
from deephide.errors import CapacityError, DeephideError
from deephide.formats.png.encoder import Encoder
from deephide.models import LazyModel, ModelSource
from deephide.results import EmbedResult

__all__ = ["STAGES", "Job", "Order", "from_stc", "hide", "report", "reveal", "verify", "warn"]

STAGES = ("inverting", "costs", "embedding", "verifying")

# A picture gets what is safe, within these bounds.
MAX_DEFAULT_BUDGET = 4096
MIN_DEFAULT_BUDGET = 200
# MiPOD's prices depend on the payload; before that is known, they are those of this one.
_GUESSED_RATE = 0.01

Progress: TypeAlias = "Callable[[int, int], None] | None"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be hidden where, as `deephide.embed` was asked.

    `suffix` is what the name of the stego's file ends in; None where there is to be none.
    """

    secret: ImageSource | bytes = field(repr=False)
    carrier: ImageSource | bytes = field(repr=False)
    access: keys.Access
    model: ModelSource
    cost: str
    codec: str
    budget: int | None
    rounding: str
    face: FaceChoice = "auto"
    quality: int | None = None
    suffix: str | None = None


@dataclass(frozen=True, eq=False)
class Job:
    """An embedding that is done but not verified."""

    result: EmbedResult
    cover: AnyCover = field(repr=False)
    elements: Elements = field(repr=False)
    plaintext: bytes = field(repr=False)
    key: keys.Sealer = field(repr=False)
    suffix: str = ".png"
    encoder: Encoder | None = None

    def encode(self, *, strip_metadata: bool = False) -> bytes:
        """Return the file of the stego."""
        if self.result.jpeg is not None:
            raw = self.result.jpeg
            return jpeg_cover.without_metadata(raw) if strip_metadata else raw
        return covers.encode(
            self.cover,
            self.elements,
            self.encoder,
            suffix=self.suffix,
            strip_metadata=strip_metadata,
        )


class _Pricing:
    """The prices of a cover and what follows from them, each computed once."""

    def __init__(self, cover: AnyCover, cost: str) -> None:
        self._cover = cover
        self._cost = cost
        self._known: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._prospect: Prospect | None = None

    def prices(self, message_bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._known is None or self._cost == "mipod":
            self._known = covers.prices(self._cover, self._cost, message_bits)
        return self._known

    def take(self, message_bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the prices and forget them: of a large cover they are hundreds of megabytes."""
        known, self._known = self.prices(message_bits), None
        return known

    def prospect(self) -> Prospect:
        if self._prospect is None:
            guess = max(1, int(_GUESSED_RATE * self._cover.elements.size))
            known = self._known if self._known is not None else self.prices(guess)
            self._prospect = covers.survey(self._cover, *known)
        return self._prospect

    def budget(self, key: keys.Sealer, padded: bool) -> int:
        """Return the bytes of payload that a picture may take where nobody says so."""
        safe = int(self.prospect().safe().payload_bits)
        empty = hiding.message_bits(container.HEADER_BYTES, key)
        hard = hiding.limit_bits(self._cover.elements, *self.prices(safe), key)
        least = min(MIN_DEFAULT_BUDGET, _unpadded((hard - empty) // 16, padded))
        return max(0, min(max(self.room(key, padded), least), MAX_DEFAULT_BUDGET))

    def room(self, key: keys.Sealer, padded: bool) -> int:
        """Return the bytes of payload that are safe."""
        safe = int(self.prospect().safe().payload_bits)
        empty = hiding.message_bits(container.HEADER_BYTES, key)
        return max(0, _unpadded((safe - empty) // 8, padded))


def _unpadded(size: int, padded: bool) -> int:
    return size * 8 // 9 - 1 if padded else size  # a size class is at most 12 % longer


def hide(order: Order, progress: Progress = None) -> Job:
    """Do everything but verify and write.

    Parameters
    ----------
    order : what to hide where
    progress : as in `deephide.embed`

    Raises
    ------
    DeephideError : as `deephide.embed`
    ValueError : an unknown codec, cost, rounding or face, or a budget below 1
    """
    if order.codec not in codecs.CHOICES:
        raise ValueError(f"codec: got {order.codec!r}, allowed: {', '.join(codecs.CHOICES)}")
    if order.budget is not None and order.budget < 1:
        raise ValueError(f"budget: got {order.budget} bytes, at least 1 is needed")
    faces.check(order.face)
    access = order.access
    if isinstance(order.secret, str | os.PathLike):
        image_io.file_size(Path(order.secret), "secret")  # before the model takes its time
    cover = covers.load(order.carrier)
    if order.suffix is not None:
        covers.check_suffix(cover, order.suffix)
    report(progress, 0)
    model = LazyModel.of(order.model)
    if codecs.uses_model(order.codec):
        model.load()
    key = access.sealer(bytes(32) if access.has_secret else model.fingerprint())
    # A slow key derivation and a look at the carrier's file go on beside all else.
    with ThreadPoolExecutor(2, "deephide") as aside:
        opening = aside.submit(key.begin, access.random)
        study = None
        # Where a picture is large, memory is worth more than time.
        if (
            order.suffix in output.PNG
            and isinstance(cover, Cover)
            and cover.elements.size <= hiding.LIVE_ELEMENTS
        ):
            study = aside.submit(image_io.study, cover)
        job = _hide_in(order, cover, model, key, opening.result, progress)
        encoder = None if study is None else study.result()
        return replace(job, suffix=order.suffix or ".png", encoder=encoder)


def _hide_in(
    order: Order,
    cover: AnyCover,
    model: LazyModel,
    key: keys.Sealer,
    first: Callable[[], keys.Opening],
    progress: Progress,
) -> Job:
    access = order.access
    pricing = _Pricing(cover, order.cost)
    try:
        encoded = codecs.encode(
            order.codec,
            Request(
                order.secret,
                model,
                lambda: order.budget or pricing.budget(key, access.pad),
                order.rounding,
                lambda: order.budget or pricing.room(key, access.pad),
                container.Zones(cover.elements.size, key.public_bytes).max_body_bytes,
                order.face,
                order.quality,
                order.budget,
            ),
        )
        header = container.Header(
            codecs.NUMBERS[encoded.codec], encoded.parameters, padded=access.pad
        )
        plaintext = container.pack(header, encoded.payload)
        message_bits = hiding.message_bits(len(plaintext), key)
        report(progress, 1)
        pricing.prices(message_bits)
        prospect = pricing.prospect()
        report(progress, 2)
        hidden = hiding.hide_computing_costs(
            cover.elements,
            lambda: pricing.take(message_bits),
            key,
            plaintext,
            cover.associated,
            random=access.random,
            first=first,
        )
    except stc.StcError as error:
        raise from_stc(error, 0) from error
    report(progress, 3)
    return Job(
        _result(encoded, cover, hidden, prospect),
        cover,
        hidden.elements,
        plaintext,
        key,
    )


def _result(
    encoded: Encoded, cover: AnyCover, hidden: hiding.Hidden, prospect: Prospect
) -> EmbedResult:
    safe = int(prospect.safe().payload_bits)
    notes = covers.warnings(cover)
    if hidden.message_bits > safe:
        notes += (
            f"the payload of {hidden.message_bits} bits is more than the {safe} that this carrier "
            "holds safely; a larger photo with more texture holds more",
        )
    for note in notes:
        _log.warning("%s", note)
    jpeg = None
    if isinstance(cover, Cover):
        samples = hidden.elements.astype(np.uint8, copy=False)
        stego = image_io.to_pil(cover, samples.reshape(cover.samples.shape))
        error = cover.squared_error(samples)
    else:
        jpeg = covers.encode(cover, hidden.elements)
        stego = covers.picture(jpeg)
        error = cover.squared_error(hidden.elements.astype(np.int16, copy=False))
    return EmbedResult(
        stego=stego,
        jpeg=jpeg,
        preview=encoded.preview,
        payload_bits=hidden.message_bits,
        elements=hidden.elements.size,
        changes=hidden.changes,
        distortion=hidden.distortion,
        psnr=_psnr(error, hidden.elements.size),
        secret_psnr=encoded.secret_psnr,
        codec=encoded.codec,
        reason=encoded.reason,
        model=encoded.model,
        integers=encoded.integers,
        safe_bits=safe,
        detector_error=prospect.at(hidden.message_bits).detector_error,
        warnings=notes,
    )


def _psnr(squared_error: float, elements: int) -> float:
    if not squared_error:
        return float("inf")
    return float(10 * np.log10(255.0**2 * elements / squared_error))


def warn(job: Job, note: str) -> Job:
    """Return the job with one more warning in its result, and log it."""
    _log.warning("%s", note)
    result = replace(job.result, warnings=(*job.result.warnings, note))
    return replace(job, result=result)


def reveal(stego: AnyCover, key: keys.Opener) -> bytes:
    """Return the plaintext that a stego carries; raises ExtractionError if it carries none."""
    return hiding.reveal(stego.elements, key, stego.associated)


def verify(job: Job, stego: ImageSource | bytes) -> None:
    """Extract as the receiver will; a difference here is a bug, never a user's mistake."""
    try:
        found = reveal(covers.load(stego, "stego"), job.key)
    except DeephideError as error:
        raise DeephideError("the stego failed its own verification and was discarded") from error
    if found != job.plaintext:
        raise DeephideError("the stego failed its own verification and was discarded")


def from_stc(error: Exception, needed_bits: int) -> DeephideError:
    """Return the error of this package that an `stc` error becomes."""
    if isinstance(error, stc.PayloadTooLargeError):
        return CapacityError(
            f"the carrier cannot take the payload: {error}",
            needed_bits=error.needed_bits or needed_bits,
            capacity_bits=error.capacity_bits or 0,
            hint="take a larger photo with more texture",
        )
    return DeephideError(f"the coder failed: {error}")


def report(progress: Progress, done: int) -> None:
    """Tell that so many stages are done."""
    if progress is not None:
        progress(done, len(STAGES))
