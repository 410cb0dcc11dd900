"""HILL: high-pass, low-pass, low-pass."""

import numpy as np
import numpy.typing as npt

from stc.costs._image import check_image

__all__ = ["hill"]

# The floor that keeps flat areas finite: float32's epsilon, as the published code has it.
_FLOOR = float(np.finfo(np.float32).eps)


def hill(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the HILL cost of changing each pixel.

    Li, Wang, Huang and Li, "A New Cost Function for Spatial Image Steganography", ICIP 2014:
    the Ker-Böhme residual, averaged over 3x3 and inverted, then averaged over 15x15; borders
    are mirrored with the edge pixel repeated, at each stage.

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal

    Returns
    -------
    rho : (H, W) float64, > 0; large where the picture is flat

    Raises
    ------
    ValueError : not one channel, or not finite

    Examples
    --------
    >>> import numpy as np, stc
    >>> picture = np.zeros((32, 32)); picture[:, 16:] = np.arange(512).reshape(32, 16) % 7
    >>> rho = stc.costs.hill(picture)
    >>> bool(rho[16, 24] < rho[16, 2])
    True

    """
    from scipy.ndimage import correlate1d, uniform_filter  # costs 0.1 s to import

    x = check_image(image)
    # [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]] / 4 is minus the outer square of (1, -2, 1) / 2.
    second = np.array([0.5, -1.0, 0.5])
    residual = correlate1d(correlate1d(x, second, axis=0, mode="reflect"), second, axis=1)
    activity = uniform_filter(np.abs(residual), size=3, mode="reflect")
    # A running mean leaves rounding dust, possibly negative, where the truth is zero.
    inverse = 1.0 / (np.maximum(activity, 0.0) + _FLOOR)
    rho: npt.NDArray[np.float64] = uniform_filter(inverse, size=15, mode="reflect")
    return rho
