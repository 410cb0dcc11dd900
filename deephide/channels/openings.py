"""Readings of a picture that may hold something: as it is, and as what a channel left of it."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.channels import lattice, receiving, zones
from deephide.channels.lattice import Luma
from deephide.channels.strong import reading
from deephide.container import brightness, hiding
from deephide.container.keys import Identity, PictureKey, SharedKey
from deephide.covers.base import Cover
from deephide.covers.jpeg import JpegCover
from deephide.covers.kinds import FIRST_BYTES
from deephide.covers.opening import open_cover
from deephide.covers.samples import SampleCover
from deephide.errors import ExtractionError, InputImageError
from deephide.formats.files import ImageSource, first_bytes, read_source
from deephide.formats.refusals import damaged
from deephide.formats.webp import is_webp

__all__ = ["Seen", "look_at", "reveal"]

_AVIF = (b"ftypavif", b"ftypavis")


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture in the domains of the modes that it may be a stego of.

    Lossy WebP files and AVIF files cannot be ordinary stegos; very large pictures cannot be robust
    ones, and those of more than 1,072 pixels along one side no strong ones, which are read from
    `levels` of luma.
    """

    ordinary: Cover | None = field(repr=False)
    luma: Luma | None = field(repr=False)
    levels: NDArray[np.uint8] | None = field(default=None, repr=False)

    @cached_property
    def salt(self) -> bytes:
        """The 16 bytes that stand for the picture, the same ones in both domains."""
        if self.ordinary is not None:
            return self.ordinary.salt(self.ordinary.elements)
        assert self.luma is not None
        return lattice.salt_of(self.luma)


def look_at(stego: ImageSource | bytes) -> Seen:
    """Read a picture for both modes.

    Raises
    ------
    InputImageError : the file is no picture that either mode reads
    ExtractionError : too small to hold anything
    """
    try:
        cover = open_cover(stego, "stego")
    except InputImageError:
        kind = _lossy_kind(stego)
        if kind is None or isinstance(stego, Image.Image):
            raise
        return _seen_by_pillow(read_source(stego, "stego"), kind)
    size = cover.shape[:2]
    return Seen(
        cover,
        None if zones.is_too_large(*size) else _luma(cover),
        _levels(cover) if reading.can_hold(*size) else None,
    )


def _luma(cover: Cover) -> Luma | None:
    if isinstance(cover, JpegCover):
        return lattice.from_coefficients(cover.coefficients)
    return lattice.from_samples(cover.samples) if isinstance(cover, SampleCover) else None


def _levels(cover: Cover) -> NDArray[np.uint8] | None:
    if isinstance(cover, JpegCover):
        return lattice.samples_of(cover.coefficients)
    return brightness.luma_of(cover.samples) if isinstance(cover, SampleCover) else None


def _lossy_kind(stego: ImageSource | bytes) -> str | None:
    """Return Pillow's name of the format if it is one that cannot hold ordinary stegos."""
    begin = first_bytes(stego, FIRST_BYTES)
    if is_webp(begin):
        return "WEBP"
    return "AVIF" if begin[4:12] in _AVIF else None


def _seen_by_pillow(raw: bytes, kind: str) -> Seen:
    try:
        with Image.open(io.BytesIO(raw), formats=(kind,)) as image:
            if zones.is_too_large(*image.size):
                raise ExtractionError
            luma = receiving.luma_of_image(image)
            may_be = reading.can_hold(*image.size)
            return Seen(None, luma, receiving.samples_of_image(image) if may_be else None)
    except ExtractionError:
        raise
    except Exception as error:  # whatever Pillow's decoder met
        raise damaged("stego") from error


def reveal(seen: Seen, secret: SharedKey | Identity) -> bytes:
    """Return the plaintext that a picture carries in any mode.

    All are tried, also after the first one opened, with one key derivation.  With an identity
    there is only the ordinary mode.

    Raises
    ------
    ExtractionError : none opens
    """
    key, found = secret.at(seen.salt), []
    if seen.ordinary is not None:
        with suppress(ExtractionError):
            found.append(hiding.reveal(seen.ordinary.elements, key, seen.ordinary.associated))
    if seen.luma is not None and isinstance(key, PictureKey):
        with suppress(ExtractionError):
            found.append(receiving.reveal(seen.luma, key.channel_keys()))
    if seen.levels is not None and isinstance(key, PictureKey):
        with suppress(ExtractionError):
            found.append(reading.reveal(seen.levels, key.strong_keys()))
    if not found:
        raise ExtractionError
    return found[0]
