"""Samples as elements: covers whose gray or colour values are changed, whatever file holds them.

A gray image has one element a pixel, even where its file stores it three times as red, green and
blue: changed one by one, they would make coloured pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.container import brightness, hiding, layout
from deephide.covers import cost_names, sample_costs, sample_files
from deephide.covers.base import Consumer, Costs, Elements, Sign, check_elements, choose_cost
from deephide.covers.detectability import Prospect
from deephide.covers.sample_files import Decoded, FileParts
from deephide.covers.values import check_colours, check_values, gray_areas
from deephide.errors import InputImageError
from deephide.formats.png.encoder import Encoder

__all__ = ["SampleCover", "from_image", "open_file"]

_BAND_ROWS = 64


_MOST_GRAY = 0.98


@dataclass(frozen=True, eq=False)
class SampleCover:
    """A cover or stego in the domain of samples.

    `samples` is (H, W, 1 or 3) uint8, alpha excluded; `alpha` is (H, W) uint8 or None; `fixed`
    is (H, W) bool or None: pixels that must not change because nobody sees their colour, or
    because a change would make them appear or vanish.  `source` is the file it came from, taken
    apart.  `copies` says how many times it stores each sample: 3 times gray as red, green and blue.
    `errors`, (H, W, 1 or 3), is what rounding took away, where the program itself rounded.
    A stego has samples alone.
    """

    samples: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    fixed: NDArray[np.bool_] | None = None
    source: FileParts | None = None
    icc_profile: bytes | None = None
    copies: int = 1
    errors: NDArray[np.float32] | None = None

    element_name = "samples"

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
        return layout.associated_data(*self.shape)

    def salt(self, elements: Elements) -> bytes:
        """Return the 16 bytes that stand for the image with other samples."""
        samples = elements.astype(np.uint8, copy=False).reshape(self.samples.shape)
        return brightness.salt_of(
            brightness.dc_of_samples(samples), brightness.DC_SCALE, self.shape[:2]
        )

    def costs(self, name: str = "auto", payload_bits: int = 0, *, sync: bool = False) -> Costs:
        """Return the costs of +1 and -1 for every sample; `sync` is for `sample_costs.costs`."""
        chosen = choose_cost(name, cost_names.OF_SAMPLES, "not a JPEG file")
        return sample_costs.costs(
            self.samples, self.fixed, chosen, payload_bits, sync=sync, errors=self.errors
        )

    def cost_stripes(self, name: str = "auto", payload_bits: int = 0) -> Iterator[Costs]:
        """Yield the same costs, some rows of the image at a time."""
        return self._maps(name, payload_bits).stripes()

    def changeable(self, name: str = "auto", payload_bits: int = 0) -> hiding.Changeable:
        """Count the samples that may change; most cost functions forbid no change themselves."""
        chosen = choose_cost(name, cost_names.OF_SAMPLES, "not a JPEG file")
        if chosen in sample_costs.FINITE:
            return hiding.Changeable(*sample_costs.count_changeable(self.samples, self.fixed))
        return hiding.Changeable.of(self.elements, self.cost_stripes(name, payload_bits))

    def prospect(
        self,
        name: str = "auto",
        payload_bits: int = 0,
        consume: Consumer | None = None,
    ) -> Prospect:
        """Look at the costs of a cost function and the noise, at parts of a large image."""
        del consume
        maps = self._maps(name, payload_bits)
        return sample_costs.survey(self.samples, maps, errors=self.errors)

    def _maps(self, name: str, payload_bits: int) -> sample_costs.CostMaps:
        chosen = choose_cost(name, cost_names.OF_SAMPLES, "not a JPEG file")
        return sample_costs.CostMaps(self.samples, self.fixed, chosen, payload_bits, self.errors)

    def survey(self, costs: Costs, max_pixels: int = sample_costs.SURVEYED_PIXELS) -> Prospect:
        """Look at the costs and the noise of at most so many pixels."""
        return sample_costs.survey(self.samples, costs, max_pixels, self.errors)

    @cached_property
    def signs(self) -> tuple[Sign, ...]:
        """What makes the cover a poor hiding place."""
        from deephide.covers.sample_signs import find_signs

        return find_signs(self.samples)

    def squared_error(self, elements: Elements) -> float:
        """Return the squared difference that changes by one level make, all summed up."""
        return float(np.count_nonzero(elements != self.elements))

    def render(self, elements: Elements) -> Image.Image:
        """Return the image with other samples, alpha and colour profile as they were."""
        array = self._with_alpha(self._stored(elements))
        image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        if self.icc_profile is not None:
            image.info["icc_profile"] = self.icc_profile
        return image

    def reopened(self, elements: Elements) -> SampleCover:
        """Return the stego as it comes out of an image in memory."""
        return from_image(self.render(elements), "stego")

    def check_suffix(self, suffix: str) -> None:
        """Reject a BMP name for the stego of a BMP file whose samples are compressed."""
        sample_files.check_suffix(self.source, suffix)

    def prepare_encoding(self, suffix: str | None) -> Encoder | None:
        """Find out which program wrote a PNG file; for the most part, this takes seconds."""
        # Where an image is large, memory is worth more than time.
        if self.samples.size > hiding.LIVE_ELEMENTS:
            return None
        before = self._with_alpha(self._stored(self.samples))
        return sample_files.study(self.source, before, suffix)

    def encode(
        self,
        elements: Elements,
        *,
        suffix: str | None = None,
        strip_metadata: bool = False,
        preparation: Encoder | None = None,
    ) -> bytes:
        """Return a file of the cover's format with other samples, or else a PNG file.

        A PNG file keeps every chunk but the image data byte for byte, or, where `strip_metadata`
        is set, only those that say what the image looks like.  In another format than its own, a
        cover keeps its colour profile; its remaining metadata has no place there.
        """
        samples = self._stored(elements)
        if sample_files.is_plain(self.source, suffix):
            return sample_files.replace_plain(self.source, samples, strip_metadata=strip_metadata)
        return sample_files.encode_png(
            self.source,
            self._with_alpha(self._stored(self.samples)),
            self._with_alpha(samples),
            preparation,
            icc_profile=self.icc_profile,
            strip_metadata=strip_metadata,
        )

    def _stored(self, elements: Elements) -> NDArray[np.uint8]:
        """Return elements as the file stores them."""
        samples: NDArray[np.uint8] = elements.astype(np.uint8, copy=False)
        samples = samples.reshape(self.samples.shape)
        return samples if self.copies == 1 else np.repeat(samples, self.copies, axis=2)

    def _with_alpha(self, samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return samples if self.alpha is None else np.dstack((samples, self.alpha))


def from_image(image: Image.Image, role: str = "carrier") -> SampleCover:
    """Return the cover that an image in memory is.

    Parameters
    ----------
    image : of mode L, RGB or RGBA; a stego also of those that optimisers make of these
    role : "carrier" or "stego", as messages call it

    Raises
    ------
    InputImageError : of another mode, too large or too small, a carrier of few colours
    ExtractionError : a stego too small to hold anything
    """
    checked = sample_files.decode_checked(image, role)
    return _of_decoded(sample_files.decoded(checked, role), role)


def open_file(raw: bytes, role: str = "carrier") -> SampleCover:
    """Read the samples of a file without any loss.

    Parameters
    ----------
    raw : a PNG, BMP or TIFF file
    role : "carrier" or "stego", as messages call it

    Raises
    ------
    InputImageError : unreadable, lossy, animated, not 8-bit gray, RGB or RGBA, too large or small,
        a carrier of few colours
    ExtractionError : a stego too small to hold anything
    """
    return _of_decoded(sample_files.open_checked(raw, role), role)


def _of_decoded(found: Decoded, role: str) -> SampleCover:
    samples, alpha = found.samples, found.alpha
    height, width, stored = samples.shape
    # Nobody changes a stego.
    fixed = _fixed_pixels(samples, alpha, found.key) if role == "carrier" else None
    samples = np.ascontiguousarray(samples[:, :, :1] if _is_gray(samples) else samples)
    check_elements(role, (width, height), samples.size, "samples")
    if role == "carrier":
        fixed = _with_gray_areas(samples, fixed)
        check_values(samples)
        check_colours(samples)
    copies = stored // samples.shape[2]
    return SampleCover(samples, alpha, fixed, found.parts, found.icc_profile, copies)


def _with_gray_areas(
    samples: NDArray[np.uint8], fixed: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Return the pixels that must not change, those in gray areas of a colour image among them.

    Raises
    ------
    InputImageError : these are nearly all
    """
    gray = gray_areas(samples)
    if gray is None:
        return fixed
    fixed = gray if fixed is None else gray | fixed
    if gray.any() and float(fixed.mean()) > _MOST_GRAY:
        raise InputImageError(
            "the carrier is gray but for a few pixels, or but for transparent ones: every change "
            "would make a coloured pixel",
            hint="save it as a gray image",
        )
    return fixed


def _is_gray(samples: NDArray[np.uint8]) -> bool:
    """Tell whether red, green and blue are the same everywhere."""
    first, others = samples[:, :, :1], samples[:, :, 1:]
    # Row by row in small parts: of a colour image, the first pixels tell.
    rows = range(0, len(samples), 64)
    return all(bool((first[y : y + 64] == others[y : y + 64]).all()) for y in rows)


def _fixed_pixels(
    samples: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, key: object
) -> NDArray[np.bool_] | None:
    if alpha is not None:
        return np.asarray(alpha == 0)
    if isinstance(key, int | tuple):
        # One colour stands for "transparent": nothing may become that colour or leave it.
        # A file may name one that no 8-bit sample has: tRNS values have 16 bits.
        levels = np.asarray(key, dtype=np.int32)
        near = np.empty(samples.shape[:2], np.bool_)
        for top in range(0, len(samples), _BAND_ROWS):
            band = samples[top : top + _BAND_ROWS]
            near[top : top + _BAND_ROWS] = (np.abs(band - levels) <= 1).all(axis=2)
        return near
    return None
