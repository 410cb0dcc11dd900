"""S-UNIWARD: relative change of directional wavelet coefficients."""

import numpy as np
import numpy.typing as npt

from stc.costs._image import check_image
from stc.costs._wavelet import adjoint_magnitude, residuals

__all__ = ["suniward"]

# The stabilising constant of the published program.
_SIGMA = 1.0


def suniward(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the S-UNIWARD cost of changing each pixel.

    Holub, Fridrich and Denemark, "Universal Distortion Function for Steganography in an
    Arbitrary Domain", EURASIP J. Inf. Security 2014:1: the sum, over three directions, of the
    changes of the residuals that one pixel causes, each relative to the residual plus 1.

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal

    Returns
    -------
    rho : (H, W) float64, > 0; large where the picture is smooth in some direction

    Raises
    ------
    ValueError : not one channel, or not finite

    Examples
    --------
    >>> import numpy as np, stc
    >>> picture = np.zeros((64, 64)); picture[:, 32:] = np.arange(2048).reshape(64, 32) % 7
    >>> rho = stc.costs.suniward(picture)
    >>> bool(rho[32, 48] < rho[32, 4])
    True

    """
    x = check_image(image)
    rho = np.zeros(x.shape)
    for index, residual in residuals(x):
        rho += adjoint_magnitude(1.0 / (np.abs(residual) + _SIGMA), index)
    return rho
