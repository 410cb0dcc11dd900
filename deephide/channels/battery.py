"""Recompressors that a stego must survive before it is written: what can be tried on this machine.

Pillow is always there and brings libjpeg-turbo, WebP and AVIF; with the extra `robust` libvips and
its mozjpeg are tried too.  No real messenger is among them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from PIL import Image

from deephide.channels.profiles import Channel

__all__ = [
    "Recompressor",
    "as_shown",
    "attempts",
    "battery",
    "brightness_cases",
    "channels_to_try",
    "choosing_cases",
    "cropped",
    "half_the_size",
    "hard_cases",
    "has_vips",
    "hops",
    "resized",
    "settling_cases",
    "strong_battery",
    "vips_options",
]

Step = Callable[[Image.Image], bytes]

_SAMPLINGS = {"4:2:0": 2, "4:4:4": 0}
# Of two or three compressions in a row, those that messengers and phones are likely to do.
_FROM_75 = ((75, 75), (85, 75), (80, 75), (75, 90), (85, 80), (95, 85), (90, 80, 85), (90, 85, 75))
_HOPS = {75: _FROM_75, 60: ((60, 60), *_FROM_75)}
_SCOUTS = (0, 5, 10)  # above the floor
# The lowest quality of mozjpeg that is tried, by floor.  The lower it is, the fewer coefficients of
# high modes it leaves; those that it drops have to be settled, and a detector sees empty modes.
_OPTIMISERS_FROM = {75: 85, 60: 75}


@dataclass(frozen=True)
class Recompressor:
    """One way that a picture may take: a name, and a compression or several in a row."""

    name: str
    steps: tuple[Step, ...]

    def apply(self, picture: Image.Image) -> bytes:
        """Return the file that comes out at the end."""
        raw = b""
        for k, step in enumerate(self.steps):
            raw = step(picture if k == 0 else Image.open(io.BytesIO(raw)).convert(picture.mode))
        return raw


def _pillow(kind: str, **options: Any) -> Step:
    def step(picture: Image.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return step


def _jpeg(quality: int, sampling: str = "4:2:0") -> Step:
    return _pillow("JPEG", quality=quality, subsampling=_SAMPLINGS[sampling])


def hops(qualities: tuple[int, ...]) -> Recompressor:
    """Return JPEG compressions of these qualities, one after another, 4:2:0."""
    name = "JPEG " + " then ".join(map(str, qualities))
    return Recompressor(name, tuple(_jpeg(quality) for quality in qualities))


def has_vips() -> bool:
    """Return whether libvips can be used."""
    return find_spec("pyvips") is not None


def vips_options(quality: int, trellis: bool, table: int) -> dict[str, Any]:
    """Return how libvips saves: itself, or with all that mozjpeg does; `table` is mozjpeg's."""
    options = {"Q": quality, "quant_table": table, "optimize_coding": True}
    if trellis:
        options |= {"trellis_quant": True, "overshoot_deringing": True}
        options |= {"optimize_scans": True, "interlace": True}
    return options


def _vips(quality: int, trellis: bool, table: int) -> Step:
    def step(picture: Image.Image) -> bytes:
        vips = import_module("pyvips")
        image = vips.Image.new_from_memory(
            picture.tobytes(), picture.width, picture.height, len(picture.getbands()), "uchar"
        )
        image = image.copy(interpretation="srgb" if len(picture.getbands()) == 3 else "b-w")
        return bytes(image.jpegsave_buffer(**vips_options(quality, trellis, table)))

    return step


def _mozjpeg(quality: int, table: int = 3) -> Recompressor:
    """Return mozjpeg, which drops what saves most for its error; table 3 is its own, 0 JPEG's."""
    name = f"mozjpeg {quality}" if table else f"mozjpeg {quality}, standard table"
    return Recompressor(name, (_vips(quality, True, table),))


def as_shown(jpeg: bytes) -> Image.Image:
    """Return what every recompressor is given: the file as Pillow shows it."""
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    return picture


def settling_cases(channel: Channel) -> tuple[Recompressor, ...]:
    """Return what a picture is settled for: its own compression, or the hard cases of a floor."""
    return (hops((channel.quality,)),) if channel.is_known else choosing_cases(channel)


def hard_cases(channel: Channel) -> tuple[Recompressor, ...]:
    """Return the few recompressors in which most of what goes wrong does so."""
    floor = channel.floor
    if channel.is_known:
        return (hops((floor,)), hops((floor,) * 2))
    single = [hops((min(floor + above, 100),)) for above in _SCOUTS]
    return (*single, *map(hops, _HOPS[floor]))


def attempts(channel: Channel) -> tuple[Channel, ...]:
    """Return the channel with optimising encoders, where they can be tried, and without them."""
    if channel.is_known or channel.is_strong or not has_vips():
        return (channel,)
    return replace(channel, optimisers=_OPTIMISERS_FROM[channel.floor]), channel


def choosing_cases(channel: Channel) -> tuple[Recompressor, ...]:
    """Return the recompressors by which a stego's elements are chosen."""
    if not channel.optimisers:
        return hard_cases(channel)
    return (*hard_cases(channel), _mozjpeg(channel.optimisers))


