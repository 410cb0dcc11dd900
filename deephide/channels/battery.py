"""Recompressors that a stego must survive before it is written: what can be tried on this machine.

Pillow is always there and brings libjpeg-turbo, WebP and AVIF; with the extra `robust` libvips and
its mozjpeg are tried too.  No real messenger is among them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from PIL import Image

from deephide.channels.profiles import Channel

__all__ = [
    "Recompressor",
    "as_shown",
    "battery",
    "channels_to_try",
    "hard_cases",
    "has_vips",
    "same_again",
]

Step = Callable[[Image.Image], bytes]

_SAMPLINGS = {"4:2:0": 2, "4:4:4": 0}
# Of two or three compressions in a row, those that messengers and phones are likely to do.
_HOPS = {
    75: ((75, 75), (85, 75), (80, 75), (75, 90)),
    60: ((60, 60), (75, 75), (85, 75), (80, 75), (75, 90), (85, 80), (90, 80, 85)),
}
_SCOUTS = (0, 5, 10)  # above the floor


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


def _hops(qualities: tuple[int, ...]) -> Recompressor:
    name = "JPEG " + " then ".join(map(str, qualities))
    return Recompressor(name, tuple(_jpeg(quality) for quality in qualities))


def has_vips() -> bool:
    """Return whether libvips can be used."""
    return find_spec("pyvips") is not None


def _vips(quality: int, trellis: bool, table: int) -> Step:
    def step(picture: Image.Image) -> bytes:
        vips = import_module("pyvips")
        image = vips.Image.new_from_memory(
            picture.tobytes(), picture.width, picture.height, len(picture.getbands()), "uchar"
        )
        image = image.copy(interpretation="srgb" if len(picture.getbands()) == 3 else "b-w")
        options = {"Q": quality, "quant_table": table, "optimize_coding": True}
        if trellis:
            options |= {"trellis_quant": True, "overshoot_deringing": True}
            options |= {"optimize_scans": True, "interlace": True}
        return bytes(image.jpegsave_buffer(**options))

    return step


def as_shown(jpeg: bytes) -> Image.Image:
    """Return what every recompressor is given: the file as Pillow shows it."""
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    return picture


def same_again(quality: int) -> Recompressor:
    """Return the compression that a picture of this quality has had already."""
    return _hops((quality,))


def hard_cases(channel: Channel) -> tuple[Recompressor, ...]:
    """Return the few recompressors in which most of what goes wrong does so."""
    floor = channel.floor
    if channel.is_known:
        return (_hops((floor,)), _hops((floor,) * 2))
    single = [_hops((min(floor + above, 100),)) for above in _SCOUTS]
    return (*single, *map(_hops, _HOPS[floor]))


def battery(channel: Channel) -> Iterator[Recompressor]:
    """Yield every recompressor that a stego must survive; of known channels, the table alone."""
    floor = channel.floor
    for sampling in _SAMPLINGS:
        for quality in (floor,) if channel.is_known else range(floor, 101):
            name = f"JPEG {quality} {sampling}"
            yield Recompressor(name, (_jpeg(quality, sampling),))
    yield from map(_hops, ((floor,) * 2, (floor,) * 3) if channel.is_known else _HOPS[floor])
    if floor == 60 and has_vips():
        yield from _others()


def _others() -> Iterator[Recompressor]:
    """Yield libvips and mozjpeg, with the defaults of either."""
    for quality in (90, 85, 80, 75):
        yield Recompressor(f"libvips {quality}", (_vips(quality, False, 0),))
        yield Recompressor(f"mozjpeg {quality}", (_vips(quality, True, 3),))


def channels_to_try() -> Iterator[Recompressor]:
    """Yield everything that `survive` reports on: also what no stego is promised to survive."""
    for quality in (95, 90, 85, 80, 75, 70, 65, 60, 50):
        yield _hops((quality,))
    yield Recompressor("JPEG 75 4:4:4", (_jpeg(75, "4:4:4"),))
    yield from map(_hops, ((75, 75), (85, 75), (80, 75), (75, 90), (85, 80), (90, 80, 85)))
    if has_vips():
        yield from _others()
    for quality in (90, 80):
        yield Recompressor(f"WebP {quality}", (_pillow("WEBP", quality=quality),))
    for quality in (80, 60):
        yield Recompressor(f"AVIF {quality}", (_pillow("AVIF", quality=quality, speed=8),))
    yield Recompressor("PNG", (_pillow("PNG", compress_level=1),))
    yield Recompressor("screenshot of three quarters the size", (_resized(0.75),))


def _resized(factor: float) -> Step:
    def step(picture: Image.Image) -> bytes:
        size = (round(picture.width * factor), round(picture.height * factor))
        return _jpeg(85)(picture.resize(size, Image.Resampling.BICUBIC))

    return step
