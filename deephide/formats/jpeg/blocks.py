"""Places of the coefficients of a JPEG file: in one flat array, its components, its scans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide.formats.jpeg.segments import JpegFile, JpegFormatError, Scan

__all__ = ["Coefficients", "Order", "extents", "scan_order"]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """All coefficients of a file: (blocks, 64) of each component one after the other, flat.

    A component has its blocks in raster order, those that only fill up its last MCUs included.
    """

    file: JpegFile
    values: NDArray[np.int16]

    def planes(self) -> list[NDArray[np.int16]]:
        """Return views (rows, columns, 8, 8) of each component without its padding."""
        return [
            plane[: component.rows, : component.columns]
            for component, plane in zip(self.file.components, self._padded(), strict=True)
        ]

    def _padded(self) -> list[NDArray[np.int16]]:
        return [
            self.values[start : start + 64 * rows * columns].reshape(rows, columns, 8, 8)
            for start, rows, columns in extents(self.file)
        ]

    def elements(self) -> NDArray[np.int16]:
        """Return the (n,) coefficients of all blocks but padding: `values`, if there is none."""
        if all(
            (each.rows, each.columns) == extent[1:]
            for each, extent in zip(self.file.components, extents(self.file), strict=True)
        ):
            return self.values
        return np.concatenate([plane.reshape(-1) for plane in self.planes()])

    def with_elements(self, elements: NDArray[np.int16]) -> Coefficients:
        """Return a copy with other coefficients; padding follows where it was a mere copy."""
        changed = Coefficients(self.file, self.values.copy())
        at = 0
        for plane in changed.planes():
            plane[...] = elements[at : at + plane.size].reshape(plane.shape)
            at += plane.size
        pairs = zip(self.file.components, self._padded(), changed._padded(), strict=True)
        for component, old, new in pairs:
            # Encoders pad with blocks that repeat the DC coefficient before them in the scan.
            before, after = old[:, :, 0, 0], new[:, :, 0, 0]
            rows, columns = before.shape
            for c in range(component.columns, columns):
                same = before[:, c] == before[:, c - 1]
                after[same, c] = after[same, c - 1]
            for r in range(component.rows, rows):
                for c in range(columns):
                    first = c % component.across == 0
                    place = (r - 1, c + component.across - 1) if first else (r, c - 1)
                    if before[r, c] == before[place]:
                        after[r, c] = after[place]
        return changed


def _grid(file: JpegFile) -> tuple[int, int]:
    """Return how many MCUs an interleaved scan has down and across."""
    return -(-file.height // (8 * file.down)), -(-file.width // (8 * file.across))


def extents(file: JpegFile) -> list[tuple[int, int, int]]:
    """Return start in the flat array, rows and columns of each component, padding included."""
    down, across = _grid(file)
    out, start = [], 0
    for component in file.components:
        rows, columns = down * component.down, across * component.across
        out.append((start, rows, columns))
        start += 64 * rows * columns
    return out


@dataclass(frozen=True, eq=False)
class Order:
    """The blocks of a scan: where each begins, whose they are, how many to a restart."""

    blocks: NDArray[np.int32]
    which: NDArray[np.int64]
    per: int

    @property
    def parts(self) -> int:
        """Number of restart intervals."""
        return -(-self.blocks.size // self.per)


def scan_order(file: JpegFile, scan: Scan) -> Order:
    """Return the blocks of a scan: unit by unit, or row by row where it has one component."""
    spans = extents(file)
    if len(scan.components) == 1:
        place = scan.components[0][0]
        component, (start, rows_, columns) = file.components[place], spans[place]
        first = start // 64
        grid = np.arange(first, first + rows_ * columns, dtype=np.int32).reshape(rows_, columns)
        places = grid[: component.rows, : component.columns].reshape(-1)
        which = np.zeros(1, np.int64)
    else:
        grids, owners = [], []
        down, across = _grid(file)
        for j, (place, _, _) in enumerate(scan.components):
            component, (start, rows_, columns) = file.components[place], spans[place]
            v, h = component.down, component.across
            first = start // 64
            flat = np.arange(first, first + rows_ * columns, dtype=np.int32)
            units = flat.reshape(down, v, across, h).transpose(0, 2, 1, 3)
            grids.append(units.reshape(down, across, v * h))
            owners += [j] * (v * h)
        if len(owners) > 10:
            raise JpegFormatError("a scan has too many blocks in one unit")
        places, which = np.concatenate(grids, axis=2).reshape(-1), np.array(owners, np.int64)
    places *= 64
    return Order(places, which, scan.restart * which.size or places.size)
