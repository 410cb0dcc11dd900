"""TIFF images of wide samples (16 bits and more, floating point), to be looked at only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.formats.tiff import file as tiff
from deephide.formats.tiff import segments
from deephide.formats.tiff.directories import TiffFormatError, TiffUnsupportedError, read

__all__ = ["WideImage", "open_wide"]

_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_FLOATING_POINT = 3  # the predictor of TIFF technical note 3


class WideImage:
    """An image whose header has been read: width, height, and what `decode` returns.

    Parameters
    ----------
    raw : the file

    Raises
    ------
    TiffFormatError, TiffUnsupportedError : it cannot be read
    """

    def __init__(self, raw: bytes) -> None:
        structure = read(raw)
        self._raw, directory = raw, structure.chain[0]
        tags = tiff.Tags(structure, directory)
        self.height, columns = tags.one(tiff.HEIGHT, 0), tags.one(tiff.WIDTH, 0)
        self.width, self._samples = columns, tags.one(tiff.SAMPLES, 1)
        bits, kinds = set(tags.every(tiff.BITS, (1,))), set(tags.every(tiff.FORMAT, (1,)))
        if len(bits) > 1 or len(kinds) > 1 or not self.width or not self.height:
            raise TiffUnsupportedError("a TIFF file of samples of several kinds")
        width, kind = bits.pop() // 8, _KINDS.get(kinds.pop())
        if kind is None or width not in (1, 2, 4, 8) or (kind == "f" and width == 1):
            raise TiffUnsupportedError("a TIFF file of samples of an uncommon kind")
        if tags.one(tiff.PHOTOMETRIC, 1) not in (0, 1, 2) or not 1 <= self._samples <= 16:
            raise TiffUnsupportedError("a TIFF file of an uncommon colour space")
        self._inverted = tags.one(tiff.PHOTOMETRIC, 1) == 0
        predictor = tags.one(tiff.PREDICTOR, 1)
        self._type = np.dtype(f"{structure.order}{kind}{width}")
        # `segments` checks what it undoes itself.
        self._layout = segments.Layout(
            tags.one(tiff.COMPRESSION, 1),
            1 if predictor == _FLOATING_POINT else predictor,
            tags.one(tiff.FILL_ORDER, 1) == 2,
        )
        segments.check(self._layout)
        self._predictor = predictor
        grid = tiff.grid_of(tags, directory, columns, self.height, self._samples)
        self.width_of_samples = width
        self._grid = segments.replace_width(grid, width)
        self._spans = tiff.spans_of(tags, directory, self._grid, self._layout, len(raw))

    def decode(self) -> NDArray[np.float64]:
        """Return the samples (H, W, S), scaled to 0 .. 255.

        Raises
        ------
        TiffFormatError : the image data is damaged
        """
        grid = self._grid
        out = np.zeros((self.height, self.width, self._samples), self._type.newbyteorder("="))
        for index, (begin, end) in enumerate(self._spans):
            rows = grid.rows(index)
            data = segments.unpacked(self._layout, self._raw[begin:end], rows * grid.row_bytes())
            part = tiff.part_of(out, grid, index)
            found = self._samples_of(data[: rows * grid.row_bytes()], rows)
            part[...] = found[: part.shape[0], : part.shape[1]]
        return _scaled(out, inverted=self._inverted)

    def _samples_of(self, data: bytes, rows: int) -> NDArray[np.generic]:
        grid = self._grid
        shape = (rows, grid.across, grid.samples)
        if self._predictor == _FLOATING_POINT:
            # Bytes are sorted by weight, the most significant first, then differences are taken.
            flat = np.frombuffer(data, np.uint8).reshape(rows, -1, grid.samples)
            planes = np.cumsum(flat, axis=1, dtype=np.uint8).reshape(rows, grid.width, -1)
            joined = np.ascontiguousarray(planes.transpose(0, 2, 1))
            return joined.view(self._type.newbyteorder(">")).reshape(shape)
        found = np.frombuffer(data, self._type).reshape(shape)
        if self._predictor == 1:
            return found
        integers = found.view(np.dtype(f"u{grid.width}").newbyteorder(self._type.byteorder))
        summed = np.cumsum(integers, axis=1, dtype=f"u{grid.width}")
        return summed.view(self._type.newbyteorder("="))


def open_wide(raw: bytes) -> WideImage | None:
    """Return the image in a file, or None where it is of another kind."""
    try:
        return WideImage(raw)
    except (TiffFormatError, TiffUnsupportedError):
        return None


def _scaled(array: NDArray[np.generic], *, inverted: bool) -> NDArray[np.float64]:
    """Bring samples to 0 .. 255.

    Unsigned integers have white at their largest value.  Others have none: 0 .. 1 is taken for
    black and white where all samples lie within, else the least and the largest of them.
    """
    if array.dtype.kind == "u":
        low, high = 0.0, float(2 ** (8 * array.dtype.itemsize) - 1)
        values = array.astype(np.float64)
    else:
        values = np.nan_to_num(array.astype(np.float64), posinf=0.0, neginf=0.0)
        low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
    scaled = (values - low) * (255 / max(high - low, 1e-300))
    return 255 - scaled if inverted else scaled
