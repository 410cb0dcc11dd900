"""Covers of the program's own making: photos made smaller or compressed, rounding errors kept.

::

    file ── full depth ── scaled in floating point ─┬─ rounded to samples ────────────► SampleCover
            (formats.deep)                          └─ YCbCr, transform / steps, rounded ► JpegCover
                                                              │
                                             errors of rounding ─► costs (side_information)

The receiver needs none of it: the stego is an ordinary one.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import output
from deephide.covers import jpeg
from deephide.covers.base import check_elements
from deephide.covers.jpeg import JpegCover
from deephide.covers.kinds import FIRST_BYTES
from deephide.covers.samples import SampleCover
from deephide.covers.values import check_colours, check_values
from deephide.formats import deep
from deephide.formats.files import ImageSource, first_bytes
from deephide.formats.jpeg.blocks import Coefficients
from deephide.formats.jpeg.segments import is_jpeg, parse
from deephide.making import DEFAULT_QUALITY, Made, Making

__all__ = ["make", "suffixes"]

_SUBSAMPLED = 2  # 4:2:0, Pillow's own choice
_LARGEST = 1023
# Of samples that are integers, these modes are multiples of 1/8, and errors of one half are common:
# they would be free to change.
_RATIONAL_MODES = ((0, 0), (0, 4), (4, 0), (4, 4))
_HALF = 0.5 - 1e-4

# Of JFIF: rows give Y, Cb and Cr of R, G and B.
_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]],
    np.float32,
)
_ORDER, _PLACE = np.arange(8)[:, None], np.arange(8)[None, :]
_COSINES = (
    np.cos(np.pi * _ORDER * (2 * _PLACE + 1) / 16) * np.where(_ORDER == 0, np.sqrt(0.5), 1.0) / 2
)


def suffixes(source: ImageSource | bytes, making: Making) -> tuple[str, ...]:
    """Return what the name of a stego may end in, beginning with what it ends in by rule."""
    if making.quality is not None:
        return output.JPEG
    if is_jpeg(first_bytes(source, FIRST_BYTES)):
        return (*output.JPEG, *output.PNG)
    return (*output.PNG, *output.JPEG)


def make(
    source: ImageSource | bytes, making: Making, suffix: str | None = None
) -> tuple[SampleCover | JpegCover, Made]:
    """Make a cover of a photo.

    Parameters
    ----------
    source : PIL image, path or bytes of a photo of any common format, or path of a raw file
    making : what to do with it
    suffix : of the stego's name; None means JPEG for a JPEG file or where there is a quality

    Returns
    -------
    the cover, which knows its errors of rounding, and what was done

    Raises
    ------
    InputImageError : it cannot be read, is that small already, or too small to hide anything
    MissingExtraError : a raw file, and no rawpy to develop it
    """
    photo = deep.open_photo(source)
    quality = making.quality
    if quality is None and (photo.is_jpeg if suffix is None else suffix in output.JPEG):
        quality = DEFAULT_QUALITY
    size = replace(making, quality=quality).size(photo)
    scaled = _scaled(photo.samples, size)
    made = Made(photo.size, size, photo.bits, quality)
    if quality is None:
        return _rounded(scaled, photo.profile), made
    return _compressed(scaled, quality, photo.profile), made


def _scaled(samples: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return samples scaled down by Lanczos's kernel, 0 to 255."""
    if size == (samples.shape[1], samples.shape[0]):
        return samples
    bands = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(samples[:, :, c])).resize(
                size, Image.Resampling.LANCZOS
            )
        )
        for c in range(samples.shape[2])
    ]
    return np.asarray(np.clip(np.stack(bands, axis=2), 0.0, 255.0), np.float32)


def _rounded(samples: NDArray[np.float32], profile: bytes | None) -> SampleCover:
    rounded = np.rint(samples)
    errors = samples - rounded
    whole = rounded.astype(np.uint8)
    height, width = whole.shape[:2]
    check_elements("carrier", (width, height), whole.size, "samples")
    check_values(whole)
    check_colours(whole)
    return SampleCover(whole, icc_profile=profile, errors=errors)


def _compressed(samples: NDArray[np.float32], quality: int, profile: bytes | None) -> JpegCover:
    from deephide.formats.jpeg import coder

    template = coder.decode(parse(_template(samples, quality, profile)))
    values, errors = _coefficients(samples, template)
    raw = coder.replace_coefficients(template, values)
    cover = jpeg.open_file(raw)
    return JpegCover(cover.coefficients, errors)


def _template(samples: NDArray[np.float32], quality: int, profile: bytes | None) -> bytes:
    """Return the file that Pillow makes of rounded samples."""
    rounded = np.rint(samples).astype(np.uint8)
    image = Image.fromarray(rounded if rounded.shape[2] == 3 else rounded[:, :, 0])
    buffer = io.BytesIO()
    more = {} if profile is None else {"icc_profile": profile}
    image.save(buffer, "JPEG", quality=quality, subsampling=_SUBSAMPLED, **more)
    return buffer.getvalue()


def _coefficients(
    samples: NDArray[np.float32], template: Coefficients
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return the coefficients of all components as elements, and their errors of rounding."""
    file = template.file
    across = max(each.across for each in file.components)
    down = max(each.down for each in file.components)
    values, errors = [], []
    for index, component in enumerate(file.components):
        plane = samples[:, :, 0] if samples.shape[2] == 1 else samples @ _YCBCR[index]
        if index == 0:
            plane = plane - np.float32(128.0)
        plane = _averaged(plane, down // component.down, across // component.across)
        rows, columns = component.rows, component.columns
        blocks = _blocks(plane, rows, columns)
        exact = _COSINES @ blocks @ _COSINES.T / file.quantization[index]
        rounded = np.clip(np.rint(exact), -_LARGEST, _LARGEST)
        error = np.clip(exact - rounded, -0.5, 0.5)
        for row, column in _RATIONAL_MODES:
            part = error[:, :, row, column]
            part[np.abs(part) > _HALF] = 0.0
        values.append(rounded.reshape(-1).astype(np.int16))
        errors.append(error.reshape(-1).astype(np.float32))
    return np.concatenate(values), np.concatenate(errors)


def _averaged(plane: NDArray[np.float32], down: int, across: int) -> NDArray[np.float32]:
    """Return the means of (down, across) samples, the edges repeated."""
    if down == across == 1:
        return plane
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % down), (0, -width % across)), "edge")
    parts = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across)
    return np.asarray(parts.mean(axis=(1, 3)))


def _blocks(plane: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float64]:
    """Return (rows, columns, 8, 8) blocks of a plane, the edges repeated."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, 8 * rows - height), (0, 8 * columns - width)), "edge")
    return padded.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).astype(np.float64)
