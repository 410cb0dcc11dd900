"""Compiled sums of columns, block by block: the receiver's arithmetic."""

import numpy as np
import numpy.typing as npt

from stc.jit import jit

__all__ = ["sum_columns"]

Words = npt.NDArray[np.uint32]


@jit
def sum_columns(
    bits: Words, ends: npt.NDArray[np.int64], narrow: Words, wide: Words, pending: Words
) -> None:
    """Fill `pending` (b,) with the XOR of the columns of each block times the elements' bits.

    `ends` (b + 1,) are where blocks begin and end, `bits` those of the elements from ends[0] on.
    """
    for b in range(pending.size):
        first, last = ends[b] - ends[0], ends[b + 1] - ends[0]
        columns = narrow if last - first == narrow.size else wide
        total = np.uint32(0)
        for i in range(last - first):
            total ^= bits[first + i] * columns[i]
        pending[b] = total
