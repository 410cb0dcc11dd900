"""Places that stand for many: spread evenly over all there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["spread_evenly"]


def spread_evenly(total: int, most: int) -> NDArray[np.int64]:
    """Return up to `most` different numbers of 0 .. total - 1, ascending, from end to end."""
    return np.linspace(0, total - 1, min(total, most)).astype(np.int64)
