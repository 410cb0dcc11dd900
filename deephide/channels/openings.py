"""Readings of a picture that may hold something: as it is, and as what a channel left of it."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, field

from PIL import Image

from deephide.channels import lattice, receiving, zones
from deephide.channels.lattice import Luma
from deephide.container import hiding
from deephide.container.keys import Opener, SharedKey
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


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture in the domains of both modes, or in one of them.

    Lossy WebP files cannot be ordinary stegos; very large pictures cannot be robust ones.
    """

    ordinary: Cover | None = field(repr=False)
    luma: Luma | None = field(repr=False)


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
        if isinstance(stego, Image.Image) or not is_webp(first_bytes(stego, FIRST_BYTES)):
            raise
        return Seen(None, _luma_of_webp(read_source(stego, "stego")))  # a lossy one
    return Seen(cover, None if zones.is_too_large(*cover.shape[:2]) else _luma(cover))


def _luma(cover: Cover) -> Luma | None:
    if isinstance(cover, JpegCover):
        return lattice.from_coefficients(cover.coefficients)
    return lattice.from_samples(cover.samples) if isinstance(cover, SampleCover) else None


def _luma_of_webp(raw: bytes) -> Luma:
    try:
        with Image.open(io.BytesIO(raw), formats=("WEBP",)) as image:
            if zones.is_too_large(*image.size):
                raise ExtractionError
            return receiving.luma_of_image(image)
    except ExtractionError:
        raise
    except Exception as error:  # whatever Pillow's decoder met
        raise damaged("stego") from error


def reveal(seen: Seen, key: Opener) -> bytes:
    """Return the plaintext that a picture carries in either mode.

    Both are tried, also after the first one opened.  With an identity there is only the ordinary
    mode.

    Raises
    ------
    ExtractionError : neither opens
    """
    found = []
    if seen.ordinary is not None:
        with suppress(ExtractionError):
            found.append(hiding.reveal(seen.ordinary.elements, key, seen.ordinary.associated))
    if seen.luma is not None and isinstance(key, SharedKey):
        with suppress(ExtractionError):
            found.append(receiving.reveal(seen.luma, key.channel_keys))
    if not found:
        raise ExtractionError
    return found[0]
