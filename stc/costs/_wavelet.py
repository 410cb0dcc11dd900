"""Directional filter bank that WOW, S-UNIWARD and J-UNIWARD share.

Each of the three filters is the product of one filter down the columns and one along the rows,
so that 32 multiplications do the work of 256. Kernels walk down the image and keep the last
sixteen rows of what they need, whatever its height.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.jit import jit

__all__ = ["HIGH", "LOW", "TAPS", "along", "clear", "down", "residual_row"]

# Daubechies' high-pass filter with eight vanishing moments, to the ten decimals that the field's
# programs use; the low-pass one is its reverse with alternating signs.
HIGH: npt.NDArray[np.float64] = np.array(
    [
        -0.0544158422, 0.3128715909, -0.6756307363, 0.5853546837,
        0.0158291053, -0.2840155430, -0.0004724846, 0.1287474266,
        0.0173693010, -0.0440882539, -0.0139810279, 0.0087460940,
        0.0048703530, -0.0003917404, -0.0006754494, -0.0001174768,
    ]
)  # fmt: skip
LOW: npt.NDArray[np.float64] = HIGH[::-1] * (-1.0) ** np.arange(HIGH.size)
TAPS = HIGH.size


@jit
def clear(row: Any) -> None:
    """Fill with zeros; loops compile in a fifth of the time that array expressions take."""
    for j in range(row.size):
        row[j] = 0.0


@jit
def along(row: Any, taps: Any, out: Any) -> None:
    """Add to out[j] the sum over t of taps[t] * row[j + t]; a multiple of four taps."""
    for t in range(0, taps.size, 4):
        a, b, c, d = taps[t], taps[t + 1], taps[t + 2], taps[t + 3]
        part = row[t:]
        for j in range(out.size):
            out[j] += a * part[j] + b * part[j + 1] + c * part[j + 2] + d * part[j + 3]


@jit
def down(stack: Any, rows: Any, taps: Any, out: Any) -> None:
    """Add to out[j] the sum over t of taps[t] * stack[rows[t], j]; a multiple of four taps."""
    for t in range(0, taps.size, 4):
        a, b, c, d = taps[t], taps[t + 1], taps[t + 2], taps[t + 3]
        p, q, r, s = stack[rows[t]], stack[rows[t + 1]], stack[rows[t + 2]], stack[rows[t + 3]]
        for j in range(out.size):
            out[j] += a * p[j] + b * q[j] + c * r[j] + d * s[j]


@jit
def residual_row(image: Any, rows: Any, columns: Any, bank: Any, work: Any, out: Any) -> None:
    """Write one row of the three residuals.

    `rows` are the sixteen rows that the filters cover, `columns` the mirrored columns, `bank`
    the low-pass and the high-pass filter in the order in which they meet the pixels, `work`
    (3, columns.size) scratch, `out` (3, columns.size - 15): smooth down and rough along, rough
    down and smooth along, rough in both.
    """
    width = image.shape[1]
    low, high = work[0], work[1]
    for k in range(2):
        filtered = work[2][:width]
        clear(filtered)
        down(image, rows, bank[k], filtered)
        padded = work[k]
        for j in range(columns.size):
            padded[j] = filtered[columns[j]]
    for k in range(3):
        clear(out[k])
    along(low, bank[1], out[0])
    along(high, bank[0], out[1])
    along(high, bank[1], out[2])
