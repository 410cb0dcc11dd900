"""The trellis search: memory, segments and the order of kernel calls."""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["PATH_LIMIT", "Layout", "search"]

# Bytes of back-pointers beyond which the trellis is cut into segments.
PATH_LIMIT = 1 << 28

# float32 holds a sum of 2**31 costs of this size, and leaves room for small ones beside it.
_LARGEST_COST = 2.0**60
_SMALLEST_MAXIMUM = 2.0**-40


@dataclass(frozen=True)
class Layout:
    """Where blocks end, and the columns of the two block widths."""

    ends: npt.NDArray[np.int64]
    narrow: npt.NDArray[np.int64]
    wide: npt.NDArray[np.int64]


def _metric_costs(price: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Convert to float32, scaled by a power of two only where float32 would not hold the range."""
    finite_max = float(np.max(price, where=price < np.inf, initial=0.0))
    exponent = 0
    if finite_max > _LARGEST_COST or 0 < finite_max < _SMALLEST_MAXIMUM:
        exponent = -int(np.frexp(finite_max)[1])
    with np.errstate(under="ignore"):
        scaled = np.ldexp(price, exponent) if exponent else price
        return scaled.astype(np.float32)


def _segments(live: npt.NDArray[np.bool_], ends: npt.NDArray[np.int64], rows: int) -> list[int]:
    """Return block boundaries between which at most `rows` elements are live.

    A segment holds one block at least, however many live elements that has.
    """
    before = np.concatenate([[0], np.cumsum(live)])[ends]
    cuts = [0]
    while cuts[-1] < ends.size - 1:
        fits = int(np.searchsorted(before, before[cuts[-1]] + rows, side="right")) - 1
        cuts.append(min(max(fits, cuts[-1] + 1), ends.size - 1))
    return cuts


def search(
    cover: npt.NDArray[np.uint8],
    message: npt.NDArray[np.uint8],
    price: npt.NDArray[np.float64],
    live: npt.NDArray[np.bool_],
    layout: Layout,
    height: int,
    vector: bool | None,
) -> npt.NDArray[np.uint8] | None:
    """Return the cheapest stego that changes live elements only, or None.

    Back-pointers beyond `PATH_LIMIT` bytes are not kept: the trellis is run once to learn the
    metrics at the start of each segment, then again segment by segment from the last, which
    gives the same stego in at most twice the time.

    Parameters
    ----------
    cover : (n,) uint8, values {0, 1}
        bits of the cover
    message : (m,) uint8, values {0, 1}, 0 < m <= n
        bits of the message
    price : (n,) float64 >= 0
        units of distortion; finite where `live`
    live : (n,) bool
        elements that may change
    layout : Layout
        blocks and columns
    height : int
        constraint height
    vector : None or bool
        which of two equal state updates runs; None takes the faster

    Returns
    -------
    stego : (n,) uint8 or None where no path survives

    """
    from stc import kernels  # numba is imported on first use

    size = 1 << height
    row_bytes = size >> 3
    n_live = int(np.count_nonzero(live))
    cuts = [0, message.size]
    if n_live * row_bytes > PATH_LIMIT:
        cuts = _segments(live, layout.ends, PATH_LIMIT // row_bytes)
    counts = [
        int(np.count_nonzero(live[layout.ends[a] : layout.ends[b]]))
        for a, b in itertools.pairwise(cuts)
    ]
    path = np.empty((max(counts), size >> 4), np.uint16)
    offsets = np.empty(message.size, np.int64)
    metrics = _on_a_cache_line(size)
    metrics[:] = np.inf
    metrics[0] = 0.0
    moved = np.empty(size, np.float32)
    saved = np.empty((len(counts), size), np.float32)
    cost = _metric_costs(price)
    fixed = (layout.ends, layout.narrow, layout.wide, height)
    fast = kernels.HAS_VECTOR if vector is None else vector

    def advance(segment: int) -> bool:
        found: bool = kernels.forward(
            cover, message, cost, live, *fixed, metrics, moved, path, offsets,
            cuts[segment], cuts[segment + 1], fast,
        )  # fmt: skip
        return found

    for segment in range(len(counts)):
        saved[segment] = metrics
        if not advance(segment):
            return None
    stego = cover.copy()
    state = 0
    for segment in reversed(range(len(counts))):
        if segment < len(counts) - 1:
            metrics[:] = saved[segment]
            advance(segment)
        state = kernels.backward(
            cover, message, live, *fixed, path, offsets,
            cuts[segment], cuts[segment + 1], counts[segment], state, stego,
        )  # fmt: skip
    return stego


def _on_a_cache_line(size: int) -> npt.NDArray[np.float32]:
    """Allocate floats that start on a cache line, so that no vector straddles two."""
    store = np.empty(size + 16, np.float32)
    start = (-store.ctypes.data % 64) // 4
    return store[start : start + size]
