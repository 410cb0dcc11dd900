"""Trellis search: the ring of back-pointers and the order of kernel calls."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stc.paths import Aside, Ends, Kept, Mark
from stc.sampling import Listed

__all__ = ["FIRST_RING", "PATH_LIMIT", "Blocks", "Layout", "Trellis", "search"]

# Bytes of back-pointers to begin with, and at most.
FIRST_RING = 3 << 23
PATH_LIMIT = 1 << 26
# Notes of the metrics in each turn of the ring, at least: paths that are kept end at one of them.
_PIECES = 8

# float32 holds a sum of 2**31 costs of this size, and leaves room for small ones beside it.
_LARGEST_COST = 2.0**60
_SMALLEST_MAXIMUM = 2.0**-40


@dataclass(frozen=True)
class Layout:
    """Where blocks end, and the columns of the two block widths."""

    ends: npt.NDArray[np.int64]
    narrow: npt.NDArray[np.int64]
    wide: npt.NDArray[np.int64]

    def blocks(self, listed: Listed | None = None) -> "Blocks":
        """Return the blocks as the kernels take them: of all elements, or of listed ones."""
        from stc import kernels  # the compiler may be imported

        widths = np.diff(self.ends)
        idle = np.zeros(widths.size, np.int16)
        if listed is None:
            column_of = np.empty(int(self.ends[-1]), np.int16)
            kernels.fill_columns(self.ends, self.narrow, self.wide, column_of)
            return Blocks(self.ends, column_of, idle, widths)
        block = np.searchsorted(self.ends, listed.index, side="right") - 1
        table = np.zeros((2, self.wide.size), np.int16)
        table[0, : self.narrow.size] = self.narrow
        table[1] = self.wide
        is_wide = (widths > self.narrow.size).astype(np.intp)
        column_of = table[is_wide[block], listed.index - self.ends[block]]
        ends = np.searchsorted(listed.index, self.ends)
        return Blocks(ends, column_of, idle, widths, listed)


@dataclass(frozen=True)
class Blocks:
    """Elements that a trellis is to know, block by block.

    Parameters
    ----------
    ends : (m + 1,) int64
        block b holds the elements ends[b] .. ends[b + 1] - 1
    column_of : (k,) int16
        their columns
    idle : (m,) int16
        XOR of the columns of those that are not listed and whose bit is 1
    widths : (m,) int64
        elements of each block, listed or not
    listed : Listed or None
        which elements these are, or None: all

    """

    ends: npt.NDArray[np.int64]
    column_of: npt.NDArray[np.int16]
    idle: npt.NDArray[np.int16]
    widths: npt.NDArray[np.int64]
    listed: Listed | None = None

    @property
    def n(self) -> int:
        """Elements, listed or not."""
        return self.column_of.size if self.listed is None else self.listed.n


def _metric_costs(cost: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Convert to float32, scaled by a power of two only where float32 would not hold the range."""
    finite_max = float(np.max(cost, initial=0.0))
    if finite_max == np.inf:
        finite_max = float(np.max(cost, where=cost < np.inf, initial=0.0))
    exponent = 0
    if finite_max > _LARGEST_COST or 0 < finite_max < _SMALLEST_MAXIMUM:
        exponent = -int(np.frexp(finite_max)[1])
    with np.errstate(under="ignore"):
        scaled = np.ldexp(cost, exponent) if exponent else cost
        return scaled.astype(np.float32)


def search(
    cover: npt.NDArray[np.uint8],
    message: npt.NDArray[np.uint8],
    cost: npt.NDArray[np.float64],
    live: npt.NDArray[np.bool_],
    blocks: Blocks,
    height: int,
    vector: bool | None,
) -> npt.NDArray[np.uint8] | None:
    """Return the cheapest stego that changes live elements only, or None.

    Parameters
    ----------
    cover : (n,) uint8, values {0, 1}
        bits of the cover
    message : (m,) uint8, values {0, 1}, 0 < m <= n
        bits of the message
    cost : (n,) float64 >= 0
        units of distortion; finite where `live`
    live : (n,) bool
        elements that may change; fewer in very wide blocks afterwards
    blocks : Blocks
        blocks and columns
    height : int
        constraint height
    vector : None or bool
        which of two equal state updates runs; None takes the faster

    Returns
    -------
    stego : (n,) uint8 or None where no path survives

    """
    trellis = Trellis(cover, message, cost, live, blocks, height, vector)
    return trellis.finish() if trellis.advance(message.size) else None


