"""S-UNIWARD: relative change of directional wavelet coefficients."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.costs._image import check_image
from stc.costs._mirror import mirror
from stc.costs._wavelet import HIGH, LOW, TAPS, along, clear, down, residual_row
from stc.jit import jit

__all__ = ["suniward"]

# The stabilising constant of the published program.
_SIGMA = 1.0


@jit
def _costs(
    image: Any, rows: Any, columns: Any, bank: Any, size: Any, sigma: float, out: Any
) -> None:
    """Add up, for each pixel, the relative changes of the residuals it takes part in.

    Residual r covers the rows `rows[r : r + 16]`, so that pixel i takes part in residuals
    i..i+15, with tap t in residual i + t; likewise along. `size` holds the filters' magnitudes
    in that order. What two filters share down the columns is added before going down.
    """
    height, width = out.shape
    taps = bank.shape[1]
    work = np.empty((3, columns.size))
    residual = np.empty((3, columns.size - taps + 1))
    smooth = np.empty((taps, width))
    rough = np.empty((taps, width))
    order = np.empty(taps, np.int64)
    for r in range(height + taps - 1):
        residual_row(image, rows[r : r + taps], columns, bank, work, residual)
        for k in range(3):
            line = residual[k]
            for j in range(line.size):
                line[j] = 1.0 / (abs(line[j]) + sigma)
        slot = r % taps
        clear(smooth[slot])
        clear(rough[slot])
        along(residual[0], size[1], smooth[slot])
        along(residual[1], size[0], rough[slot])
        along(residual[2], size[1], rough[slot])
        i = r - taps + 1
        if i >= 0:
            for t in range(taps):
                order[t] = (i + t) % taps
            clear(out[i])
            down(smooth, order, size[0], out[i])
            down(rough, order, size[1], out[i])


def suniward(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the S-UNIWARD cost of changing each pixel.

    Holub, Fridrich and Denemark, "Universal Distortion Function for Steganography in an
    Arbitrary Domain", EURASIP J. Inf. Security 2014:1: the sum, over three directions, of the
    changes of the residuals that one pixel causes, each relative to the residual plus 1. The
    image is mirrored beyond its borders, with the edge pixel repeated.

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal

    Returns
    -------
    rho : (H, W) float64, > 0; large where the image is smooth in some direction

    Raises
    ------
    ValueError : not one channel, or not finite

    Examples
    --------
    >>> import numpy as np, stc
    >>> image = np.zeros((64, 64)); image[:, 32:] = np.arange(2048).reshape(64, 32) % 7
    >>> rho = stc.costs.suniward(image)
    >>> bool(rho[32, 48] < rho[32, 4])
    True

    """
    x = check_image(image)
    rows, columns = (mirror(extent, TAPS - 1, TAPS - 1) for extent in x.shape)
    bank = np.stack([LOW, HIGH])
    rho = np.empty(x.shape)
    # The residual is a convolution: the last tap meets the first pixel.
    _costs(x, rows, columns, bank[:, ::-1].copy(), np.abs(bank), _SIGMA, rho)
    return rho
