"""Compiled loops over elements and trellis states. No validation here: `codec` has done it.

Legend: n elements, m message bits, h the constraint height, S = 2**h states in vectors of 16,
block b = elements ends[b] .. ends[b + 1] - 1, which close message bit b. A state is the pending
syndrome; stego bit 1 XORs the element's column into it. Of a large cover, only the elements that
may change are listed; idle[b] is the XOR of the columns of the others in block b whose bit is 1.

Three devices keep the work at (live elements) * S and the memory small:

* an element that is not live keeps its cover bit. If that bit is 1, every state moves by the
  same XOR, which costs nothing when the states are renamed instead: state s lives at the place
  s ^ offset, and a step commutes with the renaming.
* the state update runs in place over the pairs (s, s ^ column); which of the two stego bits won
  is one bit per state.
* the back-pointers of one live element are a row of a ring; `kernels_paths` frees rows again.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.jit import COMPILES, jit

__all__ = [
    "HAS_VECTOR",
    "backward",
    "close_plain",
    "fill_columns",
    "find_idle",
    "forward",
    "keep_cheapest",
    "keep_cheapest_columns",
    "listed_syndrome",
    "step_plain",
    "syndrome",
    "widest_block",
]

# The intrinsics exist only in compiled code: `jit` puts them here right before it compiles.
HAS_VECTOR = COMPILES
step_vector: Any = None
close_vector: Any = None

Bits = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]
Metrics = npt.NDArray[np.float32]
Path = npt.NDArray[np.uint16]
Columns = npt.NDArray[np.int16]


@jit
def step_plain(
    metrics: Metrics,
    moved: Metrics,
    path: Path,
    column: int,
    cost0: np.float32,
    cost1: np.float32,
) -> None:
    """Add-compare-select over all states with stego bit 1 on a tie.

    `moved` (S,) float32 is scratch; `path` (S / 16,) uint16 receives bit j of word b for state
    16 * b + j.
    """
    for block in range(path.size):
        word = np.uint32(0)
        for j in range(16):
            s = 16 * block + j
            stay = metrics[s] + cost0
            come = metrics[np.uintp(s ^ column)] + cost1
            moved[s] = min(stay, come)
            if come <= stay:
                word |= np.uint32(1) << np.uint32(j)
        path[block] = word
    for s in range(metrics.size):
        metrics[s] = moved[s]


@jit
def close_plain(metrics: Metrics, parity: int) -> np.float32:
    """Keep every second metric, from `parity` on, in the lower half, less the least of them.

    The upper half, which the next block cannot reach, becomes inf. Returns the least one kept.
    """
    half = metrics.size >> 1
    least = np.float32(np.inf)
    for s in range(half):
        metrics[s] = metrics[2 * s + parity]
        least = min(least, metrics[s])
    if least < np.inf:
        for s in range(half):
            metrics[s] -= least
    for s in range(half, metrics.size):
        metrics[s] = np.float32(np.inf)
    return least


@jit
def _count(live: Mask, first: int, last: int) -> int:
    """Return how many of some elements are live."""
    count = 0
    for i in range(first, last):
        count += live[i]
    return count


@jit(step_vector="stc._vector_ir", close_vector="stc._vector_ir")
def forward(
    cover: Bits,
    message: Bits,
    cost: Metrics,
    live: Mask,
    ends: Whole,
    column_of: Columns,
    height: int,
    idle: Columns,
    metrics: Metrics,
    moved: Metrics,
    path: Path,
    offsets: Whole,
    start: int,
    stop: int,
    row: int,
    room: int,
    vector: bool,
) -> tuple[int, int]:
    """Run the trellis over blocks start .. stop - 1, or as far as `room` rows of path allow.

    `metrics` (S,) comes in as the previous block left it; `moved` (S,) is scratch. `path`
    (rows, S / 16) is the ring, `row` counts the rows written so far and may not pass `room`.
    `offsets` (m,) receives the renaming at the end of each block. Metrics are float32 and
    renormalised after each block, so neither length nor one forced expensive change takes
    precision from what follows.

    Returns the next block and the next row; block -1 if no path survives.
    """
    zero = np.float32(0.0)
    n_message = message.size
    size = metrics.size
    stride = size >> 3
    rows = path.shape[0]
    at_metrics = metrics.ctypes.data
    at_path = path.ctypes.data
    slot = row % rows
    offset = offsets[start - 1] >> 1 if start else 0
    for b in range(start, stop):
        first, last = ends[b], ends[b + 1]
        if row + last - first > room and row + _count(live, first, last) > room:
            stop = b
            break
        mask = (1 << min(height, n_message - b)) - 1
        offset ^= np.int64(idle[b]) & mask
        for i in range(first, last):
            column = np.int64(column_of[i]) & mask
            if live[i]:
                cost0 = cost[i] if cover[i] else zero
                cost1 = zero if cover[i] else cost[i]
                if vector:
                    top = 1
                    while top << 5 <= column:
                        top <<= 1
                    step_vector(
                        at_metrics, at_path + slot * stride, size >> 4, column, top, cost0, cost1
                    )
                else:
                    step_plain(metrics, moved, path[slot], column, cost0, cost1)
                row += 1
                slot += 1
                if slot == rows:
                    slot = 0
            elif cover[i]:
                offset ^= column
        # Places whose lowest bit is that of the message survive and move down by one row.
        offsets[b] = offset
        parity = int(message[b]) ^ (offset & 1)
        offset >>= 1
        if vector:
            least = close_vector(at_metrics, size >> 4, parity)
        else:
            least = close_plain(metrics, parity)
        if least == np.inf:
            return -1, row
    return stop, row


@jit
def keep_cheapest_columns(
    cost: Metrics, ends: Whole, column_of: Columns, broad: Mask, size: int, live: Mask
) -> None:
    """Leave one element for each of `size` columns alive in `broad` blocks, the cheapest.

    Two changes with one column undo each other, so no solution needs the costlier of them.
    """
    for b in range(ends.size - 1):
        first, last = ends[b], ends[b + 1]
        if not broad[b]:
            continue
        cheapest = np.full(size, -1, np.int64)
        for i in range(first, last):
            best = cheapest[column_of[i]]
            if live[i] and (best < 0 or cost[i] < cost[best]):
                cheapest[column_of[i]] = i
        live[first:last] = False
        for column in range(size):
            if cheapest[column] >= 0:
                live[cheapest[column]] = True


@jit
def widest_block(live: Mask, ends: Whole) -> int:
    """Return the largest number of live elements in a block."""
    widest = 0
    for b in range(ends.size - 1):
        count = 0
        for i in range(ends[b], ends[b + 1]):
            count += live[i]
        widest = max(widest, count)
    return widest


@jit
def backward(
    message: Bits,
    live: Mask,
    ends: Whole,
    column_of: Columns,
    height: int,
    path: Path,
    offsets: Whole,
    start: int,
    stop: int,
    row: int,
    place: int,
    stego: Bits,
) -> int:
    """Walk back from `place` after block stop - 1; return the place before block start.

    Writes the stego bits of the live elements; `row` rows have been written before block stop.
    """
    rows = path.shape[0]
    slot = row % rows
    n_message = message.size
    for b in range(stop - 1, start - 1, -1):
        first, last = ends[b], ends[b + 1]
        mask = (1 << min(height, n_message - b)) - 1
        place = (place << 1) | (int(message[b]) ^ (offsets[b] & 1))
        for i in range(last - 1, first - 1, -1):
            if live[i]:
                slot = slot - 1 if slot else rows - 1
                bit = (path[slot, np.uintp(place >> 4)] >> np.uint16(place & 15)) & 1
                stego[i] = bit
                # No branch: nothing could predict it.
                place ^= np.int64(column_of[np.uintp(i)]) & mask & -np.int64(bit)  # type: ignore[assignment]
    return place


@jit
def keep_cheapest(cost: npt.NDArray[np.float64], ends: Whole, live: Mask) -> None:
    """Make the two cheapest dry elements of every block live."""
    for b in range(ends.size - 1):
        best, second = -1, -1
        for i in range(ends[b], ends[b + 1]):
            if cost[i] == np.inf:
                continue
            if best < 0 or cost[i] < cost[best]:
                best, second = i, best
            elif second < 0 or cost[i] < cost[second]:
                second = i
        if best >= 0:
            live[best] = True
        if second >= 0:
            live[second] = True


@jit
def syndrome(stego: Bits, ends: Whole, narrow: Whole, wide: Whole, message: Bits) -> None:
    """Fill `message` (m,) with the syndrome of `stego` (n,); integers only."""
    state = 0
    for b in range(message.size):
        first, last = ends[b], ends[b + 1]
        columns = narrow if last - first == narrow.size else wide
        for i in range(first, last):
            state ^= columns[i - first] & -np.int64(stego[i])
        message[b] = state & 1
        state >>= 1


@jit
def fill_columns(ends: Whole, narrow: Whole, wide: Whole, column_of: Columns) -> None:
    """Write the column of each element; `narrow` and `wide` are those of the two block widths."""
    for b in range(ends.size - 1):
        first, last = ends[b], ends[b + 1]
        columns = narrow if last - first == narrow.size else wide
        for i in range(first, last):
            column_of[i] = columns[i - first]


@jit
def find_idle(bits: Bits, ends: Whole, column_of: Columns, idle: Columns) -> None:
    """Take the listed elements out of `idle`, which comes in as the XOR of all in each block."""
    for b in range(ends.size - 1):
        total = idle[b]
        for i in range(ends[b], ends[b + 1]):
            if bits[i]:
                total ^= column_of[i]
        idle[b] = total


@jit
def listed_syndrome(
    bits: Bits, ends: Whole, column_of: Columns, idle: Columns, message: Bits
) -> None:
    """Fill `message` (m,) with the syndrome; of elements that are not listed by way of `idle`."""
    state = 0
    for b in range(message.size):
        state ^= np.int64(idle[b])  # type: ignore[assignment]
        for i in range(ends[b], ends[b + 1]):
            state ^= np.int64(column_of[i]) & -np.int64(bits[i])  # type: ignore[assignment]
        message[b] = state & 1
        state >>= 1