class Trellis:
    """One search with a ring of back-pointers, block after block.

    ::

        blocks   0 ········ done ············ low ·············· block ········ m
                 settled    few paths kept    rows of the ring   to come

    When the ring is full, the paths are followed back to where few of them are left, and what lies
    before is kept as these. Ties can keep many apart for ever (all costs zero); then the ring
    grows, up to `PATH_LIMIT`, and after that its blocks are put aside with the metrics they
    started from, to be run a second time when the end of their path is known.

    `live`, `stego` and the cover bits may still change in blocks that `advance` has not reached,
    as long as nothing that was not live becomes so.
    """

    def __init__(
        self,
        cover: npt.NDArray[np.uint8],
        message: npt.NDArray[np.uint8],
        cost: npt.NDArray[np.float64],
        live: npt.NDArray[np.bool_],
        blocks: Blocks,
        height: int,
        vector: bool | None,
    ) -> None:
        from stc import kernels, kernels_paths  # the compiler may be imported

        self.kernels, self.paths = kernels, kernels_paths
        self.size = 1 << height
        self.cover, self.message, self.live, self.ends = cover, message, live, blocks.ends
        self.cost = _metric_costs(cost)
        broad = blocks.widths > self.size
        if broad.any():
            kernels.keep_cheapest_columns(
                self.cost, blocks.ends, blocks.column_of, broad, self.size, live
            )
        n_live = int(np.count_nonzero(live))
        self.idle = blocks.idle
        self.fixed = (live, blocks.ends, blocks.column_of, height)
        self.vector = kernels.HAS_VECTOR and vector is not False
        self.widest = int(kernels.widest_block(live, blocks.ends))
        self.most_rows = max(self.widest, min(n_live, PATH_LIMIT // (self.size >> 3)))
        rows = max(self.widest, min(self.most_rows, FIRST_RING // (self.size >> 3)), 1)
        self.path = np.empty((rows, self.size >> 4), np.uint16)
        self.offsets = np.empty(message.size, np.int64)
        self.metrics = _on_a_cache_line(self.size)
        self.moved = np.empty(self.size, np.float32)
        self.stego = cover.copy()
        self.block, self.row = 0, 0
        self.low, self.low_row, self.done = 0, 0, 0
        self.parts: list[Kept | Aside] = []
        self.marks: list[Mark] = []
        self.metrics[:] = np.inf
        self.metrics[0] = 0.0
        self.origin = self.metrics.copy()

    def advance(self, stop: int) -> bool:
        """Go on through the blocks before `stop`; return whether any path survives."""
        while self.block < stop:
            end = self.low_row + len(self.path)
            room = min(end, self.row + max(self.widest, len(self.path) // _PIECES))
            self.block, self.row = self._forward(self.block, stop, self.row, room)
            if self.block < 0:
                return False
            self.marks.append(Mark(self.block, self.row, self.metrics.copy()))
            if self.block < stop and room == end:
                self._make_room()
        return True

    def settle(self) -> int:
        """Settle what can be settled; return the number of elements whose stego bit is final."""
        met = self._walk_back(self._survivors(), self.low, 1)
        if met.places.size == 1:
            self._write_ring(met.block, met.row, int(met.places[0]))
            self.origin = np.full(self.size, np.inf, np.float32)
            self.origin[met.places] = 0.0
            self._drop(met.block, met.row)
        if all(isinstance(part, Kept) for part in self.parts):
            self._settle_parts(met.places)
        return int(self.ends[self.done])

    def _settle_parts(self, places: npt.NDArray[np.int64]) -> None:
        """Settle what all paths through `places`, before the ring, have in common."""
        if not self.parts or places.size == 1:
            self._write_parts(len(self.parts))
            self.done = self.low
            return
        for number in range(len(self.parts) - 1, 0, -1):
            part = self.parts[number]
            assert isinstance(part, Kept)
            before = part.before[np.searchsorted(part.after, places)]
            places = np.flatnonzero(np.bincount(before))
            if places.size == 1:
                self.parts[number - 1].place = int(places[0])
                self._write_parts(number)
                self.done = part.start
                return

    def finish(self) -> npt.NDArray[np.uint8]:
        """Return the stego, after `advance` through the last block."""
        # Rows of the syndrome beyond the message do not exist, so only state 0 is left.
        self._write_ring(self.block, self.row, 0)
        self._write_parts(len(self.parts))
        self.path = np.empty((0, 0), np.uint16)  # a second layer may want the memory
        return self.stego

    def _forward(self, block: int, stop: int, row: int, room: int) -> tuple[int, int]:
        block, row = self.kernels.forward(
            self.cover, self.message, self.cost, *self.fixed, self.idle, self.metrics, self.moved,
            self.path, self.offsets, block, stop, row, room, self.vector,
        )  # fmt: skip
        return block, row

    def _backward(self, start: int, stop: int, row: int, place: int) -> int:
        """Write the stego of blocks start .. stop - 1, whose path ends in `place`."""
        before: int = self.kernels.backward(
            self.message, *self.fixed, self.path, self.offsets, start, stop, row, place, self.stego
        )
        return before

    def _walk_back(self, ends: Ends, start: int, enough: int) -> Ends:
        """Walk back to the last block boundary that all paths pass in `enough` places at most.

        Where there is none, that is `start`. If more than `kernels_paths.MANY` places are left,
        their number alone is right.
        """
        places = np.empty(self.size, np.int64)
        places[: ends.places.size] = ends.places
        block, row, count = self.paths.walk_back(
            self.message, *self.fixed, self.path, self.path.view(np.uint64), self.offsets, start,
            ends.block, ends.row, places, ends.places.size, enough,
        )  # fmt: skip
        return Ends(block, row, places[:count])

    def _survivors(self) -> Ends:
        """Return where all paths are now."""
        return Ends(self.block, self.row, np.flatnonzero(self.metrics < np.inf))

    def _write_ring(self, stop: int, row: int, place: int) -> None:
        """Write the blocks of the ring up to stop - 1, and note where the part before them ends."""
        place = self._backward(self.low, stop, row, place)
        if self.parts and self.parts[-1].place < 0:
            self.parts[-1].place = place

    def _write_parts(self, count: int) -> None:
        """Write the first `count` parts; it is known in which place the last of them ends."""
        place = -1
        for part in self.parts[count - 1 :: -1] if count else ():
            place = place if part.place < 0 else part.place
            if isinstance(part, Kept):
                path = int(np.searchsorted(part.after, place))
                first, last = self.ends[part.start], self.ends[part.stop]
                where = np.flatnonzero(self.live[first:last]) + first
                self.stego[where] = part.bits >> path & 1
                place = int(part.before[path])
            else:
                self.metrics[:] = part.metrics
                _, row = self._forward(part.start, part.stop, 0, len(self.path))
                place = self._backward(part.start, part.stop, row, place)
        del self.parts[:count]

    def _make_room(self) -> None:
        """Free rows of the full ring: keep few paths, grow or put aside."""
        few = self._walk_back(self._survivors(), self.low, self.paths.FEW)
        if few.places.size <= self.paths.FEW:
            self._keep_paths(few)
        used = self.row - self.low_row
        fits = used + self.widest <= len(self.path)
        if fits and 2 * used < len(self.path):
            return
        if len(self.path) < self.most_rows:
            self._grow()
        elif not fits:
            self.parts.append(Aside(start=self.low, stop=self.block, metrics=self.origin))
            self.origin = self.metrics.copy()
            self._drop(self.block, self.row)

    def _keep_paths(self, few: Ends) -> None:
        """Keep the paths through `few` in place of the ring's blocks up to the last mark before."""
        mark = next((mark for mark in reversed(self.marks) if mark.block <= few.block), None)
        if mark is None:
            return
        after = np.sort(self._walk_back(few, mark.block, 0).places)
        before, bits = after.copy(), np.empty(mark.row - self.low_row, np.uint16)
        self.paths.keep_paths(
            self.message, *self.fixed, self.path, self.offsets, self.low, mark.block, mark.row,
            before, bits,
        )  # fmt: skip
        self.parts.append(
            Kept(start=self.low, stop=mark.block, bits=bits, after=after, before=before)
        )
        self.origin = mark.metrics
        self._drop(mark.block, mark.row)

    def _drop(self, block: int, row: int) -> None:
        """Give up the rows before a block."""
        self.low, self.low_row = block, row
        self.marks = [mark for mark in self.marks if mark.block > block]

    def _grow(self) -> None:
        """Double the ring, keeping the rows that are in use."""
        larger = np.empty((min(2 * len(self.path), self.most_rows), self.size >> 4), np.uint16)
        row = self.low_row
        while row < self.row:
            old, new = row % len(self.path), row % len(larger)
            count = min(self.row - row, len(self.path) - old, len(larger) - new)
            larger[new : new + count] = self.path[old : old + count]
            row += count
        self.path = larger


def _on_a_cache_line(size: int) -> npt.NDArray[np.float32]:
    """Allocate floats that start on a cache line, so that no vector straddles two."""
    store = np.empty(size + 16, np.float32)
    start = (-store.ctypes.data % 64) // 4
    return store[start : start + size]
