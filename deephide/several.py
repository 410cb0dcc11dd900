"""Several photos that share one secret, any so many of which are enough to get it back.

The secret is encoded once, cut into shares (`container.shares`), and each share is hidden in a
photo of its own with the same key, as an ordinary or a robust stego.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deephide.channels.sending import ChannelPhoto
from deephide.codecs import base, choice
from deephide.codecs.base import NUMBERS, Encoded, Request
from deephide.container import keys, layout
from deephide.container.shares import MAX_SHARES, Share, split
from deephide.covers.room import MAX_DEFAULT_BUDGET
from deephide.formats.files import ImageSource
from deephide.models import LazyModel
from deephide.options import EmbedOptions
from deephide.pipeline import AnyJob, OpenPhoto, Progress, report

__all__ = ["check_needed", "hide"]

_SET_BYTES = 4
_HEAD = layout.HEADER_BYTES - 1  # of the content: codec and parameters


@dataclass(frozen=True)
class _Room:
    """Bytes of payload that photos have room for together."""

    rooms: Sequence[base.Room]
    needed: int

    def _together(self, sizes: Sequence[int]) -> int:
        return max(0, self.needed * min(sizes) - _HEAD)

    @property
    def limit(self) -> int:
        return self._together([room.limit for room in self.rooms])

    def safe(self) -> int:
        return self._together([room.safe() for room in self.rooms])

    def for_image(self) -> int:
        return min(self._together([room.for_image() for room in self.rooms]), MAX_DEFAULT_BUDGET)

    def hidden_bytes(self, payload: int) -> int:
        share = -(-(_HEAD + payload) // self.needed)
        return sum(room.hidden_bytes(share) for room in self.rooms)

    def payload_within(self, hidden: int) -> int:
        return max(0, bisect_right(range(hidden + 1), hidden, key=self.hidden_bytes) - 1)


def check_needed(needed: int | None, photos: int) -> int:
    """Return how many of so many photos are to be enough; None means all.

    Raises
    ------
    ValueError : fewer than 1, more than there are, or too many photos
    """
    found = photos if needed is None else needed
    if not 1 <= found <= photos or not 2 <= photos <= MAX_SHARES:
        raise ValueError(
            f"needed: got {found} of {photos} photos, allowed: 1 to all of 2 to {MAX_SHARES}"
        )
    return found


def hide(
    secret: ImageSource | bytes,
    carriers: Sequence[ImageSource | bytes],
    options: EmbedOptions,
    needed: int | None = None,
    progress: Progress = None,
    *,
    suffixes: Sequence[str | None] = (),
    strip_metadata: bool = False,
    notes: Sequence[tuple[str, ...]] = (),
    random: Callable[[int], bytes] = os.urandom,
) -> list[AnyJob]:
    """Do everything but verify and write, for all photos.

    Parameters
    ----------
    secret, options, progress, strip_metadata, random : as in `pipeline.hide`
    carriers : the photos, 2 to MAX_SHARES
    needed : photos that are to be enough; None means all of them
    suffixes, notes : of each photo, as in `pipeline.hide`

    Raises
    ------
    DeephideError : as `deephide.embed`
    ValueError : as `check_needed` and `deephide.embed`
    """
    enough = check_needed(needed, len(carriers))
    photos: list[OpenPhoto | ChannelPhoto] = [
        OpenPhoto.of(carrier, options, suffix)
        if options.channel is None
        else ChannelPhoto.of(carrier, options)
        for carrier, suffix in zip(carriers, suffixes or [None] * len(carriers), strict=True)
    ]
    report(progress, 0)
    model = LazyModel.of(options.model)
    if choice.uses_model(options.codec):
        model.load()
    access = options.access(random)

    def key() -> keys.SharedKey | keys.Recipients:
        """Return the key; one for recipients remembers what it began last."""
        return access.sealer(bytes(32) if access.has_secret else model.fingerprint())

    first = key()
    rooms: list[base.Room] = [
        each.room(first, options) if isinstance(each, OpenPhoto) else each.room(options)
        for each in photos
    ]
    encoded = choice.encode(Request(secret, model, options, _Room(rooms, enough)))
    header = layout.Header(NUMBERS[encoded.codec], encoded.parameters)
    content = layout.pack_content(header, encoded.payload)
    report(progress, 1)
    jobs = []
    for number, (photo, share) in enumerate(
        zip(photos, split(content, enough, len(photos), random(_SET_BYTES)), strict=True)
    ):
        told = _told(encoded, share)
        plaintext = _pack(share, padded=options.pad)
        own = notes[number] if notes else ()
        jobs.append(_hide(photo, key(), told, plaintext, strip_metadata, own, random))
    report(progress, 3)
    return jobs


def _hide(
    photo: OpenPhoto | ChannelPhoto,
    key: keys.SharedKey | keys.Recipients,
    encoded: Encoded,
    plaintext: bytes,
    strip_metadata: bool,
    notes: tuple[str, ...],
    random: Callable[[int], bytes],
) -> AnyJob:
    if isinstance(photo, ChannelPhoto):
        return photo.hide(key, encoded, plaintext, notes=notes, random=random)
    return photo.hide(
        key,
        lambda: (encoded, plaintext),
        strip_metadata=strip_metadata,
        notes=notes,
        random=random,
    )


def _pack(share: Share, *, padded: bool) -> bytes:
    header = layout.Header(layout.CODEC_SHARE, share.parameters, padded=padded)
    return layout.pack(header, share.row)


def _told(encoded: Encoded, share: Share) -> Encoded:
    reason = (
        f"{encoded.reason}; share {share.index + 1} of {share.total}, "
        f"of which any {share.needed} are enough"
    )
    return replace(encoded, reason=reason)
