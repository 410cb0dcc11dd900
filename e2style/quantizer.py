"""Quantizer of W+ codes: integers, and how probable each of them is; numpy only.

A quantizer belongs to one model and travels in its file. Integers are
`round((w - w_avg) / step)`, cut to -r..r; every coefficient points to one of k tables of
integer frequencies, which the entropy coder uses as they are, so that no float decides a bit.
A model that was trained for many rates has several quantizers, one for each quality.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from e2style.errors import CheckpointError, ConfigError, DataError

# Of every quantizer; which integers are chosen is the sender's affair, the receiver needs these.
_TYPES = {"w_avg": np.float32, "step": np.float32, "table_index": np.uint8, "tables": np.uint32}
ARRAYS = tuple(_TYPES)
ROW_FACES = 8  # the spread of a row counts like that of so many faces
PRICED_FITS = 3  # how often tables and the integers that they make cheap are fitted in turn
TABLE_BITS = 24  # every row of frequencies sums to 2**TABLE_BITS
# Integers of codes in the paper's deep hiding. Its released script takes the nearest, halves to
# even; Algorithm 1 writes a floor, and its text "the integer part", which is truncation.
ROUNDINGS = {"nearest": np.rint, "floor": np.floor, "truncate": np.trunc}
PAPER_BITS = 9  # of each integer there: a sign and a magnitude up to PAPER_LIMIT
PAPER_LIMIT = 255


class Rounder(Protocol):
    """Codes to integers and back, and how many bits the integers take."""

    def quantise(self, codes: NDArray[np.float32]) -> NDArray[np.int32]:
        """Codes (..., n, 512) -> integers of the same shape."""

    def dequantise(self, integers: NDArray[np.int32]) -> NDArray[np.float32]:
        """Integers (..., n, 512) -> codes."""

    def ideal_bits(self, integers: NDArray[np.int32]) -> NDArray[np.float64]:
        """Integers (N, n, 512) -> (N,) bits."""


@dataclasses.dataclass(frozen=True)
class Quantizer:
    """Step, centre and frequency tables of one model.

    Attributes
    ----------
    w_avg : (n, 512) float32, the code of the mean face
    step : (n, 512) float32, > 0
    table_index : (n, 512) uint8, row of `tables` for each coefficient
    tables : (k, 2r + 1) uint32, frequencies of -r..r, each >= 1, rows summing to 2**24
    price : error, in squared steps, that `quantise` accepts to save a bit; 0 rounds to the nearest
    """

    w_avg: NDArray[np.float32]
    step: NDArray[np.float32]
    table_index: NDArray[np.uint8]
    tables: NDArray[np.uint32]
    price: float = 0.0

    def __post_init__(self) -> None:
        for name, kind in _TYPES.items():
            if getattr(self, name).dtype != kind:
                raise CheckpointError(f"quantizer: {name} is not of type {np.dtype(kind)}")
        if not (self.w_avg.shape == self.step.shape == self.table_index.shape):
            raise CheckpointError("quantizer: w_avg, step and table_index differ in shape")
        if self.step.ndim != 2 or self.step.size == 0:
            raise CheckpointError(f"quantizer: step of shape {self.step.shape}")
        if (
            self.tables.ndim != 2
            or len(self.tables) < 1
            or self.tables.shape[1] < 3
            or self.tables.shape[1] % 2 == 0
        ):
            raise CheckpointError(f"quantizer: tables of shape {self.tables.shape}")
        sums = self.tables.sum(1, dtype=np.uint64)
        if self.tables.min() < 1 or (sums != 1 << TABLE_BITS).any():
            raise CheckpointError("quantizer: a row of frequencies does not sum to 2**24")
        if int(self.table_index.max(initial=0)) >= len(self.tables):
            raise CheckpointError("quantizer: table_index points behind the last table")
        if not (np.isfinite(self.step).all() and (self.step > 0).all()):
            raise CheckpointError("quantizer: a step is not positive")
        ends = np.array([-self.radius, self.radius], np.int32)[:, None, None]
        with np.errstate(over="ignore", invalid="ignore"):
            extremes = self.dequantise(ends)
        if not np.isfinite(extremes).all():
            raise CheckpointError("quantizer: a code would not be finite")
        if not 0 <= self.price < np.inf:
            raise CheckpointError(f"quantizer: a bit costs {self.price}")

    @property
    def radius(self) -> int:
        """Largest magnitude r that the tables hold."""
        return int(self.tables.shape[1]) // 2

    def quantise(self, codes: NDArray[np.float32]) -> NDArray[np.int32]:
        """Codes (..., n, 512) -> integers of the same shape in -r..r.

        Without a price the nearest, halves to even. With one, the cheapest by error and bits of
        the nearest, the one before it on the way to 0, and 0.

        Raises
        ------
        DataError : another shape, or a value that is not finite
        """
        if codes.shape[-2:] != self.w_avg.shape:
            raise DataError(f"codes: got shape {codes.shape}, needs (..., {self.w_avg.shape})")
        offsets = codes.astype(np.float64) - self.w_avg.astype(np.float64)
        values = offsets / self.step.astype(np.float64)
        scaled = np.rint(values)
        if not np.isfinite(scaled).all():
            raise DataError("codes: got a value that is not a finite number")
        integers: NDArray[np.int32] = np.clip(scaled, -self.radius, self.radius).astype(np.int32)
        return self._cheapest(values, integers) if self.price else integers

    def _cheapest(
        self, values: NDArray[np.float64], nearest: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        at = np.nonzero(nearest)  # few; what is nearest to 0 stays there
        lengths, table = self.lengths(), self.table_index[at[-2:]]
        value, first = values[at], nearest[at]
        chosen, least = first, np.full(len(first), np.inf)
        for other in (first, first - np.sign(first), np.zeros_like(first)):
            cost = np.square(value - other) + self.price * lengths[table, other + self.radius]
            chosen, least = np.where(cost < least, other, chosen), np.minimum(cost, least)
        found = nearest.copy()
        found[at] = chosen
        return found

    def lengths(self) -> NDArray[np.float64]:
        """Bits of each entry of the tables."""
        lengths: NDArray[np.float64] = TABLE_BITS - np.log2(self.tables.astype(np.float64))
        return lengths

    def dequantise(self, integers: NDArray[np.int32]) -> NDArray[np.float32]:
        """Integers (..., n, 512) -> codes, float32."""
        offsets = self.step.astype(np.float64) * integers
        return (self.w_avg.astype(np.float64) + offsets).astype(np.float32)

    def ideal_bits(self, integers: NDArray[np.int32]) -> NDArray[np.float64]:
        """Code length under the tables: integers (N, n, 512) -> (N,) bits."""
        picked = self.lengths()[self.table_index, integers + self.radius]
        total: NDArray[np.float64] = picked.sum((1, 2))
        return total


@dataclasses.dataclass(frozen=True)
class WholeNumbers:
    """Rounding as in the paper's Algorithm 1: step 1 around zero, nine bits an integer.

    Attributes
    ----------
    rounding : one of ROUNDINGS

    Raises
    ------
    ConfigError : no such rounding
    """

    rounding: str = "nearest"

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            allowed = ", ".join(ROUNDINGS)
            raise ConfigError(f"rounding: got {self.rounding!r}, allowed: {allowed}")

    def quantise(self, codes: NDArray[np.float32]) -> NDArray[np.int32]:
        """Codes (..., n, 512) -> integers of the same shape in -255..255.

        Raises
        ------
        DataError : a value that nine bits do not hold, or that is not a number
        """
        whole = ROUNDINGS[self.rounding](codes)
        # A comparison with nan is false.
        if not np.all(np.abs(whole) <= PAPER_LIMIT):
            worst = float(np.abs(whole).max())
            raise DataError(
                f"the code holds {worst:.0f}, nine bits hold -{PAPER_LIMIT}..{PAPER_LIMIT}"
            )
        integers: NDArray[np.int32] = whole.astype(np.int32)
        return integers

    def dequantise(self, integers: NDArray[np.int32]) -> NDArray[np.float32]:
        """Integers (..., n, 512) -> codes, float32."""
        return integers.astype(np.float32)

    def ideal_bits(self, integers: NDArray[np.int32]) -> NDArray[np.float64]:
        """Nine bits an integer: (N, n, 512) -> (N,) bits."""
        return np.full(len(integers), float(PAPER_BITS * integers[0].size))


def fit_quantizer(
    codes: NDArray[np.float32],
    *,
    step: float | NDArray[np.float32] = 1.0,
    w_avg: NDArray[np.float32] | None = None,
    classes: int = 64,
    max_radius: int = 255,
    price: float = 0.0,
) -> Quantizer:
    """Fit centre and tables to the codes of training faces.

    Coefficients are sorted by how much they spread and cut into classes of about equal
    total information; a class shares one table, its pooled histogram with Laplacian tails.

    Parameters
    ----------
    codes : (N, n, 512) float32, codes of many faces
    step : quantiser step, one for all coefficients or (n, 512)
    w_avg : (n, 512) centre; None takes the mean of `codes`
    classes : tables at most, <= 256
    max_radius : integers beyond it are cut
    price : as in `Quantizer`; the tables are then fitted again to what it chooses

    Raises
    ------
    DataError : fewer than two codes, or classes outside 1 to 256
    """
    if not 1 <= classes <= 256:
        raise DataError(f"classes: got {classes}, allowed 1 to 256")
    if codes.ndim != 3 or len(codes) < 2:
        raise DataError(f"codes: got shape {codes.shape}, needs (N >= 2, n, 512)")
    centre = codes.mean(0, dtype=np.float64).astype(np.float32) if w_avg is None else w_avg
    steps = np.broadcast_to(np.asarray(step, np.float32), centre.shape)
    integers = np.rint((codes - centre) / steps)
    radius = int(min(max(np.abs(integers).max() + 2, 8), max_radius))
    integers = np.clip(integers, -radius, radius).astype(np.int32)
    found = _fitted(integers, centre, steps, radius, classes)
    for _ in range(PRICED_FITS if price else 0):
        # What is cheap is chosen more often and so becomes cheaper; it settles at once.
        priced = dataclasses.replace(found, price=price).quantise(codes)
        found = dataclasses.replace(_fitted(priced, centre, steps, radius, classes), price=price)
    return found


def _fitted(
    integers: NDArray[np.int32],
    centre: NDArray[np.float32],
    steps: NDArray[np.float32],
    radius: int,
    classes: int,
) -> Quantizer:
    """Quantizer whose tables describe these integers, (N, n, 512)."""
    flat = integers.reshape(len(integers), -1)

    # Few faces say little about one coefficient: it then counts as spread like its row.
    spread = np.abs(integers).mean(0)
    known = len(integers) / (len(integers) + ROW_FACES)
    spread = (known * spread + (1 - known) * spread.mean(1, keepdims=True)).ravel()
    order = np.argsort(spread, kind="stable")
    # log2(1 + spread) grows like the entropy of a coefficient; dead ones weigh a little too.
    effort = np.cumsum(np.log2(1 + spread[order]) + 1e-3)
    rank = np.minimum((effort / effort[-1] * classes).astype(int), classes - 1)
    index = np.empty(flat.shape[1], np.int64)
    index[order] = np.unique(rank, return_inverse=True)[1]

    tables = []
    for k in range(int(index.max()) + 1):
        values = flat[:, index == k]
        counts = np.bincount((values + radius).ravel(), minlength=2 * radius + 1).astype(np.float64)
        scale = max(float(np.abs(values).mean()), 1e-4)
        tail = np.exp(-np.abs(np.arange(-radius, radius + 1)) / max(scale, 0.15))
        smooth = counts + tail / tail.sum() * max(4.0, 2e-4 * counts.sum())
        tables.append(_integer_frequencies(smooth))
    return Quantizer(
        w_avg=centre.astype(np.float32),
        step=steps.copy(),
        table_index=index.reshape(centre.shape).astype(np.uint8),
        tables=np.stack(tables),
    )


def _integer_frequencies(weights: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Positive weights -> integers >= 1 that sum to 2**24; the largest takes the rounding."""
    free = (1 << TABLE_BITS) - len(weights)
    frequencies = 1 + np.floor(weights / weights.sum() * free).astype(np.int64)
    frequencies[np.argmax(frequencies)] += (1 << TABLE_BITS) - frequencies.sum()
    table: NDArray[np.uint32] = frequencies.astype(np.uint32)
    return table
