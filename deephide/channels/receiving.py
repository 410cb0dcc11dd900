"""Receiver's side of robust mode: any picture that came back, and what it may carry."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.channels import lattice, zones
from deephide.channels.lattice import Luma
from deephide.channels.profiles import READINGS, Reading
from deephide.channels.zones import Zones
from deephide.container import brightness
from deephide.container.crypto import ChannelKeys
from deephide.container.keystream import Order
from deephide.errors import ExtractionError
from deephide.formats.jpeg.segments import is_jpeg, parse

__all__ = [
    "Derive",
    "luma_of_file",
    "luma_of_image",
    "read",
    "reveal",
    "samples_of_file",
    "samples_of_image",
]

Derive: TypeAlias = Callable[[bytes], ChannelKeys]


def luma_of_image(image: Image.Image) -> Luma:
    """Return the luma of a picture that is samples already."""
    plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
    return lattice.from_samples(np.asarray(plain))


def luma_of_file(raw: bytes) -> Luma:
    """Return the luma of a JPEG file by its coefficients, of other files by their samples.

    Raises
    ------
    JpegFormatError, JpegUnsupportedError : as `parse` and `coder.decode`
    OSError : Pillow cannot read the file
    """
    if is_jpeg(raw):
        from deephide.formats.jpeg import coder

        return lattice.from_coefficients(coder.decode(parse(raw)))
    with Image.open(io.BytesIO(raw)) as image:
        return luma_of_image(image)


def samples_of_file(raw: bytes) -> NDArray[np.uint8]:
    """Return the (H, W) luma of a picture; raises as `luma_of_file` does."""
    if is_jpeg(raw):
        from deephide.formats.jpeg import coder

        return lattice.samples_of(coder.decode(parse(raw)))
    with Image.open(io.BytesIO(raw)) as image:
        return samples_of_image(image)


def samples_of_image(image: Image.Image) -> NDArray[np.uint8]:
    """Return the (H, W) luma of a picture that is samples already."""
    plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
    return brightness.luma_of(np.asarray(plain))


def read(
    luma: Luma, reading: Reading, keys: ChannelKeys, places: Zones | None = None
) -> tuple[NDArray[np.int64], bytes, int]:
    """Return the elements of one reading, the body that they carry, and the bytes put right.

    Parameters
    ----------
    luma : of a picture with MIN_ELEMENTS elements at least
    reading : one of READINGS
    keys : right or wrong
    places : the zones, if they are known
    """
    elements, edges = lattice.elements_and_edges(luma, reading)
    if places is None:
        places = Zones(Order(keys.order, elements.size))
    bits = (elements & 1).astype(np.uint8)
    body, mended = zones.read_body(bits, edges, places, keys)
    return elements, body, mended


def reveal(luma: Luma, keys: ChannelKeys) -> bytes:
    """Return the plaintext that a robust stego carries, whatever reading it was made for.

    Every reading is tried, also after one of them opened.

    Parameters
    ----------
    luma : of any picture
    keys : of the picture's salt, right or wrong

    Raises
    ------
    ExtractionError : nothing hidden, wrong key, or more lost than can be put right
    """
    found = None
    for reading in READINGS:
        if lattice.count(luma, reading) < zones.MIN_ELEMENTS:
            continue
        _, body, _ = read(luma, reading, keys)
        try:
            plaintext = zones.unlock(keys, body, zones.associated_data(luma, reading))
        except ExtractionError:
            continue
        found = plaintext if found is None else found
    if found is None:
        raise ExtractionError
    return found
