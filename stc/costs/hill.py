"""HILL: high-pass, low-pass, low-pass."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.costs._box import box_mean
from stc.costs._image import check_image
from stc.costs._mirror import mirror
from stc.jit import jit

__all__ = ["hill"]

# The least activity, which keeps flat areas finite: float32's epsilon, as published code has it.
_FLOOR = float(np.finfo(np.float32).eps)


@jit
def _magnitude(image: Any, rows: Any, out: Any) -> None:
    """Write the magnitude of the Ker-Böhme residual; `rows` is mirrored by one at each end.

    [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]] / 4 is minus the outer square of (1, -2, 1) / 2.
    """
    height, width = out.shape
    line = np.empty(width + 2)
    for i in range(height):
        above = image[rows[i]]
        here = image[rows[i + 1]]
        below = image[rows[i + 2]]
        inner = line[1:]
        for j in range(width):
            inner[j] = above[j] - 2.0 * here[j] + below[j]
        line[0] = line[1]
        line[width + 1] = line[width]
        result = out[i]
        for j in range(width):
            result[j] = 0.25 * abs(line[j] - 2.0 * line[j + 1] + line[j + 2])


def _residual(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    x = check_image(image)
    out = np.empty(x.shape)
    _magnitude(x, mirror(x.shape[0], 1, 1), out)
    return out


def hill(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the HILL cost of changing each pixel.

    Li, Wang, Huang and Li, "A New Cost Function for Spatial Image Steganography", ICIP 2014:
    the Ker-Böhme residual, averaged over 3x3 and inverted, then averaged over 15x15; borders
    are mirrored with the edge pixel repeated, at each stage. Activity below float32's epsilon
    counts as that epsilon, so that no cost exceeds 2**23.

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal

    Returns
    -------
    rho : (H, W) float64, in (0, 2**23]; large where the image is flat

    Raises
    ------
    ValueError : not one channel, or not finite

    Examples
    --------
    >>> import numpy as np, stc
    >>> image = np.zeros((32, 32)); image[:, 16:] = np.arange(512).reshape(32, 16) % 7
    >>> rho = stc.costs.hill(image)
    >>> bool(rho[16, 24] < rho[16, 2])
    True

    """
    activity = box_mean(_residual(image), 3)
    np.maximum(activity, _FLOOR, out=activity)
    return box_mean(np.reciprocal(activity, out=activity), 15)
