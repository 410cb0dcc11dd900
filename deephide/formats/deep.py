"""Photos at the full depth of their files: upright samples in floating point."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deephide.errors import InputImageError, MissingExtraError
from deephide.formats import images
from deephide.formats.files import ImageSource, read_source
from deephide.formats.jpeg.segments import is_jpeg
from deephide.formats.png import chunks
from deephide.formats.png import deep as deep_png
from deephide.formats.png import file as png
from deephide.formats.refusals import damaged
from deephide.formats.tiff.directories import TiffFormatError, TiffUnsupportedError, is_tiff
from deephide.formats.tiff.wide import WideImage, open_wide

__all__ = ["RAW_SUFFIXES", "DeepPhoto", "is_raw", "open_photo"]

# Of cameras; their files begin as TIFF files do, so that the name alone tells.
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip

_FORMATS = ("PNG", "BMP", "WEBP", "JPEG", "TIFF")
_HINT = "use a photo as PNG, TIFF, WebP, BMP or JPEG, or a camera's raw file"
_PLAIN_BITS, _WIDE_BITS = 8, 16
_WIDE_MODES = ("I;16", "I;16B", "I;16L", "I")
_WHITE = 65535.0


@dataclass(frozen=True, eq=False)
class DeepPhoto:
    """A photo before it is rounded to 8 bits.

    `samples` is (H, W, 1 or 3) float32, 0 to 255; `bits` those of a sample in the file; `profile`
    its colour profile; `is_jpeg` whether it was lossy.
    """

    samples: NDArray[np.float32] = field(repr=False)
    bits: int = _PLAIN_BITS
    profile: bytes | None = field(default=None, repr=False)
    is_jpeg: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.samples.shape[1], self.samples.shape[0]


def is_raw(source: ImageSource | bytes) -> bool:
    """Tell whether a source is a camera's raw file, by its name."""
    return isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in RAW_SUFFIXES


def open_photo(source: ImageSource | bytes, role: str = "carrier") -> DeepPhoto:
    """Read a photo with all the bits that its file has.

    Parameters
    ----------
    source : PIL image, path or bytes of a PNG, TIFF, BMP, WebP or JPEG file, or path of a raw one
    role : what it is, as messages call it

    Raises
    ------
    InputImageError : unreadable, damaged, too large, transparent, animated, or without colours that
        are red, green and blue
    MissingExtraError : a raw file, and no rawpy to develop it
    """
    if isinstance(source, Image.Image):
        images.check_pixels(source.width, source.height, role)
        return _of_image(source, role)
    if is_raw(source):
        return _of_raw(read_source(source, role), role)
    raw = read_source(source, role)
    if is_tiff(raw):
        wide = open_wide(raw)
        if wide is not None and wide.width_of_samples > 1:
            return _of_wide(wide, role)
    if raw.startswith(chunks.SIGNATURE):
        found = _of_deep_png(raw, role)
        if found is not None:
            return found
    image, several = images.open_file(raw, role, _FORMATS, _HINT)
    if several and not is_jpeg(raw):
        raise InputImageError(
            f"the {role} is animated or has several pages", hint="use an image with one frame"
        )
    images.decode(image, role)
    return _of_image(image, role, is_jpeg=is_jpeg(raw))


def _of_image(image: Image.Image, role: str, *, is_jpeg: bool = False) -> DeepPhoto:
    profile = image.info.get("icc_profile")
    try:
        upright = ImageOps.exif_transpose(image)
    except Exception:  # the orientation is a courtesy; damaged EXIF data is common
        upright = image
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        alpha = upright.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] != 255:
            raise InputImageError(
                f"the {role} has transparent pixels, which a photo that is made anew cannot keep",
                hint="save it without transparency",
            )
    if upright.mode in _WIDE_MODES:
        samples = np.asarray(upright, np.float32)[:, :, None] * np.float32(255 / _WHITE)
        return DeepPhoto(np.clip(samples, 0, 255), _WIDE_BITS)
    if upright.mode in ("CMYK", "YCCK", "1", "F"):
        raise InputImageError(
            f"the {role} is of mode {upright.mode}, not gray nor red, green and blue", hint=_HINT
        )
    plain = upright.convert("L" if upright.mode in ("L", "LA") else "RGB")
    samples = np.asarray(plain, np.float32).reshape(plain.height, plain.width, -1)
    return DeepPhoto(
        samples, profile=profile if isinstance(profile, bytes) else None, is_jpeg=is_jpeg
    )


def _of_wide(wide: WideImage, role: str) -> DeepPhoto:
    images.check_pixels(wide.width, wide.height, role)
    try:
        samples = wide.decode().clip(0, 255).astype(np.float32)
    except (TiffFormatError, TiffUnsupportedError) as error:
        raise damaged(role) from error
    colours = 1 if samples.shape[2] < 3 else 3
    return DeepPhoto(samples[:, :, :colours], 8 * wide.width_of_samples)


def _of_deep_png(raw: bytes, role: str) -> DeepPhoto | None:
    """Return the photo in a PNG file of 16 bits; None for others, interlaced ones among them."""
    try:
        chunks.count_chunks(raw)
        file = png.parse(raw)
        if file.bit_depth != _WIDE_BITS or file.interlaced:
            return None
        images.check_pixels(file.width, file.height, role)
        samples = deep_png.decode(file)
    except chunks.PngFormatError as error:
        raise damaged(role) from error
    colours = 1 if file.channels < 3 else 3
    if file.channels != colours and int(samples[:, :, -1].min()) < _WHITE:
        raise InputImageError(
            f"the {role} has transparent pixels, which a photo that is made anew cannot keep",
            hint="save it without transparency",
        )
    with Image.open(io.BytesIO(raw), formats=("PNG",)) as image:
        profile = image.info.get("icc_profile")
    return DeepPhoto(
        samples[:, :, :colours].astype(np.float32) * np.float32(255 / _WHITE),
        _WIDE_BITS,
        profile if isinstance(profile, bytes) else None,
    )


def _of_raw(raw: bytes, role: str) -> DeepPhoto:
    """Develop a raw file as most programs do: the camera's white balance, and sRGB."""
    try:
        import rawpy
    except ImportError as error:
        raise MissingExtraError("a raw file", "rawpy", "raw") from error
    try:
        with rawpy.imread(io.BytesIO(raw)) as file:
            images.check_pixels(file.sizes.width, file.sizes.height, role)
            samples = file.postprocess(use_camera_wb=True, output_bps=_WIDE_BITS)
    except InputImageError:
        raise
    except Exception as error:  # whatever LibRaw met
        raise damaged(role) from error
    return DeepPhoto(samples.astype(np.float32) * np.float32(255 / _WHITE), _WIDE_BITS)
