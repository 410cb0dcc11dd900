"""A JPEG file as a cover or stego: its quantised DCT coefficients are the elements."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.container import layout as container
from deephide.formats.jpeg.blocks import Coefficients
from deephide.formats.jpeg.segments import JpegFormatError, parse, read_header

__all__ = [
    "JpegCover",
    "decode",
    "elements_of",
    "encode",
    "is_compiled",
    "picture",
    "without_metadata",
]

_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class JpegCover:
    """A cover or stego in the domain of JPEG.

    `elements` is (n,) int16: the coefficients of all components one after the other, of a
    component block by block in raster order, of a block row by row (vertical frequency first).
    Blocks that only fill up the last units of the file are none.
    """

    coefficients: Coefficients = field(repr=False)
    elements: NDArray[np.int16] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Width, height and number of components."""
        file = self.coefficients.file
        return file.width, file.height, len(file.components)

    @property
    def associated(self) -> bytes:
        """What the seal authenticates besides the body."""
        blocks = [(each.columns, each.rows) for each in self.coefficients.file.components]
        return container.associated_jpeg(*self.shape[:2], blocks)

    def squared_error(self, elements: NDArray[np.int16]) -> float:
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


def elements_of(raw: bytes) -> tuple[int, int, int]:
    """Return width, height and elements of a JPEG file, by its header alone.

    Raises
    ------
    JpegFormatError, JpegUnsupportedError : as `segments.read_header`
    """
    file = read_header(raw)
    return file.width, file.height, 64 * sum(each.columns * each.rows for each in file.components)


def decode(raw: bytes) -> JpegCover:
    """Read a JPEG file.

    Raises
    ------
    JpegFormatError : damaged, truncated or incomplete
    JpegUnsupportedError : of a kind that cannot be a carrier
    """
    from deephide.formats.jpeg import coder

    coefficients = coder.decode(parse(raw))
    return JpegCover(coefficients, coefficients.elements())


def encode(cover: JpegCover, elements: NDArray[np.int16]) -> bytes:
    """Return the cover's file with other coefficients and nothing else changed.

    Raises
    ------
    JpegFormatError : the file that came out is not what it should be
    """
    from deephide.formats.jpeg import coder

    return coder.replace_coefficients(cover.coefficients, elements)


def is_compiled(raw: bytes) -> bool:
    """Return whether the loops for this kind of file are on disk from an earlier process.

    Raises
    ------
    JpegFormatError, JpegUnsupportedError : as `segments.read_header`
    """
    from deephide.formats.jpeg import coder

    return coder.is_compiled(read_header(raw).progressive)


def picture(raw: bytes) -> Image.Image:
    """Return what a file looks like, decoded by Pillow, not turned and not converted.

    Raises
    ------
    JpegFormatError : Pillow cannot; there are rare files with sampling that only parsers know
    """
    try:
        image = Image.open(io.BytesIO(raw), formats=("JPEG", "MPO"))
        image.load()
    except Exception as error:  # whatever its decoder met
        raise JpegFormatError("the picture cannot be decoded") from error
    return image


def without_metadata(raw: bytes) -> bytes:
    """Return a file without EXIF data, texts, thumbnails, unknown segments and trailing bytes.

    What the picture looks like stays: JFIF and Adobe segments, colour profile and orientation.
    """
    file = parse(raw)
    out = bytearray(raw[:2])
    turned = _orientation(raw)
    at = 2
    while True:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            return bytes(out) + raw[at : at + 2]
        end = at + 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
        data = raw[at + 4 : end]
        scan = next((scan for scan in file.scans if scan.start == end), None)
        if marker == 0xE1 and turned != 1 and data.startswith(b"Exif\0\0"):
            out += _exif(turned)
            turned = 1
        elif marker == 0xE0 and data.startswith(b"JFIF\0"):
            # Without the thumbnail, which shows what the picture was before it was edited.
            out += b"\xff\xe0\x00\x10" + data[:12] + b"\0\0"
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE) or data.startswith(
            (b"ICC_PROFILE\0", b"Adobe")
        ):
            out += raw[at : end if scan is None else scan.end]
        at = end if scan is None else scan.end


def _orientation(raw: bytes) -> int:
    try:
        with Image.open(io.BytesIO(raw), formats=("JPEG",)) as image:
            found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data is common, and no reason to stop
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _exif(orientation: int) -> bytes:
    """Return a segment that says the orientation alone."""
    tag = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + tag + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
