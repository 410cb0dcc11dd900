"""Covers of every kind, behind one door: samples of three formats, and coefficients of JPEG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import output
from deephide.covers import detectability, jpeg_costs
from deephide.covers import jpeg as jpeg_cover
from deephide.covers import samples as image_io
from deephide.covers import samples_costs as cover_costs
from deephide.covers.jpeg import JpegCover
from deephide.covers.samples import Cover, ImageSource
from deephide.errors import DeephideError, InputImageError, OutputError
from deephide.formats import bmp_tiff as plain_files
from deephide.formats.jpeg.segments import JpegFormatError, JpegUnsupportedError, is_jpeg
from deephide.formats.refusals import damaged, too_many_pixels, too_small

if TYPE_CHECKING:
    from deephide.container.canvas import Elements
    from deephide.covers.detectability import Prospect
    from deephide.formats.png.encoder import Encoder

__all__ = [
    "AnyCover",
    "check_suffix",
    "encode",
    "is_compiled",
    "is_jpeg_source",
    "load",
    "picture",
    "prices",
    "suffixes",
    "survey",
    "warnings",
]

AnyCover: TypeAlias = Cover | JpegCover

_JPEG_HINT = "save it as an ordinary JPEG picture, or use an 8-bit PNG, BMP or TIFF file"
_DEFAULTS = {Cover: "hill", JpegCover: "juniward"}


def is_jpeg_source(source: ImageSource | bytes) -> bool:
    """Tell whether a source is a JPEG file; pictures in memory and unreadable files are not."""
    return is_jpeg(_beginning(source))


def is_compiled(source: ImageSource | bytes) -> bool:
    """Return whether a carrier can be read and written at once, without compiling for it."""
    if isinstance(source, Image.Image) or not is_jpeg_source(source):
        return True
    raw = source if isinstance(source, bytes) else image_io.read_bytes(Path(source), "carrier")
    try:
        return jpeg_cover.is_compiled(raw)
    except (JpegFormatError, JpegUnsupportedError):
        return True  # nothing will be compiled for it


def _beginning(source: ImageSource | bytes) -> bytes:
    """Return the first bytes of a file; none of pictures in memory and unreadable files."""
    if isinstance(source, Image.Image):
        return b""
    if isinstance(source, bytes):
        return source[:4]
    path = Path(source)
    try:
        if not path.is_file():  # a pipe would wait, and lose what is read
            return b""
        with path.open("rb") as stream:
            return stream.read(4)
    except OSError:
        return b""


def suffixes(source: ImageSource | bytes) -> tuple[str, ...]:
    """Return what the name of a carrier's stego may end in, beginning with what it ends in by rule.

    A stego is a file of the carrier's format; of a BMP or TIFF file it may be a PNG file too.  A
    picture in memory and a file of no such format get PNG.
    """
    start = _beginning(source)
    if is_jpeg(start):
        return output.JPEG
    kinds = {b"BM": plain_files.BMP, b"II": plain_files.TIFF, b"MM": plain_files.TIFF}
    found = kinds.get(start[:2], ())
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in found:
        found = (Path(source).suffix.lower(), *found)
    return tuple(dict.fromkeys((*found, *output.PNG)))


def check_suffix(cover: AnyCover, suffix: str) -> None:
    """Refuse a name that a cover's stego cannot have, where only its content tells.

    Raises
    ------
    OutputError : a BMP file whose samples are compressed
    """
    if isinstance(cover, JpegCover) or suffix in output.PNG:
        return
    if not isinstance(cover.source, plain_files.PlainFile):
        raise OutputError(
            f"the carrier is of a rare kind that cannot be written as {suffix}",
            hint="use an output that ends in .png",
        )


def load(source: ImageSource | bytes, role: str = "carrier") -> AnyCover:
    """Read a cover or a stego in its own domain.

    Parameters
    ----------
    source : PIL image of mode L, RGB or RGBA, or a PNG, BMP, TIFF or JPEG file, by its path or
        as bytes.  A PIL image is taken for its samples, wherever it came from
    role : "carrier" or "stego", as messages call it

    Returns
    -------
    Cover or JpegCover

    Raises
    ------
    InputImageError : as `image_io.load_cover`; a JPEG file that is damaged, arithmetically or
        losslessly coded, of 12 bits per sample, CMYK, or one of several pictures in one file
    ExtractionError : a stego too small to hold anything
    """
    if isinstance(source, Image.Image) or not is_jpeg_source(source):
        return image_io.load_cover(source, role)
    raw = source if isinstance(source, bytes) else image_io.read_bytes(Path(source), role)
    try:
        width, height, elements = jpeg_cover.elements_of(raw)
        if width * height > image_io.MAX_PIXELS:
            raise too_many_pixels(role, f" ({width} x {height})", image_io.MAX_PIXELS)
        if elements < image_io.MIN_COVER_ELEMENTS:
            raise too_small(
                role, width, height, f"{elements} coefficients", image_io.MIN_COVER_ELEMENTS
            )
        return jpeg_cover.decode(raw)
    except JpegUnsupportedError as error:
        raise InputImageError(f"the {role} is {error}", hint=_JPEG_HINT) from error
    except JpegFormatError as error:
        raise damaged(role) from error


def prices(
    cover: AnyCover, cost: str, payload_bits: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the prices of +1 and -1 for every element.

    Parameters
    ----------
    cover : what `load` returned
    cost : a cost function of the cover's kind, or "auto": hill for samples, juniward for JPEG
    payload_bits : as in `cover_costs.cover_costs`

    Raises
    ------
    ValueError : an unknown cost
    InputImageError : a cost function of the other kind
    """
    if cost == "auto":
        cost = _DEFAULTS[type(cover)]
    is_jpeg_cover = isinstance(cover, JpegCover)
    kinds: tuple[tuple[str, ...], ...] = (cover_costs.COSTS, jpeg_costs.COSTS)
    own, others = kinds[::-1] if is_jpeg_cover else kinds
    if cost in others:
        raise InputImageError(
            f"the cost function {cost} cannot price a carrier that is "
            f"{'a JPEG file' if is_jpeg_cover else 'not a JPEG file'}",
            hint=f"use one of: {', '.join(own)}",
        )
    if cost not in own:
        raise ValueError(f"cost: got {cost!r}, allowed: auto, {', '.join((*own, *others))}")
    if isinstance(cover, JpegCover):
        return jpeg_costs.jpeg_costs(cover, cost)
    return cover_costs.cover_costs(cover, cost, payload_bits)


