"""Images opened by Pillow within limits, and images as people see them.

Headers are judged before pixels are decoded, so a file cannot claim more memory than its size
limits allow.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deephide.errors import InputImageError
from deephide.formats.files import ImageSource, read_source
from deephide.formats.limits import MAX_PIXELS, pixels_allowed
from deephide.formats.png import chunks as png
from deephide.formats.refusals import damaged, too_many_pixels, unreadable
from deephide.formats.tiff.directories import TiffFormatError, TiffUnsupportedError, is_tiff

__all__ = [
    "SEEN_FORMATS",
    "SEEN_HINT",
    "check_pixels",
    "decode",
    "load_image",
    "open_file",
    "to_arrays",
]

_BAND_ROWS = 64

if TYPE_CHECKING:
    from PIL import ImageCms

_log = logging.getLogger(__name__)

SEEN_FORMATS = ("PNG", "BMP", "TIFF", "JPEG", "WEBP", "AVIF", "GIF")
_MAX_PROFILE_BYTES = 1 << 22
_SAME_LEVELS = 3
SEEN_HINT = "use PNG, JPEG, WebP, BMP or TIFF"


def check_pixels(width: int, height: int, role: str) -> None:
    """Reject an image of more than MAX_PIXELS pixels, or than `limits.pixel_limit` allows."""
    limit = min(MAX_PIXELS, pixels_allowed())
    if width * height > limit:
        raise too_many_pixels(role, f" ({width} x {height})", limit)


def open_file(
    raw: bytes, role: str, formats: tuple[str, ...], hint: str
) -> tuple[Image.Image, bool]:
    """Read the headers of a file only.

    Parameters
    ----------
    raw : the file
    role : what the image is, as messages call it
    formats : Pillow's names of those that are tried
    hint : of the error for any other

    Returns
    -------
    the image, not decoded, and whether there are more in the file

    Raises
    ------
    InputImageError : unreadable, damaged or too large
    """
    try:
        with _no_warnings():
            if raw.startswith(png.SIGNATURE):
                png.count_chunks(raw)  # Pillow keeps what it does not know, chunk by chunk
                raw = png.for_decoder(raw)
            image = Image.open(io.BytesIO(raw), formats=formats)
            # Not `n_frames`: to count the pages of a crafted TIFF file can take hours.
            several = bool(getattr(image, "is_animated", False))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels(role, "", MAX_PIXELS) from None
    except png.TooManyChunksError as error:
        raise InputImageError(f"the {role} has {error}, an ordinary one a few") from error
    except UnidentifiedImageError:
        raise unreadable(raw, role, hint) from None
    except MemoryError:
        raise
    except Exception as error:  # a decoder met bytes its authors did not think of
        raise damaged(role) from error
    check_pixels(image.width, image.height, role)
    return image, several


def decode(image: Image.Image, role: str) -> None:
    """Decode the pixels of an image that was opened.

    Raises
    ------
    InputImageError : truncated or damaged
    """
    try:
        with _no_warnings():
            image.load()
    except MemoryError:
        raise
    except Exception as error:  # as in `open_file`
        raise damaged(role) from error


def to_arrays(
    image: Image.Image, mode: str, *, release: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return the samples of a decoded image, band by band: as a whole Pillow would copy it thrice.

    Parameters
    ----------
    image : decoded, of 8 bits per sample
    mode : "L", "RGB" or "RGBA", to which it is converted
    release : drop the pixels of the image afterwards

    Returns
    -------
    samples (H, W, 1 or 3) and alpha (H, W) or None, uint8
    """
    height, width = image.height, image.width
    colours = 1 if mode == "L" else 3
    samples = np.empty((height, width, colours), np.uint8)
    alpha = np.empty((height, width), np.uint8) if mode == "RGBA" else None
    for top in range(0, height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, height)
        part = image.crop((0, top, width, bottom))
        if part.mode != mode:
            part.info.pop("transparency", None)  # over which Pillow warns
            part = part.convert(mode)
        band = np.asarray(part)
        band = band.reshape(bottom - top, width, -1)
        samples[top:bottom] = band[:, :, :colours]
        if alpha is not None:
            alpha[top:bottom] = band[:, :, colours]
    if release:
        image.close()
    return samples, alpha


