"""Huffman tables of JPEG files: their codes, and the best table for given frequencies."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from deephide.formats.jpeg.segments import HuffmanTable

__all__ = ["codes", "lookup", "optimal"]

_LONGEST = 16


def _sizes(table: HuffmanTable) -> NDArray[np.int64]:
    return np.repeat(np.arange(1, 17), list(table.counts))


def lookup(table: HuffmanTable) -> NDArray[np.uint16]:
    """Return, for each 16 bits, 256 · length + symbol of the code they begin with; 0 for none."""
    sizes = _sizes(table)
    entries = (sizes << 8) + np.frombuffer(table.symbols, np.uint8)
    out = np.zeros(1 << 16, np.uint16)
    # Codes of one length follow one another, and longer ones follow shorter ones.
    filled = np.repeat(entries, 1 << (_LONGEST - sizes))
    out[: filled.size] = filled
    return out


def codes(table: HuffmanTable) -> NDArray[np.int64]:
    """Return the code and its length for each of the 256 symbols; length 0 where there is none."""
    sizes = _sizes(table)
    spans = 1 << (_LONGEST - sizes)
    starts = np.cumsum(spans) - spans
    out = np.zeros((256, 2), np.int64)
    symbols = np.frombuffer(table.symbols, np.uint8)
    # Of a symbol that is listed twice, encoders use one code; decoders know both.
    out[symbols, 0], out[symbols, 1] = starts >> (_LONGEST - sizes), sizes
    return out


def optimal(frequencies: NDArray[np.int64]) -> tuple[bytes, bytes]:
    """Return (counts, symbols) of the table that T.81, K.2 makes, as libjpeg does.

    Parameters
    ----------
    frequencies : (256,) int64, how often each symbol occurs; one at least does
    """
    # One more symbol keeps the code of ones alone free.
    heap = [(int(frequencies[j]), -j) for j in range(256) if frequencies[j]] + [(1, -256)]
    heapq.heapify(heap)
    length = [0] * 257
    groups = [[symbol] for symbol in range(257)]
    while len(heap) > 1:
        # The rarest; among equals the one that comes last.
        (count, one), (more, other) = heapq.heappop(heap), heapq.heappop(heap)
        groups[-one] += groups[-other]
        for symbol in groups[-one]:
            length[symbol] += 1
        heapq.heappush(heap, (count + more, one))
    counts = [0] * (max(length) + 2)
    for each in length:
        counts[each] += bool(each)
    for size in range(len(counts) - 1, _LONGEST, -1):
        while counts[size]:
            shorter = size - 2
            while not counts[shorter]:
                shorter -= 1
            counts[size] -= 2
            counts[size - 1] += 1
            counts[shorter + 1] += 2
            counts[shorter] -= 1
    counts = (counts + [0] * 17)[: _LONGEST + 1]
    counts[max(size for size in range(17) if counts[size])] -= 1
    used = sorted((size, symbol) for symbol, size in enumerate(length[:256]) if size)
    return bytes(counts[1:]), bytes(symbol for _, symbol in used)
