"""Sender's second mode: the steps of the first one, in a file of the program's own making."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from deephide.channels import battery, ladder, openings, profiles, zones
from deephide.channels.battery import as_shown
from deephide.channels.ladder import Robust
from deephide.channels.profiles import Channel
from deephide.channels.strong import writing
from deephide.channels.tables import luma_table
from deephide.channels.transform import Photo, open_photo
from deephide.codecs import choice
from deephide.codecs.base import NUMBERS, Encoded, Request
from deephide.container import layout
from deephide.container.keys import Recipients, SharedKey
from deephide.covers.capacity import Capacity, fit_in
from deephide.errors import CapacityError, InputImageError, PassphraseError
from deephide.formats.files import ImageSource, read_source
from deephide.formats.images import SEEN_FORMATS, SEEN_HINT, check_pixels, open_file
from deephide.formats.refusals import damaged
from deephide.models import CodeSizes, LazyModel
from deephide.options import EmbedOptions
from deephide.results import ChannelReport, EmbedResult

__all__ = ["ChannelPhoto", "RobustJob", "capacity", "hide", "load_photo", "room_of"]

# Bytes of a face or an image that are tried where more do not survive.
SMALL_BUDGET = 200
_SAFE_DENSITY = 200  # elements for each bit of the body
_LARGEST_IMAGE = 900  # bytes


@dataclass(frozen=True, eq=False)
class RobustJob:
    """A robust embedding that is done but not verified; it can be used as `pipeline.Job` is."""

    result: EmbedResult
    plaintext: bytes = field(repr=False)
    key: SharedKey = field(repr=False)

    def reveal(self, written: Path | None = None) -> bytes:
        """Return the plaintext as the receiver finds it in the file, or in memory."""
        return openings.reveal(openings.look_at(written or self.result.file), self.key)


@dataclass(frozen=True)
class _Room:
    """Bytes of payload that a photo has room for in a channel."""

    elements: int
    padded: bool
    strong: bool = False

    @property
    def limit(self) -> int:
        return zones.longest_body(self.elements)

    def safe(self) -> int:
        longest = self.limit if self.strong else self.elements // (8 * _SAFE_DENSITY)
        size = longest - zones.MIN_BODY_BYTES
        return max(0, size * 8 // 9 - 1 if self.padded else size)

    def for_image(self) -> int:
        return min(max(self.safe(), SMALL_BUDGET), _LARGEST_IMAGE)

    def hidden_bytes(self, payload: int) -> int:
        content = layout.padded_bytes(payload + 1) if self.padded else payload
        return zones.MIN_BODY_BYTES + content

    def payload_within(self, hidden: int) -> int:
        return max(0, bisect_right(range(hidden + 1), hidden, key=self.hidden_bytes) - 1)


def load_photo(carrier: ImageSource | bytes, channel: Channel) -> Photo:
    """Return a carrier of any format that Pillow reads, upright and as large as the channel lets.

    Raises
    ------
    InputImageError : it cannot be read, or is too large
    """
    if isinstance(carrier, Image.Image):
        check_pixels(carrier.width, carrier.height, "carrier")
        return open_photo(carrier, channel.longest_side)
    raw = read_source(carrier, "carrier")
    image, _ = open_file(raw, "carrier", SEEN_FORMATS, SEEN_HINT)
    try:
        with image:
            return open_photo(image, channel.longest_side)
    except InputImageError:
        raise
    except Exception as error:  # whatever Pillow's decoders met
        raise damaged("carrier") from error


def room_of(photo: Photo, channel: Channel) -> int:
    """Return the number of elements that a photo has in a channel."""
    if channel.is_strong:
        return writing.elements_for(photo.size)
    width, height = photo.size
    modes = channel.reading.modes(luma_table(channel.quality))
    return (width // 8) * (height // 8) * int(modes.size)


def capacity(carrier: ImageSource | bytes, channel: Channel, sizes: CodeSizes) -> Capacity:
    """Return what a photo carries through a channel, by its size alone.

    Parameters
    ----------
    carrier : as in `deephide.embed`
    channel : what `profiles.parse` returned
    sizes : what codes of faces take

    Returns
    -------
    Capacity
    """
    photo = load_photo(carrier, channel)
    elements = room_of(photo, channel)
    room = _Room(elements, padded=False, strong=channel.is_strong)
    return Capacity(
        elements=elements,
        dry_elements=elements,
        safe_bits=8 * (room.safe() + zones.MIN_BODY_BYTES),
        hard_bits=8 * room.limit,
        safe_change_rate=float("nan"),
        detector_error=float("nan"),
        fit=fit_in(room.safe(), sizes),
    )


def hide(
    secret: ImageSource | bytes,
    carrier: ImageSource | bytes,
    options: EmbedOptions,
    report: Callable[[int], None],
    *,
    notes: tuple[str, ...] = (),
    random: Callable[[int], bytes] = os.urandom,
) -> RobustJob:
    """Do everything but verify and write, for the channel of the options.

    Parameters
    ----------
    secret, carrier : as in `deephide.embed`
    options : with a channel
    report : called with the stages done
    notes : warnings about the carrier that are known already
    random : source of randomness; replaced in tests only

    Raises
    ------
    DeephideError : as `deephide.embed`
    ValueError : an unknown channel
    """
    photo = ChannelPhoto.of(carrier, options)
    report(0)
    model = LazyModel.of(options.model)
    if choice.uses_model(options.codec):
        model.load()
    access = options.access(random)
    key = access.sealer(bytes(32) if access.has_secret else model.fingerprint())
    refused: CapacityError | None = None
    room = photo.room(options)
    for asked in _attempts(options, room):
        try:
            encoded = choice.encode(Request(secret, model, asked, room))
            header = layout.Header(NUMBERS[encoded.codec], encoded.parameters, padded=options.pad)
            plaintext = layout.pack(header, encoded.payload)
            report(1)
            job = photo.hide(key, encoded, plaintext, notes=notes, random=random)
        except CapacityError as error:
            refused = refused or error
            continue
        report(3)
        return job
    assert refused is not None
    raise refused


@dataclass(frozen=True, eq=False)
class ChannelPhoto:
    """A photo that was opened for a channel."""

    photo: Photo = field(repr=False)
    channel: Channel
    elements: int

    @classmethod
    def of(cls, carrier: ImageSource | bytes, options: EmbedOptions) -> ChannelPhoto:
        """Open a carrier for the channel of the options; raises as `hide`."""
        channel = profiles.parse(options.channel or "any", options.shrink)
        photo = load_photo(carrier, channel)
        elements = room_of(photo, channel)
        if elements < zones.MIN_ELEMENTS:
            raise CapacityError(
                f"the photo is too small for the channel {channel.name}",
                needed_bits=8 * zones.MIN_BODY_BYTES,
                capacity_bits=0,
                hint="take a larger photo",
            )
        return cls(photo, channel, elements)

    def room(self, options: EmbedOptions) -> _Room:
        """Return the room that there is for a payload."""
        return _Room(self.elements, options.pad, self.channel.is_strong)

    def hide(
        self,
        key: SharedKey | Recipients,
        encoded: Encoded,
        plaintext: bytes,
        *,
        notes: tuple[str, ...] = (),
        random: Callable[[int], bytes] = os.urandom,
    ) -> RobustJob:
        """Hide a plaintext.

        Parameters
        ----------
        key : who is to read it
        encoded, plaintext : what is hidden
        notes, random : as in `sending.hide`

        Raises
        ------
        CapacityError : nothing that was tried survives
        PassphraseError : a key for recipients
        """
        if not isinstance(key, SharedKey):
            raise PassphraseError(
                "a stego for a channel cannot be made for recipients: what a private key opens "
                "begins at public places, where anyone could test for error correction",
                hint="use a passphrase or a key file",
            )
        robust = _climb(self.photo, self.channel, plaintext, key, random)
        return RobustJob(_result(encoded, robust, self.channel, notes), plaintext, key)


def _climb(
    photo: Photo,
    channel: Channel,
    plaintext: bytes,
    key: SharedKey,
    random: Callable[[int], bytes],
) -> Robust:
    if channel.is_strong:
        return writing.climb(photo, plaintext, lambda salt: key.at(salt).strong_keys(), random)
    return ladder.climb(
        photo, channel, plaintext, lambda salt: key.at(salt).channel_keys(), random=random
    )


def _attempts(options: EmbedOptions, room: _Room) -> tuple[EmbedOptions, ...]:
    """Return the options, and where the size was left to the program, those for fewer bytes."""
    if options.codec in ("file", "paper") or options.budget or options.quality:
        return (options,)
    return options, replace(options, budget=room.hidden_bytes(SMALL_BUDGET))


def _result(
    encoded: Encoded, robust: Robust, channel: Channel, notes: tuple[str, ...]
) -> EmbedResult:
    worst = max((trial.mended for trial in robust.trials), default=0)
    report = ChannelReport(
        name=channel.name,
        quality=channel.quality,
        step=robust.step,
        headroom=robust.headroom,
        survived=tuple(trial.name for trial in robust.trials),
        worst_mended=worst,
        parity=robust.plan.parity,
        cover=robust.cover,
    )
    besides = ""
    if robust.optimisers:
        besides = f", libvips from 75 up and mozjpeg from {robust.optimisers} up"
    reason = (
        f"{encoded.reason}; survives {channel.survives}{besides}: "
        f"{len(report.survived)} recompressions "
        f"were tried, step {robust.step} of the ladder, {robust.plan.length} bytes and "
        f"{robust.plan.framing.stream_bytes - robust.plan.length} of error correction"
    )
    if len(battery.attempts(channel)) > 1 and not robust.optimisers:
        notes += ("optimising encoders such as mozjpeg are not among what this stego survives",)
    density = robust.elements // (8 * robust.plan.framing.stream_bytes)
    if channel.is_strong:
        notes += ("a strong stego is plain to any detector: it is for where nobody looks for one",)
    elif density < _SAFE_DENSITY // 4:
        notes += (
            f"{density} elements carry each bit: the stego is easier to detect than a larger photo "
            "or fewer bytes would make it",
        )
    return EmbedResult(
        show=lambda: as_shown(robust.jpeg),
        encode=lambda: robust.jpeg,
        preview=encoded.preview,
        payload_bits=robust.message_bits,
        elements=robust.elements,
        element_name="coefficients",
        changes=robust.changes,
        distortion=robust.distortion,
        psnr=robust.psnr,
        secret_psnr=encoded.secret_psnr,
        codec=encoded.codec,
        reason=reason,
        model=encoded.model,
        integers=encoded.integers,
        safe_bits=robust.elements // _SAFE_DENSITY,
        detector_error=float("nan"),
        warnings=notes,
        channel=report,
    )
