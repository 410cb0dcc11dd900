"""Image codec: any image as a small WebP or AVIF, scaled up by the receiver.

The search looks for the side length, the quality and the format whose image, decoded and scaled
to the display size, is closest to the secret within a budget of bytes.  It measures what the
receiver will see: decoding and scaling are those of `expand`.

Below about a dozen kilobytes a smaller image, coded better and scaled up, wins over a large one
that is coded badly; the best side grows with about the square root of the budget.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, features

from deephide.codecs.base import Content, Encoded, Request
from deephide.errors import CapacityError, ExtractionError, FormatVersionError
from deephide.formats.images import load_image
from deephide.formats.still import AVIF, WEBP, WEBP_LOSSLESS, build, strip
from deephide.models import LazyModel
from deephide.psnr import psnr

__all__ = [
    "CODEC",
    "FORMATS",
    "ImageCodec",
    "ImageFormatError",
    "Squeezed",
    "UnsupportedFormatError",
    "expand",
    "squeeze",
    "typical_psnr",
    "typical_side",
]

FORMATS = {WEBP: "WebP", WEBP_LOSSLESS: "lossless WebP", AVIF: "AVIF"}

MAX_DISPLAY_SIDE = 1024  # of what the sender writes; more would only be empty magnification
MAX_SIDE = 4096  # of what a receiver accepts as display size
MAX_PIXELS = 1 << 22
MAX_CODED_SIDE = 1024
MAX_PAYLOAD = 1 << 16  # more bytes than any image is worth, but enough to make decoders work

# About 2**(1/3) apart: the quality over the side is flat near its best.
_LADDER = (12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768)
_SIDE_PER_ROOT_BYTE = 3.6  # where the search starts
_PATIENCE = 2
# Bytes and dB at the display size, the mean of four photos: see `benchmarks/image_codec.py`.
_TYPICAL = ((60, 18.3), (300, 22.1), (1000, 24.8), (2000, 26.4), (4000, 28.2), (12000, 31.6))
_AVIF_SIDE = 320  # beyond it AVIF takes seconds
_AVIF_SPEED = 7


class ImageFormatError(ValueError):
    """The payload is none that `squeeze` would have written."""


class UnsupportedFormatError(ValueError):
    """The payload is in a format that this installation of Pillow cannot decode."""


@dataclass(frozen=True, eq=False)
class Squeezed:
    """An image in few bytes.

    `psnr` compares `preview`, the image as the receiver will see it, with the secret at the
    display size, in dB; `quality` is the encoder's setting, 0 to 100.
    """

    parameters: bytes
    payload: bytes = field(repr=False)
    preview: Image.Image = field(repr=False)
    kind: int
    coded_size: tuple[int, int]
    quality: int
    psnr: float

    @property
    def description(self) -> str:
        """Format, size and quality in words."""
        width, height = self.coded_size
        quality = "" if self.kind == WEBP_LOSSLESS else f" at quality {self.quality}"
        return f"{FORMATS[self.kind]}, {width} x {height} pixels{quality}"


def squeeze(secret: Image.Image, budget: int, *, avif: bool | None = None) -> Squeezed | None:
    """Squeeze an image into a budget.

    Parameters
    ----------
    secret : RGB
    budget : bytes of payload; MAX_PAYLOAD at most are used
    avif : also try AVIF; None means if Pillow can

    Returns
    -------
    Squeezed, or None if no image of any size fits
    """
    budget = min(budget, MAX_PAYLOAD)
    search = _Search(_to_display(secret), budget)
    if search.try_lossless():
        return search.best
    start = _nearest(search.sides, _SIDE_PER_ROOT_BYTE * budget**0.5)
    at = search.climb(WEBP, start, search.sides)
    if avif if avif is not None else features.check("avif"):
        small = [side for side in search.sides if side <= _AVIF_SIDE]
        search.climb(AVIF, min(at + 1, len(small) - 1), small)
    return search.best


def typical_side(budget: int) -> int:
    """Return the side length that usually comes out best for so many bytes; 0 if none fits."""
    if budget < _TYPICAL[0][0]:
        return 0
    return _LADDER[_nearest(list(_LADDER), _SIDE_PER_ROOT_BYTE * budget**0.5)]


def typical_psnr(budget: int) -> float:
    """Return the PSNR in dB that photos come to in so many bytes; 0 if none fits."""
    if budget < _TYPICAL[0][0]:
        return 0.0
    logs, decibels = np.log([size for size, _ in _TYPICAL]), [value for _, value in _TYPICAL]
    return float(np.interp(np.log(budget), logs, decibels))


def expand(parameters: bytes, payload: bytes) -> Image.Image:
    """Return the image at its display size.

    Parameters
    ----------
    parameters : 8 bytes: format, LE16 of display width, display height and coded width, a zero
    payload : the bitstream without its constant parts

    Raises
    ------
    ImageFormatError : sizes or length out of range, or bytes that no decoder accepts
    UnsupportedFormatError : this Pillow has no decoder for the format
    """
    if len(payload) > MAX_PAYLOAD:
        raise ImageFormatError("a bitstream of more than 65,536 bytes")
    if len(parameters) != 8 or parameters[7]:
        raise ImageFormatError("parameters of another form")
    kind = parameters[0]
    width, height, coded = (int.from_bytes(parameters[i : i + 2], "little") for i in (1, 3, 5))
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise ImageFormatError("a display size out of range")
    size = (coded, _coded_height(coded, width, height))
    if not (1 <= coded <= MAX_CODED_SIDE and size[1] <= MAX_CODED_SIDE):
        raise ImageFormatError("a coded size out of range")
    if kind not in FORMATS:
        raise UnsupportedFormatError(f"image format {kind}")
    name = "AVIF" if kind == AVIF else "WEBP"
    if not features.check(name.lower()):
        raise UnsupportedFormatError(f"{name} images")
    try:
        file = build(kind, *size, payload)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(file), formats=[name]) as image:
                if image.size != size:
                    raise ImageFormatError("a bitstream of another size than stated")
                coded_image = image.convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # a decoder met bytes that its authors did not think of
        raise ImageFormatError("a damaged bitstream") from error
    return coded_image.resize((width, height), Image.Resampling.LANCZOS)


def _coded_height(coded_width: int, width: int, height: int) -> int:
    """Return coded_width * height / width, rounded half up, at least 1."""
    return max(1, (2 * coded_width * height + width) // (2 * width))


def _to_display(secret: Image.Image) -> Image.Image:
    longest = max(secret.size)
    if longest <= MAX_DISPLAY_SIDE:
        return secret
    width, height = (max(1, round(side * MAX_DISPLAY_SIDE / longest)) for side in secret.size)
    return secret.resize((width, height), Image.Resampling.LANCZOS)


def _nearest(sides: list[int], wanted: float) -> int:
    return min(range(len(sides)), key=lambda index: abs(sides[index] - wanted))


class _Search:
    """What fits, and the best of it so far.

    Parameters
    ----------
    display : the secret at its display size
    budget : bytes of payload
    """

    def __init__(self, display: Image.Image, budget: int) -> None:
        self._display = display
        self._levels = np.asarray(display, dtype=np.int32)
        self._budget = budget
        self._quality = 20
        self.best: Squeezed | None = None
        longest = max(display.size)
        self.sides = [side for side in _LADDER if side < longest] + [longest]

    def try_lossless(self) -> bool:
        """Take the image as it is, if that fits: drawings and small icons often do."""
        if max(self._display.size) > MAX_CODED_SIDE:
            return False
        # The thorough settings take seconds on a photo, and save less than half of the bytes.
        for quality in (0, 100):
            payload = _payload(self._display, WEBP_LOSSLESS, quality)
            if len(payload) <= self._budget:
                self._consider(WEBP_LOSSLESS, self._display.width, quality, payload)
                return True
            if len(payload) > 2 * self._budget:
                break
        return False

    def climb(self, kind: int, start: int, sides: list[int]) -> int:
        """Try side lengths from `start` in both directions while they improve; return the best."""
        found = {start: self._try_side(kind, sides[start])}
        for step in (-1, 1):
            index, failures = start + step, 0
            while 0 <= index < len(sides) and failures < _PATIENCE:
                found[index] = self._try_side(kind, sides[index])
                known = max(found.values())
                failures = 0 if found[index] == known else failures + 1
                # Nothing fits yet: only smaller images can.
                if known < 0:
                    failures = 0 if step < 0 else _PATIENCE
                index += step
        return max(found, key=lambda index: found[index])

    def _try_side(self, kind: int, side: int) -> float:
        """Return the PSNR of the best image of this side, or -1 if none fits."""
        width, height = self._display.size
        coded = max(1, round(side * width / max(width, height)))
        size = (coded, _coded_height(coded, width, height))
        if max(size) > MAX_CODED_SIDE:
            return -1.0
        small = self._display
        if size != small.size:
            small = small.resize(size, Image.Resampling.LANCZOS, reducing_gap=None)
        fits = _highest(lambda quality: _payload(small, kind, quality), self._budget, self._quality)
        if fits is None:
            return -1.0
        self._quality = fits[0]
        return self._consider(kind, coded, *fits)

    def _consider(self, kind: int, coded: int, quality: int, payload: bytes) -> float:
        width, height = self._display.size
        numbers = (width, height, coded)
        parameters = bytes([kind]) + b"".join(n.to_bytes(2, "little") for n in numbers) + b"\0"
        preview = expand(parameters, payload)
        difference = np.asarray(preview, dtype=np.int32) - self._levels
        error = int(np.square(difference).sum(dtype=np.int64)) / difference.size
        decibels = psnr(error)
        if self.best is None or decibels > self.best.psnr:
            size = (coded, _coded_height(coded, width, height))
            self.best = Squeezed(parameters, payload, preview, kind, size, quality, decibels)
        return decibels


def _payload(image: Image.Image, kind: int, quality: int) -> bytes:
    buffer = io.BytesIO()
    if kind == AVIF:
        image.save(buffer, "AVIF", quality=quality, speed=_AVIF_SPEED, max_threads=1)
    else:
        lossless = kind == WEBP_LOSSLESS
        method = 0 if lossless and not quality else 6
        image.save(buffer, "WEBP", quality=quality, method=method, lossless=lossless)
    return strip(kind, buffer.getvalue())


def _highest(make: Callable[[int], bytes], budget: int, guess: int) -> tuple[int, bytes] | None:
    """Return the highest quality 0..100 whose bytes fit, and the bytes, or None.

    Doubling steps away from the guess, then halving; sizes grow with the quality, nearly always.
    """
    low, high, fitting = -1, 101, b""
    at, step = guess, 4
    while high - low > 1:
        payload = make(at)
        if len(payload) <= budget:
            low, fitting = at, payload
        else:
            high = at
        if high == 101 and at < 100:
            at = min(at + step, 100)
        elif low == -1 and at > 0:
            at = max(at - step, 0)
        else:
            at = (low + high) // 2
        step *= 2
    return (low, fitting) if low >= 0 else None


class ImageCodec:
    """Any image as a small one, and back."""

    uses_model = False

    def encode(self, request: Request) -> Encoded:
        """Return the image that comes closest to the secret within the budget."""
        image = load_image(request.secret)
        budget = request.budget()
        found = squeeze(image, budget)
        if found is None:
            most = request.options.budget or request.carrier.hidden_bytes(budget)
            raise CapacityError(
                f"no image fits in {most} bytes, container included, however small",
                needed_bits=8 * (most + 1),
                capacity_bits=8 * most,
                hint="take a larger photo with more texture, or a larger --budget",
            )
        return Encoded(
            codec="image",
            parameters=found.parameters,
            payload=found.payload,
            reason=f"codec image: {found.description}, in "
            f"{request.carrier.hidden_bytes(len(found.payload))} bytes, shown at "
            f"{found.preview.width} x {found.preview.height}",
            preview=found.preview,
            shown=image,
            secret_psnr=found.psnr,
        )

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        """Return the image at its display size."""
        try:
            return Content("image", expand(parameters, payload))
        except UnsupportedFormatError as error:
            raise FormatVersionError(
                f"what is hidden uses {error}, which this program cannot decode",
                hint="install a newer deephide and a Pillow that supports WebP and AVIF",
            ) from error
        except ImageFormatError as error:
            raise ExtractionError from error


CODEC = ImageCodec()
