"""Photos as JPEG files of the program's own making, with what rounding took away kept aside.

::

    file ── oriented, shrunk in floating point ── scaled into [h, 255 - h] ── luma ── transform / T
                                                                                        │
                        template: Pillow's JPEG file of the same samples ◄── rounded ◄──┴─► errors
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deephide.channels.tables import chroma_table, luma_table
from deephide.container import brightness
from deephide.formats.jpeg.blocks import Coefficients
from deephide.formats.jpeg.segments import parse

__all__ = ["LUMA_WEIGHTS", "Photo", "Precover", "kept_off_levels", "open_photo", "press"]

LUMA_WEIGHTS = np.array((0.299, 0.587, 0.114))
_ROUNDS = 3
_FADING_ROUNDS = 8
_SUBSAMPLED = 2  # 4:2:0, as messengers do

_ORDER, _PLACE = np.arange(8)[:, None], np.arange(8)[None, :]
_COSINES = (
    np.cos(np.pi * _ORDER * (2 * _PLACE + 1) / 16) * np.where(_ORDER == 0, np.sqrt(0.5), 1.0) / 2
)


@dataclass(frozen=True, eq=False)
class Photo:
    """Upright, small enough samples: (H, W, C) float64 in 0..255, C being 1 or 3."""

    samples: NDArray[np.float64] = field(repr=False)
    original_size: tuple[int, int] = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.samples.shape[1], self.samples.shape[0]


@dataclass(frozen=True, eq=False)
class Precover:
    """A JPEG file without a message, and what its luma was before it was rounded.

    `values` (R, C, 64) are coefficients of luma, `errors` what they were above that, -0.5 to 0.5.
    """

    template: Coefficients = field(repr=False)
    table: NDArray[np.int64] = field(repr=False)
    values: NDArray[np.int16] = field(repr=False)
    errors: NDArray[np.float64] = field(repr=False)
    headroom: int = 0

    def encode(self, values: NDArray[np.int16] | None = None) -> bytes:
        """Return the file, with other luma if that is given."""
        from deephide.formats.jpeg import coder

        luma = self.values if values is None else values
        elements = self.template.elements()
        elements[: luma.size] = luma.reshape(-1)
        return coder.replace_coefficients(self.template, elements)

    def with_values(self, values: NDArray[np.int16]) -> Precover:
        """Return the same picture with other luma; its errors are kept within half a step."""
        moved = self.values.astype(np.float64) + self.errors - values
        return replace(self, values=values, errors=np.clip(moved, -0.5, 0.5))

    def saturated(self) -> NDArray[np.bool_]:
        """Mark the (R, C) blocks that a decoder has to clip."""
        blocks = (self.values * self.table).reshape(*self.values.shape[:2], 8, 8)
        samples = _COSINES.T @ blocks @ _COSINES
        return np.asarray(((samples < -127.5) | (samples > 126.5)).any(axis=(2, 3)))


def open_photo(image: Image.Image, longest_side: int) -> Photo:
    """Return a picture as it is looked at, no larger than a channel lets through.

    Parameters
    ----------
    image : any mode that Pillow converts to RGB; transparency is put on white
    longest_side : pixels
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    plain = upright.convert("L" if upright.mode in ("1", "L") else "RGB")
    scale = longest_side / max(plain.size)
    if scale >= 1:
        samples = np.asarray(plain, np.float64)
    else:
        width, height = (max(1, round(scale * length)) for length in plain.size)
        bands = [
            np.asarray(
                band.convert("F").resize((width, height), Image.Resampling.LANCZOS), np.float64
            )
            for band in plain.split()
        ]
        samples = np.clip(np.stack(bands, axis=2), 0.0, 255.0)
    return Photo(samples.reshape(*samples.shape[:2], -1), image.size)