def load_image(
    source: ImageSource | bytes, role: str = "secret", hint: str = SEEN_HINT
) -> Image.Image:
    """Read an image as people see it: turned upright, RGB, transparency laid on white.

    Parameters
    ----------
    source : PIL image, path or bytes of any common format
    role : what the image is, as messages call it
    hint : of the error for a file of another format

    Raises
    ------
    InputImageError : unreadable or too large
    """
    if isinstance(source, Image.Image):
        image = source
        check_pixels(image.width, image.height, role)
    else:
        raw = read_source(source, role)
        image = _opened(raw, role, hint)
    decode(image, role)
    if not image.width * image.height:
        raise InputImageError(f"the {role} has no pixels")
    from PIL import ImageOps

    try:
        with _no_warnings():
            image = ImageOps.exif_transpose(image)
    except Exception as error:  # the orientation is a courtesy; damaged EXIF data is common
        _log.info("the %s's orientation cannot be read: %s", role, error)
    return _to_rgb(image, role)


def _opened(raw: bytes, role: str, hint: str) -> Image.Image:
    """Open a file that Pillow reads, or a TIFF file of wide samples, of which it knows few."""
    wide = None
    if is_tiff(raw):
        from deephide.formats.tiff.wide import open_wide

        wide = open_wide(raw)
    if wide is not None and (wide.width_of_samples > 1 or not _is_known_to_pillow(raw)):
        check_pixels(wide.width, wide.height, role)
        try:
            samples = wide.decode().clip(0, 255).round().astype(np.uint8)
        except (TiffFormatError, TiffUnsupportedError) as error:
            raise damaged(role) from error
        colours = 1 if samples.shape[2] < 3 else 3
        return Image.fromarray(samples[:, :, 0] if colours == 1 else samples[:, :, :3])
    image, several = open_file(raw, role, SEEN_FORMATS, hint)
    # The further images of a phone's JPEG are no frames.
    if several and role == "secret" and image.format not in ("JPEG", "MPO"):
        _log.warning("the secret has several frames or pages: the first alone is hidden")
    return image


def _is_known_to_pillow(raw: bytes) -> bool:
    try:
        with _no_warnings(), Image.open(io.BytesIO(raw), formats=("TIFF",)):
            return True
    except Exception:  # such as the little that Pillow knows of BigTIFF
        return False


def _in_srgb(image: Image.Image, profile: object, role: str) -> Image.Image:
    """Convert colours from an embedded profile to sRGB, which is what everyone else assumes."""
    if not isinstance(profile, bytes) or len(profile) > _MAX_PROFILE_BYTES:
        return image
    if image.mode not in ("RGB", "L", "CMYK"):
        return image
    from PIL import ImageCms

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if image.mode == "RGB" and _changes_little(transform):
            return image
        found = ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        _log.info("the %s's colour profile cannot be used: %s", role, error)
        return image
    return image if found is None else found


def _changes_little(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tell whether a profile is sRGB, whatever it calls itself: only rounding would be added."""
    from PIL import ImageCms

    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    found = ImageCms.applyTransform(Image.fromarray(probe), transform)
    if found is None:
        return True
    return bool(np.abs(np.asarray(found).astype(np.int16) - probe).max() <= _SAME_LEVELS)


def _to_rgb(image: Image.Image, role: str) -> Image.Image:
    """Convert any mode; 16-bit gray is scaled, transparency laid on white, a profile applied."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray((wide // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        colour = image.convert("RGBA")
        white = Image.new("RGBA", colour.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, colour).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    return _in_srgb(image, profile, role).convert("RGB")


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep a decoder's remarks off the screen; too many pixels become an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