def brightness_cases(channel: Channel) -> tuple[Recompressor, ...]:
    """Return the few recompressors that move the brightness of smooth areas most."""
    if channel.is_known:
        return hard_cases(channel)
    return tuple(map(hops, ((channel.floor,), (82, 88), (85, 75), (90, 80, 85))))


def battery(channel: Channel) -> Iterator[Recompressor]:
    """Yield every recompressor that a stego must survive; of known channels, the table alone."""
    floor = channel.floor
    for sampling in _SAMPLINGS:
        for quality in (floor,) if channel.is_known else range(floor, 101):
            name = f"JPEG {quality} {sampling}"
            yield Recompressor(name, (_jpeg(quality, sampling),))
    yield from map(hops, ((floor,) * 2, (floor,) * 3) if channel.is_known else _HOPS[floor])
    if channel.optimisers:
        yield from _others(channel.optimisers)


def _others(promised_from: int | None = None) -> Iterator[Recompressor]:
    """Yield libvips, and mozjpeg from a quality up, with the defaults of either.

    Of the lowest quality that is promised, mozjpeg is tried with the standard table too, and next
    to it with its own: other coefficients fall there.
    """
    lowest = promised_from or 75
    for quality in (90, 85, 80, 75):
        yield Recompressor(f"libvips {quality}", (_vips(quality, False, 0),))
        if quality >= lowest:
            yield _mozjpeg(quality)
    if promised_from:
        yield _mozjpeg(lowest + 1)
        yield _mozjpeg(lowest, table=0)


def strong_battery() -> Iterator[Recompressor]:
    """Yield every recompressor that a strong stego must survive, the hardest first."""
    kernels = Image.Resampling
    for factor, kernel, quality in (
        (0.58, kernels.BOX, 75),
        (0.6, kernels.LANCZOS, 75),
        (0.6, kernels.BILINEAR, 75),
        (0.67, kernels.BILINEAR, 75),
        (0.75, kernels.BOX, 75),
        (0.83, kernels.BICUBIC, 75),
        (0.9, kernels.BILINEAR, 75),
    ):
        name = f"{factor} of the size, {kernel.name.lower()}, JPEG {quality}"
        yield Recompressor(name, (resized(factor, kernel, quality),))
    for left, top, right, bottom in ((8, 8, 0, 0), (0, 0, 8, 8), (3, 0, 5, 8), (0, 5, 0, 2)):
        name = f"{left} + {right} columns and {top} + {bottom} rows less, JPEG 75"
        yield Recompressor(name, (cropped(left, top, right, bottom),))
    yield hops((75,))
    yield hops((90, 80, 85))
    yield Recompressor("WebP 80", (_pillow("WEBP", quality=80),))
    yield Recompressor("AVIF 60", (_pillow("AVIF", quality=60, speed=8),))
    if has_vips():
        yield _mozjpeg(75)


def half_the_size() -> Iterator[Recompressor]:
    """Yield what a strong stego is hoped to survive: half the size."""
    for kernel, quality in ((Image.Resampling.BICUBIC, 75), (Image.Resampling.BILINEAR, 85)):
        name = f"0.5 of the size, {kernel.name.lower()}, JPEG {quality}"
        yield Recompressor(name, (resized(0.5, kernel, quality),))


def channels_to_try() -> Iterator[Recompressor]:
    """Yield everything that `survive` reports on: also what no stego is promised to survive."""
    for quality in (95, 90, 85, 80, 75, 70, 65, 60, 50):
        yield hops((quality,))
    yield Recompressor("JPEG 75 4:4:4", (_jpeg(75, "4:4:4"),))
    yield from map(hops, _HOPS[75])
    if has_vips():
        yield from _others()
    for quality in (90, 80):
        yield Recompressor(f"WebP {quality}", (_pillow("WEBP", quality=quality),))
    for quality in (80, 60):
        yield Recompressor(f"AVIF {quality}", (_pillow("AVIF", quality=quality, speed=8),))
    yield Recompressor("PNG", (_pillow("PNG", compress_level=1),))
    for factor in (0.9, 0.75, 0.6, 0.5):
        yield Recompressor(f"{factor} of the size, JPEG 85", (resized(factor),))
    yield Recompressor("8 rows and columns less, JPEG 75", (cropped(8, 8, 0, 0),))


def resized(
    factor: float, kernel: Image.Resampling = Image.Resampling.BICUBIC, quality: int = 85
) -> Step:
    """Return a step that makes a picture smaller and saves it as JPEG."""

    def step(picture: Image.Image) -> bytes:
        size = (round(picture.width * factor), round(picture.height * factor))
        return _jpeg(quality)(picture.resize(size, kernel))

    return step


def cropped(left: int, top: int, right: int, bottom: int) -> Step:
    """Return a step that cuts off so many columns and rows and saves as JPEG of quality 75."""

    def step(picture: Image.Image) -> bytes:
        box = (left, top, picture.width - right, picture.height - bottom)
        return _jpeg(75)(picture.crop(box))

    return step
