"""Lossless reading of covers and stegos, tolerant reading of secrets, and writing of PNG files.

Headers are judged before pixels are decoded, so a file cannot claim more memory than its size
limits allow.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from deephide.container import layout as container
from deephide.covers import kinds as carrier_kinds
from deephide.covers.kinds import FileParts
from deephide.errors import InputImageError
from deephide.formats.names import refusal
from deephide.formats.png import encoder as png_encoder
from deephide.formats.png import file as png
from deephide.formats.refusals import damaged, too_long, too_many_pixels, too_small

__all__ = [
    "Cover",
    "ImageSource",
    "encode_png",
    "file_size",
    "load_cover",
    "load_picture",
    "load_secret",
    "read_bytes",
    "study",
    "to_pil",
]

ImageSource: TypeAlias = "Image.Image | str | os.PathLike[str]"

MAX_PIXELS = 1 << 26
MAX_FILE_BYTES = 320 << 20  # the largest picture, RGBA without compression, takes 256 MiB
MIN_COVER_ELEMENTS = 4096
MIN_SECRET_SIDE = 64

_log = logging.getLogger(__name__)

_SEEN_FORMATS = ("PNG", "BMP", "TIFF", "JPEG", "WEBP", "AVIF", "GIF")


@dataclass(frozen=True, eq=False)
class Cover:
    """A cover or stego, ready to be worked on.

    `samples` is (H, W, 1 or 3) uint8, alpha excluded; `alpha` is (H, W) uint8 or None; `fixed`
    is (H, W) bool or None: pixels that must not change because nobody sees their colour, or
    because a change would make them appear or vanish.  `source` is the file it came from, taken
    apart.
    """

    samples: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    fixed: NDArray[np.bool_] | None = None
    source: FileParts | None = None
    icc_profile: bytes | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Width, height and number of colour channels."""
        height, width, channels = self.samples.shape
        return width, height, channels

    @property
    def elements(self) -> NDArray[np.uint8]:
        """The (n,) samples in raster order."""
        return self.samples.reshape(-1)

    @property
    def associated(self) -> bytes:
        """What the seal authenticates besides the body."""
        return container.associated_data(*self.shape)

    def squared_error(self, elements: NDArray[np.uint8]) -> float:
        """Return the squared difference that changes by one level make, all summed up."""
        return float(np.count_nonzero(elements != self.elements))


def file_size(path: Path, role: str) -> int:
    """Return the size in bytes of a file that is there and is not empty.

    Raises
    ------
    InputImageError : there is none, it is a directory, or it is empty
    """
    reason = refusal(path)
    if reason is not None:
        raise InputImageError(f"the {role} cannot be read: {path}: {reason}")
    with _translated(path, role):
        size = path.stat().st_size
        if path.is_dir():
            raise InputImageError(f"the {role} is a directory: {path}")
    if size == 0:
        raise InputImageError(f"the {role} is an empty file: {path}")
    return size


def read_bytes(path: Path, role: str, limit: int | None = None) -> bytes:
    """Return the content of a file that is neither empty nor longer than `limit` or MAX_FILE_BYTES.

    Raises
    ------
    InputImageError : it cannot be read, is empty or too long
    """
    limit = MAX_FILE_BYTES if limit is None else limit
    size = file_size(path, role)
    if size > limit:
        raise too_long(role, size, limit)
    with _translated(path, role):
        return path.read_bytes()


