"""History of an image: traces of what it went through before it became a cover."""

from deephide.covers.history.blocks import looks_decompressed
from deephide.covers.history.colours import find_conversion
from deephide.covers.history.interpolation import (
    looks_demosaiced,
    looks_predictable,
    looks_upscaled,
)
from deephide.covers.history.median import looks_median_filtered
from deephide.covers.history.recompression import looks_recompressed

__all__ = [
    "find_conversion",
    "looks_decompressed",
    "looks_demosaiced",
    "looks_median_filtered",
    "looks_predictable",
    "looks_recompressed",
    "looks_upscaled",
]
