"""Median filters: they leave no extremes, and few different values in a neighbourhood.

The median of overlapping windows is often the same sample (Kirchner and Fridrich, "On detection of
median filtering in digital images", SPIE 2010).  In areas with texture, a filtered image has hardly
a sample above or below all its eight neighbours, and few different values among nine: few for their
range, as smooth areas have fewer values to choose from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.covers.history.places import spread_evenly

__all__ = ["looks_median_filtered"]

_MAX_WINDOWS = 30_000
_MIN_WINDOWS = 800
_RANGE = 6  # between the smallest and the largest of nine samples
_EXTREMES = 0.03  # share of samples beyond all their neighbours
_DIFFERENT = 0.75  # values among nine, of as many as there could be


def looks_median_filtered(samples: NDArray[np.uint8]) -> bool:
    """Tell whether an image went through a median filter; by far not all of those are recognised.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8

    Returns
    -------
    bool; False also where an image has next to no texture
    """
    height, width, channels = samples.shape
    if min(height, width) < 3:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(samples[:, :, channels // 2], (3, 3))
    places = spread_evenly((height - 2) * (width - 2), _MAX_WINDOWS)
    chosen = windows[places // (width - 2), places % (width - 2)].reshape(-1, 9).astype(np.int16)
    rough = chosen[chosen.max(axis=1) - chosen.min(axis=1) >= _RANGE]
    if len(rough) < _MIN_WINDOWS:
        return False
    centre, around = rough[:, 4], np.delete(rough, 4, axis=1)
    extreme = (centre > around.max(axis=1)) | (centre < around.min(axis=1))
    ordered = np.sort(rough, axis=1)
    different = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
    possible = np.minimum(ordered[:, -1] - ordered[:, 0] + 1, 9)
    return bool(extreme.mean() < _EXTREMES and (different / possible).mean() < _DIFFERENT)
