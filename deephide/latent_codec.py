"""W+ codes to integers to bytes: a fixed-point quantiser and an entropy coder.

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

from typing import Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

__all__ = ["LatentFormatError", "Quantizer", "decode", "dequantise", "encode", "quantise"]

FREQUENCY_BITS = 24
_TOTAL = 1 << FREQUENCY_BITS
_WORD_BYTES = 4
_START = np.array([1], dtype=np.uint32)


class LatentFormatError(ValueError):
    """The bytes are not what `encode` would have written."""


class Quantizer(Protocol):
    """The numbers of a model that the codec needs."""

    @property
    def w_avg(self) -> NDArray[np.float32]:
        """(n, 512), what the integer 0 stands for."""

    @property
    def step(self) -> NDArray[np.float32]:
        """(n, 512), distance of neighbouring integers, > 0."""

    @property
    def table_index(self) -> NDArray[np.uint8]:
        """(n, 512), which row of `tables` a symbol uses."""

    @property
    def tables(self) -> NDArray[np.uint32]:
        """(k, 2r + 1), frequencies of -r..r; each >= 1, rows sum to 2**24."""


def check_quantizer(quantizer: Quantizer) -> int:
    """Return r, the largest integer the tables can code.

    Raises
    ------
    ValueError : shapes disagree, a frequency is zero, or a row does not sum to 2**24
    """
    tables = np.asarray(quantizer.tables, dtype=np.int64)
    if tables.ndim != 2 or tables.shape[1] < 3 or tables.shape[1] % 2 == 0:
        raise ValueError(f"tables: got shape {tables.shape}, expected (k, 2r + 1) with r >= 1")
    if tables.min() < 1 or np.any(tables.sum(axis=1) != _TOTAL):
        raise ValueError(f"tables: every frequency must be >= 1 and every row sum to {_TOTAL}")
    shape = quantizer.table_index.shape
    if quantizer.w_avg.shape != shape or quantizer.step.shape != shape:
        raise ValueError("quantizer: w_avg, step and table_index differ in shape")
    if int(quantizer.table_index.max()) >= len(tables):
        raise ValueError("table_index: points behind the last table")
    return int(tables.shape[1] - 1) // 2


def quantise(codes: NDArray[np.float32], quantizer: Quantizer) -> NDArray[np.int32]:
    """Round codes to integers, halves to even, clipped to what the tables can code.

    Parameters
    ----------
    codes : (n, 512) float32, finite
    quantizer : the model's

    Returns
    -------
    integers : (n, 512) int32 in -r..r
    """
    radius = check_quantizer(quantizer)
    if codes.shape != quantizer.w_avg.shape:
        raise ValueError(f"codes: got shape {codes.shape}, expected {quantizer.w_avg.shape}")
    offsets = codes.astype(np.float64) - quantizer.w_avg.astype(np.float64)
    scaled = np.rint(offsets / quantizer.step.astype(np.float64))
    if not np.all(np.isfinite(scaled)):
        raise ValueError("codes: got a value that is not a finite number")
    return np.clip(scaled, -radius, radius).astype(np.int32)


def dequantise(integers: NDArray[np.int32], quantizer: Quantizer) -> NDArray[np.float32]:
    """Return the codes that the integers stand for, `w_avg + step * integer`, in float32."""
    product = quantizer.step.astype(np.float64) * integers
    return (quantizer.w_avg.astype(np.float64) + product).astype(np.float32)


def _groups(quantizer: Quantizer) -> list[tuple[NDArray[np.int64], object]]:
    """Return the flat places and the coder's model of each table in use, last row first.

    Rows are sorted by spread, so the most certain symbols are decoded last and coded first.
    """
    flat = quantizer.table_index.ravel()
    tables = np.asarray(quantizer.tables, dtype=np.int64)
    radius = (tables.shape[1] - 1) // 2
    columns = _values(np.arange(tables.shape[1])) + radius
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
    radius = check_quantizer(quantizer)
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
    check_quantizer(quantizer)
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
