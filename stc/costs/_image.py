"""Checked images: what every scheme of the spatial domain starts from."""

import numpy as np
import numpy.typing as npt

__all__ = ["check_image"]

# Far beyond any image, and squares of squares are still float64.
_LARGEST = 1e30


def check_image(image: npt.ArrayLike, name: str = "image") -> npt.NDArray[np.float64]:
    """Return the image as (H, W) float64, or raise ValueError naming the parameter."""
    array = np.asarray(image)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "uif":
        raise ValueError(
            f"{name}: got shape {array.shape} and type {array.dtype}; "
            "allowed: (H, W) numbers, one channel"
        )
    values = array.astype(np.float64, order="C")  # kernels are compiled for one layout
    if not (np.abs(values) <= _LARGEST).all():
        raise ValueError(
            f"{name}: got NaN, infinite or huge values; allowed: up to {_LARGEST:g} in size"
        )
    return values