def warnings(cover: AnyCover) -> tuple[str, ...]:
    """Say in words why a cover is a poor hiding place; empty for an ordinary photo."""
    if isinstance(cover, JpegCover):
        return jpeg_costs.jpeg_warnings(cover)
    return cover_costs.cover_warnings(cover)


def survey(cover: AnyCover, cost_p1: NDArray[np.float64], cost_m1: NDArray[np.float64]) -> Prospect:
    """Look at the prices and the noise of a cover; see `detectability.survey`."""
    if isinstance(cover, JpegCover):
        return jpeg_costs.jpeg_survey(cover, cost_p1, cost_m1)
    return detectability.survey(cover, cost_p1, cost_m1)


def picture(raw: bytes) -> Image.Image:
    """Return what the JPEG file of a stego looks like.

    Raises
    ------
    InputImageError : the carrier was of a kind that ordinary programs cannot show
    """
    try:
        return jpeg_cover.picture(raw)
    except JpegFormatError as error:
        raise damaged("carrier") from error


def encode(
    cover: AnyCover,
    elements: Elements,
    encoder: Encoder | None = None,
    *,
    suffix: str = ".png",
    strip_metadata: bool = False,
) -> bytes:
    """Return the file of a stego.

    Parameters
    ----------
    cover : what `load` returned
    elements : (n,) integers that replace the cover's
    encoder : of a PNG cover, what `image_io.study` returned, if it was asked before
    suffix : what its name ends in, one of `suffixes`
    strip_metadata : leave out what the carrier's file says besides what the picture looks like

    Raises
    ------
    DeephideError : the cover's file is of a kind that cannot be written as it was
    """
    if isinstance(cover, Cover):
        samples = elements.astype(np.uint8, copy=False).reshape(cover.samples.shape)
        if isinstance(cover.source, plain_files.PlainFile) and suffix in cover.source.kind:
            return plain_files.replace_samples(cover.source, samples, strip_metadata=strip_metadata)
        return image_io.encode_png(cover, samples, encoder, strip_metadata=strip_metadata)
    try:
        raw = jpeg_cover.encode(cover, elements.astype(np.int16, copy=False))
    except JpegFormatError as error:
        raise DeephideError(f"the stego cannot be written: {error}") from error
    return jpeg_cover.without_metadata(raw) if strip_metadata else raw