def press(
    photo: Photo, quality: int, headroom: int = 0, guard: float | NDArray[np.float64] = 0.0
) -> Precover:
    """Compress a photo to a JPEG file with the standard tables of a quality.

    Parameters
    ----------
    photo : what `open_photo` returned
    quality : 50 to 95
    headroom : levels are scaled into [headroom, 255 - headroom]
    guard : in levels, the same for all or (8, 8); tiles whose mean is nearer to another level of
        the salt are moved that far away from it
    """
    from deephide.formats.jpeg import coder

    samples = photo.samples
    if headroom:
        samples = headroom + samples * ((255 - 2 * headroom) / 255)
    if np.any(guard):
        samples = np.clip(kept_off_levels(samples, guard), 0.0, 255.0)
    table = luma_table(quality)
    rounded = np.rint(samples).astype(np.uint8)
    template = _template(rounded, quality, table)
    luma = samples @ LUMA_WEIGHTS if samples.shape[2] == 3 else samples[:, :, 0]
    exact = _transformed(luma) / table
    values = np.rint(exact)
    return Precover(
        coder.decode(parse(template)),
        table,
        values.astype(np.int16),
        exact - values,
        headroom,
    )


def _template(samples: NDArray[np.uint8], quality: int, table: NDArray[np.int64]) -> bytes:
    """Return the file that Pillow makes of samples."""
    image = Image.fromarray(samples if samples.shape[2] == 3 else samples[:, :, 0])
    tables = [table.tolist(), chroma_table(quality).tolist()][: min(samples.shape[2], 2)]
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", qtables=tables, subsampling=_SUBSAMPLED)
    return buffer.getvalue()


def _transformed(luma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (R, C, 64) orthonormal transform of the blocks of (H, W) luma."""
    down, along = -luma.shape[0] % 8, -luma.shape[1] % 8
    padded = np.pad(luma, ((0, down), (0, along)), "edge") - 128.0
    rows, columns = padded.shape[0] // 8, padded.shape[1] // 8
    blocks = padded.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    return np.asarray(_COSINES @ blocks @ _COSINES.T).reshape(rows, columns, 64)


def kept_off_levels(
    samples: NDArray[np.float64],
    guard: float | NDArray[np.float64],
    guard_above: NDArray[np.float64] | None = None,
    *,
    smooth: bool = False,
) -> NDArray[np.float64]:
    """Return samples of which no tile's brightness is near another level of the salt.

    Parameters
    ----------
    samples : (H, W, C)
    guard : levels that tiles are kept away, the same for all or (8, 8)
    guard_above : (8, 8), the same where the other level is the brighter one, unless it is equal
    smooth : let what is added fade from tile to tile
    """
    beyond = guard if guard_above is None else guard_above
    down, along = (brightness.overlaps(length).astype(np.float64) for length in samples.shape[:2])
    weights = np.outer(down.sum(axis=1), along.sum(axis=1))
    if not weights.all():
        return samples
    luma = samples @ LUMA_WEIGHTS if samples.shape[2] == 3 else samples[:, :, 0]
    added = np.zeros(luma.shape)
    offsets = np.zeros(weights.shape)
    for _ in range(_FADING_ROUNDS if smooth else _ROUNDS):
        rows, columns = (length // 8 for length in luma.shape)
        whole = (luma + added)[: 8 * rows, : 8 * columns]
        blocks = whole.reshape(rows, 8, columns, 8).mean(axis=(1, 3))
        means = down @ blocks @ along.T / weights
        # What one is moved by moves the mean of all.
        contrasts = means - np.average(means, weights=weights)
        places = contrasts / brightness.LEVEL + float(brightness.OFFSET)
        above = brightness.LEVEL * (places - np.rint(places))
        near = (above < guard) & (above > np.negative(beyond))
        if not near.any():
            break
        # Whichever side is closer.
        wanted = np.where(2 * above >= np.subtract(guard, beyond), guard, np.negative(beyond))
        offsets += np.where(near, wanted - above, 0.0)
        if smooth:
            small = Image.fromarray(offsets.astype(np.float32))
            added = np.asarray(small.resize(luma.shape[::-1], Image.Resampling.BICUBIC), np.float64)
        else:
            tiles = (np.arange(length) * brightness.TILES // length for length in luma.shape)
            added = offsets[np.ix_(*tiles)]
    return np.asarray(samples + added[:, :, None])
