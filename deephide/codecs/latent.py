"""Integers of a W+ code to bytes and back: the entropy coder.

The receiver only ever handles integers.  Symbols are coded with asymmetric numeral systems
(rANS; `constriction`'s stack coder: 64-bit state, 32-bit words, 24-bit frequencies) under the
integer tables that travel with the model.  Value v is symbol 2v - 1 if v > 0, else -2v, so that
the value 0 is symbol 0; the state starts at 1, which symbol 0 leaves as it is: the zeros that
are coded first cost nothing, and bytes that are missing or left over do not lead back to 1.

Why no rounding can differ between machines: `constriction` builds a table of k symbols from
float weights by giving each symbol one unit and sharing the remaining 2**24 - k units in
proportion.  The weights handed over here are freq - 1, whose sum is exactly 2**24 - k, so the
scale factor is exactly 1.0 and every partial sum is an integer below 2**53: all the float
arithmetic is exact, and the coder's table is the model's table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import constriction
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from e2style.quantizer import Quantizer

__all__ = ["LatentFormatError", "decode", "encode"]

FREQUENCY_BITS = 24
_WORD_BYTES = 4
_START = np.array([1], dtype=np.uint32)


class LatentFormatError(ValueError):
    """The bytes are not what `encode` would have written."""


def _groups(quantizer: Quantizer) -> list[tuple[NDArray[np.int64], object]]:
    """Return the flat places and the coder's model of each table in use, last row first.

    Rows are sorted by spread, so the most certain symbols are decoded last and coded first.
    """
    flat = quantizer.table_index.ravel()
    tables = np.asarray(quantizer.tables, dtype=np.int64)
    columns = _values(np.arange(tables.shape[1])) + quantizer.radius
    groups = []
    for row in range(len(tables) - 1, -1, -1):
        places = np.flatnonzero(flat == row)
        if places.size:
            weights = (tables[row, columns] - 1).astype(np.float64)
            model = constriction.stream.model.Categorical(weights, perfect=False)
            groups.append((places, model))
    return groups


def _symbols(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(values > 0, 2 * values - 1, -2 * values).astype(np.int32)


def _values(symbols: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(symbols % 2 == 1, (symbols + 1) // 2, -(symbols // 2)).astype(np.int32)


def encode(integers: NDArray[np.int32], quantizer: Quantizer) -> bytes:
    """Compress the integers.

    Parameters
    ----------
    integers : (n, 512) int32 in -r..r
    quantizer : the model's

    Returns
    -------
    bytes that never end in a zero byte; their length is part of the code

    Raises
    ------
    ValueError : wrong shape, or an integer outside the range of the tables
    """
    radius = quantizer.radius
    if integers.shape != quantizer.table_index.shape:
        raise ValueError(
            f"integers: got shape {integers.shape}, expected {quantizer.table_index.shape}"
        )
    if np.any(np.abs(integers.astype(np.int64)) > radius):
        raise ValueError(f"integers: allowed -{radius}..{radius}")
    symbols = _symbols(integers.ravel())
    coder = constriction.stream.stack.AnsCoder(_START)
    # The coder is a stack: what goes in last comes out first.
    for places, model in reversed(_groups(quantizer)):
        coder.encode_reverse(symbols[places], model)
    words = np.asarray(coder.get_compressed(), dtype="<u4")
    return words.tobytes().rstrip(b"\x00")


def decode(data: bytes, quantizer: Quantizer) -> NDArray[np.int32]:
    """Invert `encode`, and accept nothing that `encode` would not have written.

    Raises
    ------
    LatentFormatError : bytes are missing, left over or not in canonical form
    """
    symbols = np.empty(quantizer.table_index.size, dtype=np.int32)
    # No symbol can take more than 24 bits, and the final state adds at most 8 bytes.
    if len(data) > symbols.size * FREQUENCY_BITS // 8 + 2 * _WORD_BYTES:
        raise LatentFormatError("the compressed code is longer than any code can be")
    if data.endswith(b"\x00"):
        raise LatentFormatError("the compressed code ends in a zero byte")
    padded = data + bytes(-len(data) % _WORD_BYTES)
    words = np.frombuffer(padded, dtype="<u4").astype(np.uint32)
    coder = constriction.stream.stack.AnsCoder(words)
    for places, model in _groups(quantizer):
        symbols[places] = coder.decode(model, int(places.size))
    integers = _values(symbols).reshape(quantizer.table_index.shape)
    # Whatever is missing or left over shows as a difference when the integers are coded again.
    if encode(integers, quantizer) != data:
        raise LatentFormatError("the compressed code is not in canonical form")
    return integers
