"""The directional filter bank that WOW and S-UNIWARD share, applied one axis at a time."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["REACH", "adjoint_magnitude", "residuals"]

Plane = npt.NDArray[np.float64]

# Daubechies' high-pass filter with eight vanishing moments, to the ten decimals that the field's
# programs use; the low-pass one is its reverse with alternating signs.
_HIGH = np.array(
    [
        -0.0544158422, 0.3128715909, -0.6756307363, 0.5853546837,
        0.0158291053, -0.2840155430, -0.0004724846, 0.1287474266,
        0.0173693010, -0.0440882539, -0.0139810279, 0.0087460940,
        0.0048703530, -0.0003917404, -0.0006754494, -0.0001174768,
    ]
)  # fmt: skip
_LOW = _HIGH[::-1] * (-1.0) ** np.arange(_HIGH.size)

# Pixels of mirrored border: no result for a pixel depends on what lies beyond them.
REACH = _HIGH.size

_BANK = ((_LOW, _HIGH), (_HIGH, _LOW), (_HIGH, _HIGH))


def _correlate(plane: Plane, taps: Plane, axis: int) -> Plane:
    """Correlate along one axis, keeping only positions where all taps lie inside."""
    from scipy.ndimage import correlate1d  # costs 0.1 s to import

    before = taps.size // 2
    full: Plane = correlate1d(plane, taps, axis=axis, mode="constant")
    keep = slice(before, before + plane.shape[axis] - taps.size + 1)
    return full[keep] if axis == 0 else full[:, keep]


def residuals(image: Plane) -> Iterator[tuple[int, Plane]]:
    """Yield (index, residual) for the three directions.

    Residuals are convolutions of the mirrored picture, (H + 17, W + 17) float64: one for every
    placement of the filter inside the border of 16.
    """
    padded = np.pad(image, REACH, mode="symmetric")
    rows = {id(taps): _correlate(padded, taps[::-1], 0) for taps in (_LOW, _HIGH)}
    for index, (down, across) in enumerate(_BANK):
        yield index, _correlate(rows[id(down)], across[::-1], 1)


def adjoint_magnitude(plane: Plane, index: int) -> Plane:
    """Sum `plane` over the residuals that a pixel takes part in, weighted by its |tap| there.

    Returns (H, W) float64. This is what programs that centre the even filter, and then shift by
    one, arrive at.
    """
    down, across = _BANK[index]
    spread = _correlate(_correlate(plane, np.abs(down), 0), np.abs(across), 1)
    return spread[1:-1, 1:-1]
