"""JPEG files as covers: their quantised DCT coefficients are the elements."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.container import brightness, layout
from deephide.container.hiding import Changeable
from deephide.covers import cost_names, jpeg_costs
from deephide.covers.base import Consumer, Costs, Elements, Sign, check_elements, choose_cost
from deephide.covers.detectability import Prospect
from deephide.errors import DeephideError, InputImageError
from deephide.formats import images
from deephide.formats.jpeg.blocks import Coefficients
from deephide.formats.jpeg.metadata import without_metadata
from deephide.formats.jpeg.segments import (
    JpegFormatError,
    JpegUnsupportedError,
    is_jpeg,
    parse,
    read_header,
)
from deephide.formats.refusals import damaged, hint_for

__all__ = ["JpegCover", "decode", "is_compiled", "open_file", "read_size"]

_HINT = "save it as an ordinary JPEG image, or use an 8-bit PNG, BMP or TIFF file"
_HEADER_BYTES = 1 << 18  # EXIF data and profiles come first


class JpegCover:
    """A cover or stego in the domain of JPEG.

    `elements` is (n,) int16: the coefficients of all components one after the other, of a
    component block by block in raster order, of a block row by row (vertical frequency first).
    Blocks that only fill up the last units of the file are none.

    Parameters
    ----------
    coefficients : what `coder.decode` returned
    errors : (n,) what rounding took away, where the program itself compressed; or None
    """

    element_name = "coefficients"

    def __init__(
        self, coefficients: Coefficients, errors: NDArray[np.float32] | None = None
    ) -> None:
        self.coefficients = coefficients
        self.errors = errors
        self.elements: NDArray[np.int16] = coefficients.elements()
        self._last: tuple[Elements, bytes] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Width, height and number of components."""
        file = self.coefficients.file
        return file.width, file.height, len(file.components)

    @property
    def associated(self) -> bytes:
        """What the seal authenticates besides the body."""
        blocks = [(each.columns, each.rows) for each in self.coefficients.file.components]
        return layout.associated_jpeg(*self.shape[:2], blocks)

    def salt(self, elements: Elements) -> bytes:
        """Return the 16 bytes that stand for the image with other coefficients."""
        dc, step = self._brightness(elements)
        return brightness.salt_of(dc * step, 1, self.shape[:2])

    def _brightness(self, elements: Elements) -> tuple[NDArray[np.int64], int]:
        """Return the DC coefficients of the first component's whole blocks, and their step."""
        file = self.coefficients.file
        first = file.components[0]
        dc = elements[: 64 * first.rows * first.columns : 64].reshape(first.rows, first.columns)
        whole = dc[: file.height // 8, : file.width // 8].astype(np.int64)
        return whole, int(file.quantization[0].flat[0])

    def costs(self, name: str = "auto", payload_bits: int = 0) -> Costs:
        """Return the costs of +1 and -1 for every coefficient.

        DC coefficients of luma may not change where that could change the image's salt.
        """
        found = list(self.cost_stripes(name, payload_bits))
        return np.concatenate([up for up, _ in found]), np.concatenate([down for _, down in found])

    def _steady(self, stripes: Iterator[Costs]) -> Iterator[Costs]:
        """Forbid the changes, in costs stripe by stripe, that could change the image's salt."""
        dc, step = self._brightness(self.elements)
        blocks = brightness.unsteady(dc * step, 1, self.shape[:2], step / 8)
        columns = self.coefficients.file.components[0].columns
        rows, across = np.nonzero(blocks)
        closed = 64 * (rows * columns + across)  # ascending
        start = 0
        for pair in stripes:
            first, last = np.searchsorted(closed, (start, start + pair[0].size))
            for cost in pair:
                cost[closed[first:last] - start] = np.inf
            start += pair[0].size
            yield pair

    def cost_stripes(self, name: str = "auto", payload_bits: int = 0) -> Iterator[Costs]:
        """Yield the same costs, some rows of blocks at a time."""
        chosen = choose_cost(name, cost_names.OF_COEFFICIENTS, "a JPEG file")
        stripes = jpeg_costs.stripes(self.coefficients, chosen, self.errors, payload_bits)
        return self._steady(stripes)

    def changeable(self, name: str = "auto", payload_bits: int = 0) -> Changeable:
        """Count the coefficients that may change: the same ones under every cost function."""
        del payload_bits
        choose_cost(name, cost_names.OF_COEFFICIENTS, "a JPEG file")
        free = self._steady(jpeg_costs.stripes(self.coefficients, None))
        return Changeable.of(self.elements, free)

    def survey(self, costs: Costs) -> Prospect:
        """Look at the costs and the noise of the coefficients."""
        dry = Changeable.of(self.elements, (costs,)).dry
        survey = jpeg_costs.Survey(self.coefficients, dry, self.errors)
        deque(survey.watch((costs,)), maxlen=0)
        return survey.prospect()

    def prospect(
        self,
        name: str = "auto",
        payload_bits: int = 0,
        consume: Consumer | None = None,
    ) -> Prospect:
        """Look at the costs of a cost function and the noise of the coefficients.

        J-UNIWARD takes longer than all else in a large file: what comes after may want the same.
        """
        survey = jpeg_costs.Survey(self.coefficients, self.changeable(name).dry, self.errors)
        watched = survey.watch(self.cost_stripes(name, payload_bits))
        if consume is None:
            deque(watched, maxlen=0)
        else:
            consume(watched)
        return survey.prospect()

    @cached_property
    def signs(self) -> tuple[Sign, ...]:
        """What makes the cover a poor hiding place."""
        return jpeg_costs.find_signs(self.coefficients)

    def squared_error(self, elements: Elements) -> float:
        """Return the squared difference that other elements make in samples, all summed up.

        The transform is orthonormal: what a coefficient changes by, in steps of its quantiser,
        is what its block's samples change by.  Rounding and clipping are left out.
        """
        planes = self.coefficients.planes()
        total, at = 0.0, 0
        for plane, table in zip(planes, self.coefficients.file.quantization, strict=True):
            part = slice(at, at + plane.size)
            changed = np.flatnonzero(elements[part] != self.elements[part])
            total += float((table.reshape(64)[changed % 64] ** 2).sum())
            at += plane.size
        return total

    def render(self, elements: Elements) -> Image.Image:
        """Return what the stego looks like, decoded by Pillow, not turned and not converted.

        Raises
        ------
        InputImageError : Pillow cannot; there are rare files with sampling that only parsers know
        """
        try:
            # Pillow is stricter than others about end markers and bytes between segments.
            plain = parse(self._written(elements)).plain()
            image = Image.open(io.BytesIO(plain), formats=("JPEG",))
            image.load()
        except DeephideError:
            raise
        except Exception as error:  # whatever its decoder met
            raise damaged("carrier") from error
        return image

    def reopened(self, elements: Elements) -> JpegCover:
        """Return the stego as it comes out of its file."""
        return open_file(self._written(elements), "stego")

    def check_suffix(self, suffix: str) -> None:
        """Reject nothing: every JPEG file can be written as one."""

    def prepare_encoding(self, suffix: str | None) -> None:
        """Prepare nothing: the file itself says how it was written."""

    def encode(
        self,
        elements: Elements,
        *,
        suffix: str | None = None,
        strip_metadata: bool = False,
        preparation: None = None,
    ) -> bytes:
        """Return the cover's file with other coefficients and nothing else changed."""
        del suffix, preparation
        raw = self._written(elements)
        return without_metadata(raw) if strip_metadata else raw

    def _written(self, elements: Elements) -> bytes:
        """Return the file with other coefficients; the last one is kept, as it is asked for again.

        Raises
        ------
        DeephideError : the file that came out is not what it should be
        """
        if self._last is None or not np.array_equal(self._last[0], elements):
            from deephide.formats.jpeg import coder

            values = elements.astype(np.int16, copy=False)
            try:
                raw = coder.replace_coefficients(self.coefficients, values)
            except JpegFormatError as error:
                raise DeephideError(f"the stego cannot be written: {error}") from error
            self._last = elements.copy(), raw
        return self._last[1]


def open_file(raw: bytes, role: str = "carrier") -> JpegCover:
    """Read the coefficients of a file.

    Parameters
    ----------
    raw : a JPEG file
    role : "carrier" or "stego", as messages call it

    Raises
    ------
    InputImageError : damaged, losslessly coded, of 12 bits per sample, CMYK, too large or too
        small; a carrier that is arithmetically coded
    ExtractionError : a stego too small to hold anything
    """
    try:
        header = read_header(raw)
        images.check_pixels(header.width, header.height, role)
        count = 64 * sum(each.columns * each.rows for each in header.components)
        check_elements(role, (header.width, header.height), count, "coefficients")
        if header.arithmetic and role != "stego":
            raise JpegUnsupportedError("a JPEG file that is arithmetically coded")
        return decode(raw)
    except JpegUnsupportedError as error:
        raise InputImageError(f"the {role} is {error}", hint=hint_for(str(error), _HINT)) from error
    except JpegFormatError as error:
        raise damaged(role) from error


def decode(raw: bytes) -> JpegCover:
    """Read a file without a look at its size.

    Raises
    ------
    JpegFormatError : damaged, truncated or incomplete
    JpegUnsupportedError : of a kind that cannot be a carrier
    """
    from deephide.formats.jpeg import coder

    return JpegCover(coder.decode(parse(raw)))


def read_size(stream: BinaryIO) -> tuple[int, int] | None:
    """Return width and height by the header of an open file; None where there is no such header."""
    head = stream.read(_HEADER_BYTES)
    try:
        file = read_header(head) if is_jpeg(head) else None
    except (JpegFormatError, JpegUnsupportedError):
        return None
    return None if file is None else (file.width, file.height)


def is_compiled(raw: bytes) -> bool:
    """Return whether the loops for a file are on disk from an earlier process."""
    from deephide.formats.jpeg import coder

    try:
        return coder.is_compiled(read_header(raw).progressive)
    except (JpegFormatError, JpegUnsupportedError):
        return True  # nothing will be compiled for it
