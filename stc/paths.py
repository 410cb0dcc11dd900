"""Paths of a trellis: where some of them are, and what is kept of blocks that left its ring."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Aside", "Ends", "Kept", "Mark", "Part"]


@dataclass(frozen=True)
class Mark:
    """Metrics before a block, and the rows written by then."""

    block: int
    row: int
    metrics: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ends:
    """Places of paths before a block, each once, and the rows written by then."""

    block: int
    row: int
    places: npt.NDArray[np.int64]


@dataclass(kw_only=True)
class Part:
    """Blocks start .. stop - 1, whose rows had to make room before their path was known.

    `place` is where the path ends, -1 while that is not known.
    """

    start: int
    stop: int
    place: int = -1


@dataclass(kw_only=True)
class Kept(Part):
    """Blocks of which few paths are left, bit j of `bits` for the j-th of them.

    `after` are the places in which these end, ascending, and `before` those where they begin.
    """

    bits: npt.NDArray[np.uint16]
    after: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]


@dataclass(kw_only=True)
class Aside(Part):
    """Blocks to be run a second time, and the metrics that they start from."""

    metrics: npt.NDArray[np.float32]
