"""Signs of a poor hiding place among samples, in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deephide.covers import history
from deephide.covers.base import Sign
from deephide.covers.sample_costs import flat_share
from deephide.covers.values import histogram, missing_values

__all__ = ["find_signs"]

_TINY_ELEMENTS = 200_000
_FLAT_SHARE = 0.5
_SATURATED_SHARE = 0.25
_MISSING_VALUES = 8  # of 256

_SCALE_DOWN = "scale it down to half its size"


def find_signs(samples: NDArray[np.uint8]) -> tuple[Sign, ...]:
    """Return what makes samples a poor hiding place; nothing for an ordinary photo.

    Parameters
    ----------
    samples : (H, W, 1 or 3) uint8
    """
    height, width, channels = samples.shape
    found = []
    if samples.size < _TINY_ELEMENTS:
        found.append(
            f"the carrier is tiny ({width} x {height}): changes are a large "
            "part of it and easier to detect"
        )
    flat = flat_share(samples)
    if flat > _FLAT_SHARE:
        found.append(
            f"{100 * flat:.0f} % of the carrier is perfectly flat: drawings and screenshots are "
            "poor hiding places, photos are good ones"
        )
    counts = [histogram(samples[:, :, index]) for index in range(channels)]
    saturated = sum(int(each[0] + each[255]) for each in counts) / samples.size
    if saturated > _SATURATED_SHARE:
        found.append(
            f"{100 * saturated:.0f} % of the carrier's samples are fully black or fully white"
        )
    missing = max(missing_values(each) for each in counts)
    if missing >= _MISSING_VALUES:
        found.append(
            f"the carrier's levels were stretched or reduced: {missing} of 256 values are missing "
            "amid the others, and only changes that lead to none of them are made; the original "
            "holds more"
        )
    past = _past(samples)
    return (*(Sign(text) for text in found), *past)


def _past(samples: NDArray[np.uint8]) -> tuple[Sign, ...]:
    """Return the first sign of what the image went through: later ones may follow from it."""
    conversion = history.find_conversion(samples)
    if conversion is not None:
        return (_WAS_JPEG if conversion.is_jpeg else _WAS_VIDEO,)
    return next(((sign,) for has_trace, sign in _TRACES if has_trace(samples)), ())


_WAS_VIDEO = Sign(
    "the carrier was a lossy WebP file or a video frame before, and every change makes a "
    f"colour that no such file has: nothing is safe here; {_SCALE_DOWN}, or take a photo "
    "that never was one",
    betrays=True,
)
_WAS_JPEG = Sign(
    "the carrier was a JPEG file before (or AVIF, HEIC), and every change stands out from "
    f"what that left: nothing is safe here; hide in the JPEG file itself, or {_SCALE_DOWN}",
    betrays=True,
)
_TRACES: tuple[tuple[Callable[[NDArray[np.uint8]], bool], Sign], ...] = (
    (history.looks_decompressed, _WAS_JPEG),
    (
        history.looks_predictable,
        Sign(
            "the carrier was enlarged or smoothed, so that its samples follow from their "
            "neighbours, and every change stands out: nothing is safe here; take the photo as the "
            f"camera made it, or {_SCALE_DOWN} or less",
            betrays=True,
        ),
    ),
    (
        history.looks_demosaiced,
        Sign(
            "every second sample of green is the mean of its neighbours in the carrier, as simple "
            "programs for raw photos leave it, and every change there stands out: nothing is safe "
            f"here; {_SCALE_DOWN}, or use another such program",
            betrays=True,
        ),
    ),
    (
        history.looks_upscaled,
        Sign(
            "the carrier seems to have been enlarged, or compressed with loss and resized: changes "
            "stand out against the pattern that this leaves; take the photo as the camera made it, "
            f"or {_SCALE_DOWN}"
        ),
    ),
    (
        history.looks_median_filtered,
        Sign(
            "the carrier seems to have gone through a median filter, which leaves no noise to hide "
            "in; take the photo as the camera made it"
        ),
    ),
)
