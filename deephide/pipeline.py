"""Embedding and extraction, step by step; nothing is written here.

::

    embedding    open the carrier, encode the secret, find the costs, hide, verify
    extraction   open the stego, reveal, decode

What a cover is, and how its stego becomes a file, `deephide.covers` alone knows; what a secret is,
`deephide.codecs`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import stc
from deephide.codecs import base
from deephide.codecs.base import CHOICES, NUMBERS, Encoded, Request
from deephide.container import hiding, keys, layout, shares
from deephide.container.key_files import KeySource
from deephide.covers.base import Cover, Elements
from deephide.covers.opening import open_cover
from deephide.covers.room import CoverCosts, Room
from deephide.errors import (
    CapacityError,
    DeephideError,
    ExtractionError,
    IncompleteError,
    InputImageError,
)
from deephide.formats.files import ImageSource, file_size
from deephide.making import Made
from deephide.models import LazyModel, ModelSource
from deephide.options import EmbedOptions
from deephide.psnr import psnr
from deephide.results import EmbedResult, ExtractInfo, ExtractResult

if TYPE_CHECKING:
    from deephide.channels.openings import Seen
    from deephide.channels.sending import RobustJob

__all__ = [
    "STAGES",
    "AnyJob",
    "Job",
    "OpenPhoto",
    "extract",
    "from_stc",
    "hide",
    "pack",
    "report",
    "verify",
]

STAGES = ("inverting", "costs", "embedding", "verifying")

Progress: TypeAlias = "Callable[[int, int], None] | None"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Job:
    """An embedding of the ordinary mode that is done but not verified."""

    result: EmbedResult
    cover: Cover = field(repr=False)
    elements: Elements = field(repr=False)
    plaintext: bytes = field(repr=False)
    secret: keys.SharedKey | keys.Recipients = field(repr=False)

    def reveal(self, written: Path | None = None) -> bytes:
        """Return the plaintext as the receiver finds it in the file, or in memory."""
        if written is None:
            stego = self.cover.reopened(self.elements)
        else:
            stego = open_cover(written, "stego")
        key = self.secret.at(stego.salt(stego.elements))
        return hiding.reveal(stego.elements, key, stego.associated, in_secret=False)


AnyJob: TypeAlias = "Job | RobustJob"


def hide(
    secret: ImageSource | bytes,
    carrier: ImageSource | bytes,
    options: EmbedOptions,
    progress: Progress = None,
    *,
    suffix: str | None = None,
    strip_metadata: bool = False,
    notes: tuple[str, ...] = (),
    random: Callable[[int], bytes] = os.urandom,
) -> AnyJob:
    """Do everything but verify and write, in the mode that the options ask for.

    Parameters
    ----------
    secret, carrier, progress : as in `deephide.embed`
    options : everything that was chosen
    suffix : what the name of the stego's file ends in; None where there is to be none
    strip_metadata : as in `deephide.embed_file`
    notes : warnings about the carrier that are known already
    random : source of randomness; replaced in tests only

    Raises
    ------
    DeephideError : as `deephide.embed`
    ValueError : an unknown codec, cost or rounding
    """
    if options.codec not in CHOICES:
        raise ValueError(f"codec: got {options.codec!r}, allowed: {', '.join(CHOICES)}")
    if isinstance(secret, str | os.PathLike):
        file_size(Path(secret), "secret")  # before the model takes its time
    if options.channel is not None:
        from deephide.channels import sending

        return sending.hide(
            secret, carrier, options, partial(report, progress), notes=notes, random=random
        )
    from deephide.codecs import choice

    photo = OpenPhoto.of(carrier, options, suffix)
    report(progress, 0)
    model = LazyModel.of(options.model)
    if choice.uses_model(options.codec):
        model.load()
    access = options.access(random)
    key = access.sealer(bytes(32) if access.has_secret else model.fingerprint())
    request = Request(secret, model, options, photo.room(key, options))

    def encode() -> tuple[Encoded, bytes]:
        encoded = choice.encode(request)
        model.release(unless=options.model)  # the trellises can use the memory of its weights
        return encoded, pack(encoded, padded=options.pad)

    return photo.hide(
        key, encode, progress, strip_metadata=strip_metadata, notes=notes, random=random
    )


@dataclass(frozen=True, eq=False)
class OpenPhoto:
    """A carrier that was opened, or made anew, with its costs; `suffix` is that of the stego."""

    cover: Cover
    costs: CoverCosts = field(repr=False)
    made: Made | None = None
    suffix: str | None = None

    @classmethod
    def of(
        cls, carrier: ImageSource | bytes, options: EmbedOptions, suffix: str | None
    ) -> OpenPhoto:
        """Open a carrier as the options ask; raises as `hide`."""
        cover, made = _open(carrier, options, suffix)
        return cls(cover, CoverCosts(cover, options.cost), made, suffix)

    def room(self, secret: keys.SharedKey | keys.Recipients, options: EmbedOptions) -> Room:
        """Return the room that there is for a payload."""
        return Room(self.cover, self.costs, self._key(secret), options.pad)

    def _key(self, secret: keys.SharedKey | keys.Recipients) -> keys.Sealer:
        return secret.at(self.cover.salt(self.cover.elements))

    def hide(
        self,
        secret: keys.SharedKey | keys.Recipients,
        encode: Callable[[], tuple[Encoded, bytes]],
        progress: Progress = None,
        *,
        strip_metadata: bool = False,
        notes: tuple[str, ...] = (),
        random: Callable[[int], bytes] = os.urandom,
    ) -> Job:
        """Hide a plaintext, which is asked for while the keys are derived.

        Parameters
        ----------
        secret : who is to read it
        encode : returns what was encoded, and its plaintext
        progress, strip_metadata, notes, random : as in `pipeline.hide`
        """
        cover, costs, suffix, key = self.cover, self.costs, self.suffix, self._key(secret)
        # A slow key derivation and a look at the carrier's file go on beside all else.
        with ThreadPoolExecutor(2, "deephide") as aside, _translated():
            opening = aside.submit(key.begin, random)
            prepared = aside.submit(cover.prepare_encoding, suffix)
            encoded, plaintext = encode()
            message_bits = hiding.message_bits(len(plaintext), key)
            report(progress, 1)
            costs.of_message(message_bits)
            costs.prospect(message_bits)
            report(progress, 2)
            hidden = hiding.hide_computing_costs(
                cover.elements,
                lambda: costs.of_message(message_bits),
                key,
                plaintext,
                cover.associated,
                random=random,
                gathered=costs.gathered(),
                first=opening.result,
                accept=lambda stego: secret.at(cover.salt(stego)) is key,
            )
            report(progress, 3)
            file = partial(
                cover.encode,
                hidden.elements,
                suffix=suffix,
                strip_metadata=strip_metadata,
                preparation=prepared.result(),
            )
        result = _result(encoded, cover, hidden, costs, file, notes)
        if self.made is not None:
            reason = f"{result.reason}; {self.made.in_words}"
            result = replace(result, made=self.made, reason=reason)
        return Job(result, cover, hidden.elements, plaintext, secret)


def _open(
    carrier: ImageSource | bytes, options: EmbedOptions, suffix: str | None
) -> tuple[Cover, Made | None]:
    """Return the cover that a carrier is, or that is made of it."""
    if options.making is not None:
        from deephide.covers import precovers

        return precovers.make(carrier, options.making, suffix)
    cover = open_cover(carrier)
    if suffix is not None:
        cover.check_suffix(suffix)
    return cover, None


def pack(encoded: Encoded, *, padded: bool) -> bytes:
    """Return the plaintext of what was encoded."""
    header = layout.Header(NUMBERS[encoded.codec], encoded.parameters, padded=padded)
    return layout.pack(header, encoded.payload)


def _result(
    encoded: Encoded,
    cover: Cover,
    hidden: hiding.Hidden,
    costs: CoverCosts,
    encode: Callable[[], bytes],
    notes: tuple[str, ...],
) -> EmbedResult:
    betrays = any(sign.betrays for sign in cover.signs)
    safe = 0 if betrays else costs.safe_bits()
    warnings = tuple(sign.text for sign in cover.signs)
    if hidden.message_bits > safe and not betrays:
        warnings += (
            f"the payload of {hidden.message_bits} bits is more than the {safe} that this carrier "
            "holds safely; a larger photo with more texture holds more",
        )
    warnings += notes
    for warning in warnings:
        _log.warning("%s", warning)
    return EmbedResult(
        show=partial(cover.render, hidden.elements),
        encode=encode,
        preview=encoded.preview,
        payload_bits=hidden.message_bits,
        elements=hidden.elements.size,
        element_name=cover.element_name,
        changes=hidden.changes,
        distortion=hidden.distortion,
        psnr=psnr(cover.squared_error(hidden.elements), hidden.elements.size),
        secret_psnr=encoded.secret_psnr,
        codec=encoded.codec,
        reason=encoded.reason,
        model=encoded.model,
        integers=encoded.integers,
        safe_bits=safe,
        detector_error=(0.0 if betrays else costs.prospect().of_zones(hidden.loads).detector_error),
        warnings=warnings,
        cut_out=encoded.cut_out,
    )


def verify(job: AnyJob, written: Path | None = None) -> None:
    """Extract as the receiver will; a difference here is a bug, never a user's mistake.

    Parameters
    ----------
    job : what `hide` returned
    written : the file of the stego; None where it is in memory alone
    """
    try:
        found = job.reveal(written)
    except DeephideError as error:
        raise DeephideError("the stego failed its own verification and was discarded") from error
    if found != job.plaintext:
        raise DeephideError("the stego failed its own verification and was discarded")


def extract(
    stegos: Sequence[ImageSource | bytes],
    passphrase: str | None,
    model: ModelSource,
    key_file: KeySource,
    identity: KeySource,
) -> ExtractResult:
    """Reveal and decode what a stego carries, or several that share a secret.

    Parameters
    ----------
    stegos : one or several; of several, those that hold nothing are left out
    passphrase, model, key_file, identity : as in `deephide.extract`

    Raises
    ------
    DeephideError : as in `deephide.extract`
    """
    lazy = LazyModel.of(model)
    from deephide.channels import openings

    has_secret = any(each is not None for each in (passphrase, key_file, identity))
    keyed = [bytes(32)] if has_secret else [found for found, _ in lazy.candidates()]
    openers = [keys.choose_opener(passphrase, key_file, identity, each) for each in keyed]
    found: list[tuple[layout.Header, bytes]] = []
    payload_bits = 0
    for number, stego in enumerate(stegos, 1):
        try:
            plaintext, bits = _reveal(openings.look_at(stego), openers)
        except (ExtractionError, InputImageError) as error:
            if len(stegos) == 1:
                raise
            _log.warning("photo %d is left out: %s", number, error)
            continue
        found.append(layout.unpack(plaintext))
        payload_bits += bits
    if not found:
        raise ExtractionError
    header, payload = _whole(found)
    content = base.decode(header.codec, header.parameters, payload, lazy)
    info = ExtractInfo(header.version, content.codec, content.model, payload_bits)
    return ExtractResult(content.image, content.data, info, name=content.name)


def _reveal(seen: Seen, openers: Sequence[keys.SharedKey | keys.Identity]) -> tuple[bytes, int]:
    """Return the plaintext of a stego, and the bits that it took, by the first key that opens."""
    from deephide.channels import openings

    for key in openers:
        with suppress(ExtractionError):
            plaintext = openings.reveal(seen, key)
            return plaintext, hiding.message_bits(len(plaintext), key.at(seen.salt))
    raise ExtractionError


def _whole(found: Sequence[tuple[layout.Header, bytes]]) -> tuple[layout.Header, bytes]:
    """Return header and payload of a secret: what one stego holds, or shares put together."""
    whole = [each for each in found if each[0].codec != layout.CODEC_SHARE]
    if whole:
        if len(found) > 1:
            raise IncompleteError(
                "one of the photos holds a secret of its own",
                hint="extract it alone, and those that share a secret in another command",
            )
        return whole[0]
    content = shares.join(shares.Share.of(header.parameters, payload) for header, payload in found)
    return layout.unpack_content(content)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except stc.StcError as error:
        raise from_stc(error, 0) from error


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
