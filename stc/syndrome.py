"""Syndromes, the receiver's arithmetic: compiled, and in numpy piece by piece.

A receiver loads nothing of the search for a stego.
"""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stc import submatrices
from stc.inputs import check_height, whole
from stc.kernels_syndrome import sum_columns

if TYPE_CHECKING:
    from stc.search import Layout

__all__ = [
    "ReadElements",
    "block_ends",
    "block_sums",
    "extract_ternary_from",
    "syndrome",
    "syndrome_of_layers",
]

# Elements looked at at once: some dozen numpy calls a piece cost as much as 2^14 elements do.
_PIECE = 1 << 18
# Blocks up to this width are summed column by column, wider ones all at once, the widest alone.
_NARROW = 64
_WIDE = 1 << 10

ReadElements = Callable[[int, int], npt.NDArray[Any]]
Columns = tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.integer[Any]]]
Run = tuple[int, npt.NDArray[np.uint32], int, npt.NDArray[Any], npt.NDArray[np.integer[Any]]]


def block_ends(index: npt.NDArray[np.int64], n: int, n_message: int) -> npt.NDArray[np.int64]:
    """Return round(index · n / n_message): where the blocks before `index` end."""
    return (2 * index * n + n_message) // (2 * n_message)


def extract_ternary_from(
    read: ReadElements, n: int, n_message: int, height: int = 10
) -> npt.NDArray[np.uint8]:
    """Read what `embed_ternary` put in with split="even", from elements that come in pieces.

    Takes memory for one piece and the message alone, and the same work whatever the elements are.

    Parameters
    ----------
    read : callable
        given start and stop, returns the elements start .. stop - 1, any integer dtype; each is
        asked for once, in ascending order
    n : int >= 1
        elements
    n_message : int in 0..2 * n
        bits of message, an even number
    height : int in 6..14
        as at embedding

    Returns
    -------
    message : (n_message,) uint8, values {0, 1}

    Raises
    ------
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> elements = np.zeros(8, np.int16)
    >>> stc.extract_ternary_from(lambda start, stop: elements[start:stop], 8, 4)
    array([0, 0, 0, 0], dtype=uint8)

    """
    height = check_height(height)
    if not 0 <= whole("n_message", n_message) <= 2 * n or n_message % 2:
        raise ValueError(f"n_message: got {n_message}; allowed: even numbers in 0..{2 * n}")
    if n_message == 0:
        return np.zeros(0, np.uint8)
    half = int(n_message) // 2
    pair = submatrices.columns(height, n // half), submatrices.columns(height, -(-n // half))
    return syndrome_of_layers(read, n, half, pair, 2)


def syndrome(
    stego: npt.NDArray[np.uint8], n_message: int, layout: "Layout"
) -> npt.NDArray[np.uint8]:
    """Return H · stego mod 2, (n_message,) uint8, for (n,) uint8 bits.

    Runs compiled where an embedding has loaded the compiler. Loading it for one extraction would
    take far longer than the extraction itself, so otherwise numpy does the same.
    """
    # Another thread may be in the middle of that import.
    compiled = getattr(sys.modules.get("stc.kernels"), "syndrome", None)
    if compiled is None or not getattr(compiled, "is_loaded", True):
        columns = layout.narrow, layout.wide
        return syndrome_of_layers(lambda a, b: stego[a:b], stego.size, n_message, columns, 1)
    message = np.empty(n_message, np.uint8)
    compiled(stego, layout.ends, layout.narrow, layout.wide, message)
    return message


def syndrome_of_layers(
    read: ReadElements, n: int, n_message: int, columns: Columns, layers: int
) -> npt.NDArray[np.uint8]:
    """Return the syndromes of the lowest bits of elements, one after the other.

    Parameters
    ----------
    read : callable
        given start and stop, returns the elements start .. stop - 1; each is asked for once, in
        ascending order
    n : int >= 1
        elements
    n_message : int in 1..n
        bits of one syndrome
    columns : two (width,) integer arrays
        of the two widths of blocks, n // n_message and the next one
    layers : 1 or 2
        how many of the lowest bits, each with a syndrome of its own

    Returns
    -------
    message : (layers * n_message,) uint8, values {0, 1}

    """
    rows = [_Rows(n_message) for _ in range(layers)]
    nothing = np.empty(0, np.intp)
    sums = block_sums(lambda a, b: (read(a, b), nothing), n, n_message, columns, layers)
    for _, pending, _, _, _ in sums:
        for layer in range(layers):
            rows[layer].add(pending >> np.uint32(16 * layer) & np.uint32(0xFFFF))
    message = np.empty((layers, n_message), np.uint8)
    for layer in range(layers):
        message[layer] = rows[layer].bits()
    return message.reshape(-1)


def block_sums(
    read: Callable[[int, int], tuple[npt.NDArray[Any], npt.NDArray[np.integer]]],
    n: int,
    n_message: int,
    columns: Columns,
    layers: int,
) -> Iterator[Run]:
    """Yield what each block contributes to the syndrome, run after run of blocks.

    Parameters
    ----------
    read : callable
        given start and stop, returns the elements start .. stop - 1 and whatever places of them
    n, n_message, columns, layers : as in `syndrome_of_layers`

    Yields
    ------
    first : int, the first block of a run
    pending : (blocks,) uint32, the XOR of the columns; that of a second layer 16 bits up
    start : int, the first element
    elements, places : what `read` returned

    """
    narrow, wide = (each.astype(np.uint32) for each in columns)
    step = max(1, _PIECE // wide.size)
    for first in range(0, n_message, step):
        index = np.arange(first, min(first + step, n_message) + 1, dtype=np.int64)
        ends = block_ends(index, n, n_message)
        start = int(ends[0])
        elements, places = read(start, int(ends[-1]))
        yield (
            first,
            _pending(_spread(elements, layers), ends, narrow, wide),
            start,
            elements,
            places,
        )


class _Rows:
    """Rows of a syndrome from what each block contributes to its own row and the next ones.

    Row i of block b's columns is row b + i of the syndrome. Sixteen blocks are folded into one
    word, which reaches into the rows of the next sixteen and no further, since a column has less
    than sixteen bits.
    """

    def __init__(self, n_message: int) -> None:
        self._message = np.zeros(-(-n_message // 16), np.uint16)
        self._size = n_message
        self._at = 0  # words that are closed
        self._open = np.zeros(0, np.uint32)  # blocks of the word that is not
        self._carried = np.uint32(0)

    def add(self, pending: npt.NDArray[np.uint32]) -> None:
        """Take the contributions of the blocks that come next."""
        blocks = np.concatenate([self._open, pending])
        whole = blocks.size // 16 * 16
        self._open = blocks[whole:]
        self._close(blocks[:whole])

    def bits(self) -> npt.NDArray[np.uint8]:
        """Return the rows, once all blocks were added."""
        self._close(np.pad(self._open, (0, -self._open.size % 16)))
        packed = self._message.astype("<u2").view(np.uint8)
        return np.unpackbits(packed, bitorder="little")[: self._size]

    def _close(self, words: npt.NDArray[np.uint32]) -> None:
        if not words.size:
            return
        for blocks in (1, 2, 4, 8):
            words = words[0::2] ^ (words[1::2] << np.uint32(blocks))
        rows = words.astype(np.uint16)
        beyond = words >> np.uint32(16)
        rows[0] ^= np.uint16(self._carried)
        rows[1:] ^= beyond[:-1].astype(np.uint16)
        self._message[self._at : self._at + rows.size] = rows
        self._at += rows.size
        self._carried = beyond[-1]


def _spread(elements: npt.NDArray[Any], layers: int) -> npt.NDArray[np.uint32]:
    """Return the lowest bit of each element and, of two layers, the next one sixteen places up.

    A column has less than sixteen bits: one product with it does the work for both layers.
    """
    values = elements.astype(np.uint32)
    bits = values & np.uint32(1)
    if layers == 2:
        values &= np.uint32(2)
        values <<= np.uint32(15)
        bits |= values
    return bits


def _pending(
    bits: npt.NDArray[np.uint32],
    ends: npt.NDArray[np.int64],
    narrow: npt.NDArray[np.uint32],
    wide: npt.NDArray[np.uint32],
) -> npt.NDArray[np.uint32]:
    """Return the XOR of the columns times the spread bits, for each block of a run."""
    starts, widths = ends[:-1] - ends[0], np.diff(ends)
    pending = np.empty(starts.size, np.uint32)
    if sum_columns.is_loaded:
        sum_columns(bits, ends, narrow, wide, pending)
        return pending
    for columns in {c.size: c for c in (narrow, wide)}.values():
        blocks = np.flatnonzero(widths == columns.size)
        places = starts[blocks]
        if columns.size > _WIDE:
            for block, place in zip(blocks.tolist(), places.tolist(), strict=True):
                used = bits[place : place + columns.size] * columns
                pending[block] = np.bitwise_xor.reduce(used)
        elif columns.size > _NARROW:
            used = bits.take(places[:, None] + np.arange(columns.size))
            used *= columns
            pending[blocks] = np.bitwise_xor.reduce(used, axis=1)
        else:
            sums = np.zeros(blocks.size, np.uint32)
            for column in columns:
                sums ^= bits.take(places) * column
                places += 1
            pending[blocks] = sums
    return pending