@contextmanager
def _translated(path: Path, role: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputImageError(f"the {role} does not exist: {path}") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputImageError(f"the {role} cannot be read: {path}: {reason}") from error


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep a decoder's remarks off the screen; too many pixels become an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _open(raw: bytes, role: str, formats: tuple[str, ...]) -> tuple[Image.Image, bool]:
    """Read the headers only; return the picture, and whether there are more in the file."""
    try:
        with _no_warnings():
            if raw.startswith(png.SIGNATURE):
                png.count_chunks(raw)  # Pillow keeps what it does not know, chunk by chunk
            image = Image.open(io.BytesIO(raw), formats=formats)
            # Not `n_frames`: to count the pages of a crafted TIFF file can take hours.
            several = bool(getattr(image, "is_animated", False))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels(role, "", MAX_PIXELS) from None
    except png.TooManyChunksError as error:
        raise InputImageError(f"the {role} has {error}, an ordinary one a few") from error
    except UnidentifiedImageError:
        raise carrier_kinds.unreadable(raw, role) from None
    except MemoryError:
        raise
    except Exception as error:  # a decoder met bytes its authors did not think of
        raise damaged(role) from error
    if image.width * image.height > MAX_PIXELS:
        raise too_many_pixels(role, f" ({image.width} x {image.height})", MAX_PIXELS)
    return image, several


def _decode(image: Image.Image, role: str) -> None:
    try:
        with _no_warnings():
            image.load()
    except MemoryError:
        raise
    except Exception as error:  # as in _open
        raise damaged(role) from error


def load_cover(source: ImageSource | bytes, role: str = "carrier") -> Cover:
    """Read the samples of a cover or a stego without any loss.

    Parameters
    ----------
    source : PIL image of mode L, RGB or RGBA, or the path or bytes of a PNG, BMP or TIFF file
    role : "carrier" or "stego", as messages call it

    Returns
    -------
    Cover

    Raises
    ------
    InputImageError : unreadable, lossy, animated, not 8-bit gray, RGB or RGBA, too large or small
    ExtractionError : a stego too small to hold anything
    """
    parts = None
    if isinstance(source, Image.Image):
        image = source
        carrier_kinds.check_mode(image.mode, role)
        if image.width * image.height > MAX_PIXELS:
            raise too_many_pixels(role, f" ({image.width} x {image.height})", MAX_PIXELS)
        _decode(image, role)
    else:
        raw = source if isinstance(source, bytes) else read_bytes(Path(source), role)
        image, several = _open(raw, role, carrier_kinds.FORMATS)
        parts = carrier_kinds.check_file(image, several, raw, role)
        _decode(image, role)
    channels = min(carrier_kinds.MODES[image.mode], 3)
    elements = image.width * image.height * channels
    if elements < MIN_COVER_ELEMENTS:
        raise too_small(role, image.width, image.height, f"{elements} samples", MIN_COVER_ELEMENTS)
    array = np.asarray(image, dtype=np.uint8).reshape(image.height, image.width, -1)
    samples = np.ascontiguousarray(array[:, :, :channels])
    alpha = array[:, :, 3].copy() if array.shape[2] == 4 else None
    profile = image.info.get("icc_profile")
    fixed = _fixed_pixels(samples, alpha, image.info.get("transparency"))
    return Cover(samples, alpha, fixed, parts, profile if isinstance(profile, bytes) else None)


def _fixed_pixels(
    samples: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, key: object
) -> NDArray[np.bool_] | None:
    if alpha is not None:
        return np.asarray(alpha == 0)
    if isinstance(key, int | tuple):
        # One colour stands for "transparent": nothing may become that colour or leave it.
        # A file may name one that no 8-bit sample has: tRNS values have 16 bits.
        near = np.abs(samples.astype(np.int32) - np.asarray(key, dtype=np.int32)) <= 1
        return np.asarray(near.all(axis=2))
    return None


def load_picture(source: ImageSource | bytes, role: str = "secret") -> Image.Image:
    """Read a picture as people see it: turned upright, RGB, transparency laid on white.

    Parameters
    ----------
    source : PIL image, path or bytes of any common format
    role : "secret", "carrier" or "stego", as messages call it

    Raises
    ------
    InputImageError : unreadable or too large
    """
    if isinstance(source, Image.Image):
        image = source
        if image.width * image.height > MAX_PIXELS:
            raise too_many_pixels(role, f" ({image.width} x {image.height})", MAX_PIXELS)
    else:
        raw = source if isinstance(source, bytes) else read_bytes(Path(source), role)
        image, _ = _open(raw, role, _SEEN_FORMATS)
    _decode(image, role)
    if not image.width * image.height:
        raise InputImageError(f"the {role} has no pixels")
    try:
        with _no_warnings():
            image = ImageOps.exif_transpose(image)
    except Exception as error:  # the orientation is a courtesy; damaged EXIF data is common
        _log.info("the %s's orientation cannot be read: %s", role, error)
    return _to_rgb(image)


def load_secret(source: ImageSource | bytes) -> Image.Image:
    """Read a secret as `load_picture` does, and crop it to its central square.

    Raises
    ------
    InputImageError : unreadable, too large, or a side below 64 pixels
    """
    image = load_picture(source)
    side = min(image.size)
    if side < MIN_SECRET_SIDE:
        raise InputImageError(
            f"the secret is too small ({image.width} x {image.height}), "
            f"at least {MIN_SECRET_SIDE} x {MIN_SECRET_SIDE} pixels are needed",
            hint="use a larger picture of the face",
        )
    if image.width != image.height:
        _log.warning(
            "the secret is not square: only its central %d x %d pixels are hidden", side, side
        )
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode; 16-bit gray is scaled, transparency laid on white."""
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray((wide // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        colour = image.convert("RGBA")
        white = Image.new("RGBA", colour.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, colour)
    return image.convert("RGB")


def to_pil(cover: Cover, samples: NDArray[np.uint8] | None = None) -> Image.Image:
    """Return the picture with the given samples, alpha and colour profile as they were."""
    colour = cover.samples if samples is None else samples
    if cover.alpha is not None:
        array = np.dstack((colour, cover.alpha))
    else:
        array = colour[:, :, 0] if colour.shape[2] == 1 else colour
    image = Image.fromarray(array)
    if cover.icc_profile is not None:
        image.info["icc_profile"] = cover.icc_profile
    return image


def study(cover: Cover) -> png_encoder.Encoder | None:
    """Find out which program wrote a PNG cover, for `encode_png`; None for other covers.

    Raises
    ------
    InputImageError : the image data is damaged in a way that its decoder overlooked
    """
    if not isinstance(cover.source, png.PngFile):
        return None
    try:
        return png.study(cover.source, _with_alpha(cover, cover.samples))
    except png.PngFormatError as error:
        raise damaged("carrier") from error


def encode_png(
    cover: Cover,
    samples: NDArray[np.uint8],
    encoder: png_encoder.Encoder | None = None,
    *,
    strip_metadata: bool = False,
) -> bytes:
    """Return a PNG file with the given samples and the metadata of the cover.

    A PNG cover keeps every chunk but the image data byte for byte, or, where `strip_metadata` is
    set, only those that say what the picture looks like.  Other covers keep their colour profile;
    their remaining metadata has no place in a PNG file.

    Parameters
    ----------
    cover : what was read
    samples : like those of the cover
    encoder : what `study` returned, if it was asked before
    strip_metadata : leave out texts, times, EXIF data and what is unknown

    Raises
    ------
    InputImageError : the image data of the cover is damaged in a way that its decoder overlooked
    """
    before, after = (_with_alpha(cover, part) for part in (cover.samples, samples))
    if not isinstance(cover.source, png.PngFile):
        return png.new_file(after, cover.icc_profile)
    try:
        source = png.without_metadata(cover.source) if strip_metadata else cover.source
        return png.replace_samples(source, before, after, encoder)
    except png.PngFormatError as error:
        raise damaged("carrier") from error


def _with_alpha(cover: Cover, samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return samples if cover.alpha is None else np.dstack((samples, cover.alpha))
