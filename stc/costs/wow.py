"""WOW: directional suitability, joined so that one smooth direction makes a pixel dear."""

import numpy as np
import numpy.typing as npt

from stc.costs._image import check_image
from stc.costs._wavelet import adjoint_magnitude, residuals

__all__ = ["wow"]


def wow(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the WOW cost of changing each pixel.

    Holub and Fridrich, "Designing Steganographic Distortion Using Directional Filters",
    WIFS 2012: the suitability of a direction is the magnitude of the residuals around the
    pixel, weighted by its own part in them; the cost is the sum of their reciprocals (the
    reciprocal Hölder norm with p = -1).

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal

    Returns
    -------
    rho : (H, W) float64, > 0; large, and inf on black, where the picture is flat

    Raises
    ------
    ValueError : not one channel, or not finite

    Examples
    --------
    >>> import numpy as np, stc
    >>> picture = np.zeros((64, 64)); picture[:, 32:] = np.arange(2048).reshape(64, 32) % 7
    >>> rho = stc.costs.wow(picture)
    >>> bool(rho[32, 48] < rho[32, 4])
    True

    """
    x = check_image(image)
    rho = np.zeros(x.shape)
    with np.errstate(divide="ignore"):
        for index, residual in residuals(x):
            rho += 1.0 / adjoint_magnitude(np.abs(residual), index)
    return rho
