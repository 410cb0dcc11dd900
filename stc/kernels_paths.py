"""Compiled walks back along the paths of a trellis, and the few that are kept of them.

Legend as in `stc.kernels`. Walking back from all places, most paths soon meet; what lies before a
block that no more than 16 of them pass is kept as these paths, a bit each instead of one for each
state, and its rows of the ring are free again.
"""

import numpy as np
import numpy.typing as npt

from stc.jit import jit

__all__ = ["FEW", "MANY", "keep_paths", "walk_back"]

Bits = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]
Path = npt.NDArray[np.uint16]
Columns = npt.NDArray[np.int16]
Words = npt.NDArray[np.uint64]
WordRows = npt.NDArray[np.uint64]
Kept = npt.NDArray[np.uint16]

# Paths that are kept one by one, a bit each; and places beyond which a set of them, a bit each,
# is moved faster than a list.
FEW = 16
MANY = 256


@jit
def _double(bits: Words, parity: int) -> None:
    """Move each place s of a set of places, a bit each, to 2 s + parity."""
    for w in range(bits.size - 1, -1, -1):
        word = bits[w >> 1] >> np.uint64(32 * (w & 1)) & np.uint64(0xFFFFFFFF)
        word = (word | word << np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
        word = (word | word << np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
        word = (word | word << np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
        word = (word | word << np.uint64(2)) & np.uint64(0x3333333333333333)
        word = (word | word << np.uint64(1)) & np.uint64(0x5555555555555555)
        bits[w] = word << np.uint64(parity)


@jit
def _undo_step(bits: Words, flipped: Words, column: int, moved: Words) -> None:
    """Move those places of a set that are `flipped` by XOR with a column; `moved` is scratch."""
    for w in range(bits.size):
        moved[w] = bits[w] & flipped[w]
        bits[w] &= ~flipped[w]
    mask = np.uint64(0xFFFFFFFF)
    for k in range(5, -1, -1):
        shift = np.uint64(1 << k)
        if k < 5:
            mask ^= mask << shift
        if column >> k & 1:
            for w in range(bits.size):
                moved[w] = (moved[w] & mask) << shift | moved[w] >> shift & mask
    high = column >> 6
    for w in range(bits.size):
        bits[w] |= moved[np.uintp(w ^ high)]


@jit
def _list_places(bits: Words, places: Whole, most: int) -> int:
    """Return how many places are in a set, and list them if there are no more than `most`."""
    count = np.int64(0)
    for w in range(bits.size):
        word = bits[w]
        word -= word >> np.uint64(1) & np.uint64(0x5555555555555555)
        word = (word & np.uint64(0x3333333333333333)) + (
            word >> np.uint64(2) & np.uint64(0x3333333333333333)
        )
        word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        count += np.int64(word * np.uint64(0x0101010101010101) >> np.uint64(56))
    if count <= most:
        at = 0
        for place in range(64 * bits.size):
            if bits[place >> 6] >> np.uint64(place & 63) & np.uint64(1):
                places[at] = place
                at += 1
    return int(count)


@jit
def _undo_in_list(
    places: Whole, count: int, flipped: Path, slot: int, column: int, seen: Whole, row: int
) -> int:
    """Move the first places of a list as `_undo_step` does; return how many different are left."""
    left = 0
    for k in range(count):
        place = places[k]
        if (flipped[slot, place >> 4] >> (place & 15)) & 1:
            place ^= column
        if seen[place] != row:
            seen[place] = row
            places[left] = place
            left += 1
    return left


@jit
def walk_back(
    message: Bits,
    live: Mask,
    ends: Whole,
    column_of: Columns,
    height: int,
    path: Path,
    words: WordRows,
    offsets: Whole,
    start: int,
    stop: int,
    row: int,
    places: Whole,
    count: int,
    enough: int,
) -> tuple[int, int, int]:
    """Walk back from `count` different places until no more than `enough` are left.

    The first `count` of `places` (S,) are after block stop - 1, `row` rows written; the ones left
    take their place there, each once, if they are no more than MANY. `words` (rows, S / 64) is
    `path`.

    Returns (block, row, count): the last block boundary, not before `start`, that all paths pass
    in so few places, or else `start`, and how many are left there.
    """
    rows = path.shape[0]
    slot = row % rows
    n_message = message.size
    seen = np.full(places.size, -1, np.int64)
    bits = np.zeros(places.size >> 6, np.uint64)
    moved = np.zeros(places.size >> 6, np.uint64)
    wide = count > MANY
    if wide:
        for k in range(count):
            bits[places[k] >> 6] |= np.uint64(1) << np.uint64(places[k] & 63)
    for b in range(stop - 1, start - 1, -1):
        first, last = ends[b], ends[b + 1]
        mask = (1 << min(height, n_message - b)) - 1
        parity = int(message[b]) ^ (offsets[b] & 1)
        if wide:
            _double(bits, parity)
        else:
            for k in range(count):
                places[k] = (places[k] << 1) | parity
        for i in range(last - 1, first - 1, -1):
            if not live[i]:
                continue
            column = np.int64(column_of[i]) & mask
            row -= 1
            slot = slot - 1 if slot else rows - 1
            if wide:
                _undo_step(bits, words[slot], column, moved)
            else:
                count = _undo_in_list(places, count, path, slot, column, seen, row)
        if wide:
            count = _list_places(bits, places, MANY)
            wide = count > MANY
        if count <= enough:
            return b, row, count
    return start, row, count


@jit
def keep_paths(
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
    places: Whole,
    kept: Kept,
) -> None:
    """Write down the paths that end in `places` (k,), at most FEW, after block stop - 1.

    Bit j of kept[i] is the stego bit of path j at the i-th live element from block `start` on;
    `kept` has one number for each. Leaves in `places` where the paths are before block `start`.
    """
    rows = path.shape[0]
    slot = row % rows
    n_message = message.size
    at = kept.size
    for b in range(stop - 1, start - 1, -1):
        first, last = ends[b], ends[b + 1]
        mask = (1 << min(height, n_message - b)) - 1
        parity = int(message[b]) ^ (offsets[b] & 1)
        for k in range(places.size):
            places[k] = (places[k] << 1) | parity
        for i in range(last - 1, first - 1, -1):
            if live[i]:
                slot = slot - 1 if slot else rows - 1
                at -= 1
                column = np.int64(column_of[i]) & mask
                word = np.int64(0)
                for k in range(places.size):
                    place = places[k]
                    bit = np.int64((path[slot, place >> 4] >> (place & 15)) & 1)
                    places[k] = place ^ (column & -bit)
                    word |= bit << k
                kept[at] = np.uint16(word)
