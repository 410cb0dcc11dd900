"""Saturation: which changes a pixel's range forbids."""

import numpy as np
import numpy.typing as npt

__all__ = ["wet"]


def wet(
    image: npt.ArrayLike, rho: npt.ArrayLike, low: int = 0, high: int = 255
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Turn one cost per pixel into the costs of +1 and -1.

    A saturated pixel may only go inwards. A cost that is NaN or infinite, which a cost function
    yields where it knows nothing of a pixel, forbids both changes.

    Parameters
    ----------
    image : (...) integers
        pixels
    rho : (...) float, shaped like `image`, >= 0 where it is a number
        units of distortion
    low, high : int
        the range that pixels may take

    Returns
    -------
    cost_p1, cost_m1 : (...) float64, inf where the change is forbidden

    Raises
    ------
    ValueError : shapes differ, or a cost is negative

    Examples
    --------
    >>> import numpy as np, stc
    >>> p1, m1 = stc.costs.wet(np.array([0, 9, 255]), np.array([1.0, np.nan, 1.0]))
    >>> p1, m1
    (array([ 1., inf, inf]), array([inf, inf,  1.]))

    """
    pixels = np.asarray(image)
    cost = np.asarray(rho, dtype=np.float64)
    if pixels.shape != cost.shape:
        raise ValueError(f"rho: got shape {cost.shape}; allowed: {pixels.shape}, as the image")
    if (cost < 0).any():
        raise ValueError(f"rho: got {cost[cost < 0].min()}; allowed: 0 or more")
    cost = np.where(np.isnan(cost), np.inf, cost)
    return np.where(pixels >= high, np.inf, cost), np.where(pixels <= low, np.inf, cost)
