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
from deephide.codecs import choice
from deephide.codecs.base import CHOICES, NUMBERS, Encoded, Request
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
from deephide.models import LazyModel
from deephide.options import EmbedOptions
from deephide.results import EmbedResult

__all__ = ["STAGES", "Job", "from_stc", "hide", "report", "reveal", "verify", "warn"]

STAGES = ("inverting", "costs", "embedding", "verifying")

# A picture gets what is safe, within these bounds.
MAX_DEFAULT_BUDGET = 4096
MIN_DEFAULT_BUDGET = 200
# MiPOD's prices depend on the payload; before that is known, they are those of this one.
_GUESSED_RATE = 0.01

Progress: TypeAlias = "Callable[[int, int], None] | None"

_log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class _Room:
    """The bytes of payload that a cover has room for."""

    cover: AnyCover
    pricing: _Pricing
    key: keys.Sealer
    padded: bool

    @property
    def limit(self) -> int:
        return container.Zones(self.cover.elements.size, self.key.public_bytes).max_body_bytes

    def safe(self) -> int:
        return max(0, self._payload_bytes(self._safe_bits()))

    def for_image(self) -> int:
        hard = hiding.limit_bits(
            self.cover.elements, *self.pricing.prices(self._safe_bits()), self.key
        )
        least = min(MIN_DEFAULT_BUDGET, self._payload_bytes(hard, share=2))
        return max(0, min(max(self.safe(), least), MAX_DEFAULT_BUDGET))

    def _safe_bits(self) -> int:
        return int(self.pricing.prospect().safe().payload_bits)

    def _payload_bytes(self, message_bits: int, share: int = 1) -> int:
        """Return the payload of a message; with a share of 2 half of it, and so on."""
        empty = hiding.message_bits(container.HEADER_BYTES, self.key)
        size = (message_bits - empty) // (8 * share)
        return size * 8 // 9 - 1 if self.padded else size  # a size class is at most 12 % longer


def hide(
    secret: ImageSource | bytes,
    carrier: ImageSource | bytes,
    options: EmbedOptions,
    progress: Progress = None,
    *,
    suffix: str | None = None,
    random: Callable[[int], bytes] = os.urandom,
) -> Job:
    """Do everything but verify and write.

    Parameters
    ----------
    secret, carrier, progress : as in `deephide.embed`
    options : everything that was chosen
    suffix : what the name of the stego's file ends in; None where there is to be none
    random : source of randomness; replaced in tests only

    Raises
    ------
    DeephideError : as `deephide.embed`
    ValueError : an unknown codec, cost or rounding
    """
    if options.codec not in CHOICES:
        raise ValueError(f"codec: got {options.codec!r}, allowed: {', '.join(CHOICES)}")
    if isinstance(secret, str | os.PathLike):
        image_io.file_size(Path(secret), "secret")  # before the model takes its time
    cover = covers.load(carrier)
    if suffix is not None:
        covers.check_suffix(cover, suffix)
    report(progress, 0)
    model = LazyModel.of(options.model)
    if choice.uses_model(options.codec):
        model.load()
    access = options.access(random)
    key = access.sealer(bytes(32) if access.has_secret else model.fingerprint())
    # A slow key derivation and a look at the carrier's file go on beside all else.
    with ThreadPoolExecutor(2, "deephide") as aside:
        opening = aside.submit(key.begin, random)
        study = None
        # Where a picture is large, memory is worth more than time.
        if (
            suffix in output.PNG
            and isinstance(cover, Cover)
            and cover.elements.size <= hiding.LIVE_ELEMENTS
        ):
            study = aside.submit(image_io.study, cover)
        pricing = _Pricing(cover, options.cost)
        request = Request(secret, model, options, _Room(cover, pricing, key, options.pad))
        job = _hide_in(request, cover, pricing, key, opening.result, progress, random)
        encoder = None if study is None else study.result()
        return replace(job, suffix=suffix or ".png", encoder=encoder)


def _hide_in(
    request: Request,
    cover: AnyCover,
    pricing: _Pricing,
    key: keys.Sealer,
    first: Callable[[], keys.Opening],
    progress: Progress,
    random: Callable[[int], bytes],
) -> Job:
    options = request.options
    try:
        encoded = choice.encode(request)
        header = container.Header(NUMBERS[encoded.codec], encoded.parameters, padded=options.pad)
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
            random=random,
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
