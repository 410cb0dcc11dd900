"""Compiled loops over elements and trellis states. No validation here: `codec` has done it.

Legend: n elements, m message bits, h the constraint height, S = 2**h states in vectors of 16,
block b = elements ends[b] .. ends[b + 1] - 1, which close message bit b. A state is the pending
syndrome; stego bit 1 XORs the element's column into it.

Two devices keep the work at (live elements) * S:

* an element that is not live keeps its cover bit. If that bit is 1, every state moves by the
  same XOR, which costs nothing when the states are renamed instead: state s lives at metrics
  index s ^ offset, and a step commutes with the renaming.
* the state update runs in place over the pairs (s, s ^ column); which of the two stego bits won
  is one bit per state.
"""

import numpy as np
import numpy.typing as npt
from numba import config

from stc._jit import jit
from stc._vector_ir import step_vector

__all__ = ["HAS_VECTOR", "backward", "forward", "keep_cheapest", "step_plain", "syndrome"]

# The intrinsic exists only in compiled code.
HAS_VECTOR = not vars(config)["DISABLE_JIT"]

Bits = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]
Metrics = npt.NDArray[np.float32]
Path = npt.NDArray[np.uint16]


@jit
def step_plain(
    metrics: Metrics,
    moved: Metrics,
    path: Path,
    column: int,
    price0: np.float32,
    price1: np.float32,
) -> None:
    """Add-compare-select over all states with stego bit 1 on a tie.

    `moved` (S,) float32 is scratch; `path` (S / 16,) uint16 receives bit j of word b for state
    16 * b + j.
    """
    for block in range(path.size):
        word = np.uint32(0)
        for j in range(16):
            s = 16 * block + j
            stay = metrics[s] + price0
            come = metrics[np.uintp(s ^ column)] + price1
            moved[s] = min(stay, come)
            if come <= stay:
                word |= np.uint32(1) << np.uint32(j)
        path[block] = word
    metrics[:] = moved


@jit
def forward(
    cover: Bits,
    message: Bits,
    cost: Metrics,
    live: Mask,
    ends: Whole,
    narrow: Whole,
    wide: Whole,
    height: int,
    metrics: Metrics,
    moved: Metrics,
    path: Path,
    offsets: Whole,
    start: int,
    stop: int,
    vector: bool,
) -> bool:
    """Run the trellis over blocks start .. stop - 1; return whether any path survives.

    `metrics` (S,) comes in as the previous block left it. `path` (live elements, S / 16) and
    `offsets` (m,) are filled. `narrow` and `wide` are the columns of the two block widths,
    floor(n/m) and ceil(n/m). Metrics are float32 and renormalised after each block, so neither
    length nor one forced expensive change takes precision from what follows.
    """
    size = metrics.size
    half = size >> 1
    n_message = message.size
    zero = np.float32(0.0)
    infinity = np.float32(np.inf)
    at_metrics = metrics.ctypes.data
    at_path = path.ctypes.data
    stride = size >> 3
    # Metrics are never negative, so their bit patterns sort as they do; unlike a float
    # minimum, an integer one needs no fastmath to be vectorised.
    moved_bits = moved.view(np.int32)
    least_value = np.empty(1, np.float32)
    least_bits = least_value.view(np.int32)
    infinity_bits = np.int32(0x7F800000)
    offset = offsets[start - 1] >> 1 if start else 0
    row = 0
    for b in range(start, stop):
        first, last = ends[b], ends[b + 1]
        mask = (1 << min(height, n_message - b)) - 1
        columns = narrow if last - first == narrow.size else wide
        for i in range(first, last):
            column = columns[i - first] & mask
            if live[i]:
                price0 = cost[i] if cover[i] else zero
                price1 = zero if cover[i] else cost[i]
                if vector:
                    top = 1
                    while top << 5 <= column:
                        top <<= 1
                    step_vector(
                        at_metrics, at_path + row * stride, size >> 4, column, top, price0, price1
                    )
                else:
                    step_plain(metrics, moved, path[row], column, price0, price1)
                row += 1
            elif cover[i]:
                offset ^= column
        # States whose row 0 equals the message bit survive and shift down by one row.
        offsets[b] = offset
        parity = int(message[b]) ^ (offset & 1)
        offset >>= 1
        for s in range(half):
            moved[s] = metrics[2 * s + parity]
        least = moved_bits[0]
        for s in range(half):
            least = min(least, moved_bits[s])
        if least >= infinity_bits:
            return False
        least_bits[0] = least
        lowest = least_value[0]
        for s in range(half):
            metrics[s] = moved[s] - lowest
        metrics[half:] = infinity
    return True


@jit
def backward(
    cover: Bits,
    message: Bits,
    live: Mask,
    ends: Whole,
    narrow: Whole,
    wide: Whole,
    height: int,
    path: Path,
    offsets: Whole,
    start: int,
    stop: int,
    rows: int,
    state: int,
    stego: Bits,
) -> int:
    """Walk back from `state` after block stop - 1; return the state before block start.

    Writes the stego bits, the last element first; `rows` of `path` are in use.
    """
    row = rows
    n_message = message.size
    for b in range(stop - 1, start - 1, -1):
        first, last = ends[b], ends[b + 1]
        mask = (1 << min(height, n_message - b)) - 1
        columns = narrow if last - first == narrow.size else wide
        state = (state << 1) | int(message[b])
        offset = offsets[b]
        for i in range(last - 1, first - 1, -1):
            column = columns[i - first] & mask
            if live[i]:
                row -= 1
                place = state ^ offset
                bit = (path[row, place >> 4] >> (place & 15)) & 1
                stego[i] = bit
                if bit:
                    state ^= column
            elif cover[i]:
                offset ^= column
                state ^= column
    return state


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
