"""Syndromes, the receiver's arithmetic: compiled, and in numpy for a process that only extracts."""

import sys

import numpy as np
import numpy.typing as npt

from stc.search import Layout

__all__ = ["syndrome", "syndrome_numpy"]

# Elements gathered at once: enough to amortise a numpy call, few enough to stay in cache.
_CHUNK = 1 << 16


def syndrome(stego: npt.NDArray[np.uint8], n_message: int, layout: Layout) -> npt.NDArray[np.uint8]:
    """Return H · stego mod 2, (n_message,) uint8, for (n,) uint8 bits.

    Runs compiled where an embedding has loaded the compiler. Loading it for one extraction would
    take far longer than the extraction itself, so otherwise numpy does the same.
    """
    # Another thread may be in the middle of that import.
    compiled = getattr(sys.modules.get("stc.kernels"), "syndrome", None)
    if compiled is None:
        return syndrome_numpy(stego, n_message, layout)
    message = np.empty(n_message, np.uint8)
    compiled(stego, layout.ends, layout.narrow, layout.wide, message)
    return message


def syndrome_numpy(
    stego: npt.NDArray[np.uint8], n_message: int, layout: Layout
) -> npt.NDArray[np.uint8]:
    """Return what `syndrome` does, by whole blocks of equal width at a time."""
    starts, widths = layout.ends[:-1], np.diff(layout.ends)
    pending = np.empty(n_message, np.uint32)  # XOR of the columns where a block's stego is 1
    for columns in {c.size: c for c in (layout.narrow, layout.wide)}.values():
        blocks = np.flatnonzero(widths == columns.size)
        words, places = columns.astype(np.uint32), np.arange(columns.size)
        step = max(1, _CHUNK // columns.size)
        for first in range(0, blocks.size, step):
            some = blocks[first : first + step]
            bits = stego[starts[some, None] + places]
            pending[some] = np.bitwise_xor.reduce(bits * words, axis=1)
    # Row i of block b's columns is row b + i of the syndrome.
    message = np.zeros(n_message, np.uint8)
    for row in range(min(n_message, int(pending.max()).bit_length())):
        message[row:] ^= ((pending[: n_message - row] >> np.uint32(row)) & 1).astype(np.uint8)
    return message
