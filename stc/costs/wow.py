"""WOW: directional suitability, joined so that one smooth direction makes a pixel costly."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.costs._image import check_image
from stc.costs._mirror import mirror
from stc.costs._wavelet import HIGH, LOW, TAPS, along, clear, down, residual_row
from stc.jit import jit

__all__ = ["wow"]

# Above this the residuals of some direction are the dust of rounding, and the field's programs
# call a pixel wet.
_LARGEST = 1e10


@jit
def _costs(image: Any, rows: Any, columns: Any, bank: Any, size: Any, out: Any) -> None:
    """Sum the reciprocal suitabilities; the indices are those of S-UNIWARD."""
    height, width = out.shape
    taps = bank.shape[1]
    work = np.empty((3, columns.size))
    residual = np.empty((3, columns.size - taps + 1))
    kept = np.empty((3, taps, width))
    suitability = np.empty((3, width))
    order = np.empty(taps, np.int64)
    for r in range(height + taps - 1):
        residual_row(image, rows[r : r + taps], columns, bank, work, residual)
        slot = r % taps
        for k in range(3):
            line = residual[k]
            for j in range(line.size):
                line[j] = abs(line[j])
            place = kept[k, slot]
            clear(place)
            along(line, size[0 if k == 1 else 1], place)
        i = r - taps + 1
        if i >= 0:
            for t in range(taps):
                order[t] = (i + t) % taps
            for k in range(3):
                clear(suitability[k])
                down(kept[k], order, size[0 if k == 0 else 1], suitability[k])
            cost = out[i]
            one, two, three = suitability[0], suitability[1], suitability[2]
            for j in range(width):
                a, b, c = one[j], two[j], three[j]
                # 1/a + 1/b + 1/c, and inf where one of them is zero.
                below = a * b * c
                cost[j] = (b * c + a * c + a * b) / below if below > 0.0 else np.inf


def wow(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the WOW cost of changing each pixel.

    Holub and Fridrich, "Designing Steganographic Distortion Using Directional Filters",
    WIFS 2012: the suitability of a direction is the magnitude of the residuals around the
    pixel, weighted by its own part in them; the cost is the sum of their reciprocals (the
    reciprocal Hölder norm with p = -1). The image is mirrored beyond its borders, with the
    edge pixel repeated.

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal

    Returns
    -------
    rho : (H, W) float64, in (0, 1e10], or inf where some direction is flat: a cost above 1e10
        is the reciprocal of rounding and counts as wet

    Raises
    ------
    ValueError : not one channel, or not finite

    Examples
    --------
    >>> import numpy as np, stc
    >>> image = np.zeros((64, 64)); image[:, 32:] = np.arange(2048).reshape(64, 32) % 7
    >>> rho = stc.costs.wow(image)
    >>> bool(rho[32, 48] < rho[32, 4])
    True

    """
    x = check_image(image)
    rows, columns = (mirror(extent, TAPS - 1, TAPS - 1) for extent in x.shape)
    bank = np.stack([LOW, HIGH])
    rho = np.empty(x.shape)
    _costs(x, rows, columns, bank[:, ::-1].copy(), np.abs(bank), rho)
    rho[rho > _LARGEST] = np.inf
    return rho
