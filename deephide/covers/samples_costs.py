"""The price of every change of a cover, and what makes a cover a poor hiding place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.covers.decompressed import looks_decompressed
from deephide.covers.history import looks_upscaled
from deephide.covers.samples import Cover

__all__ = ["COSTS", "cover_costs", "cover_warnings", "flat_samples"]

COSTS = ("hill", "suniward", "wow", "mipod")

_TINY_ELEMENTS = 200_000
_FLAT_SHARE = 0.5
_SATURATED_SHARE = 0.25


def flat_samples(channel: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the samples of one channel that equal all their neighbours.

    A change there stands alone in a perfectly even area, where anyone can see it by machine.
    """
    height, width = channel.shape
    padded = np.pad(channel, 1, mode="edge")
    flat = np.ones(channel.shape, dtype=bool)
    for dy in range(3):
        for dx in range(3):
            flat &= padded[dy : dy + height, dx : dx + width] == channel
    return flat


def cover_costs(
    cover: Cover, name: str = "hill", payload_bits: int = 0, *, sync: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the prices of +1 and -1 for every element, in raster order.

    Parameters
    ----------
    cover : what `image_io.load_cover` returned
    name : one of COSTS
    payload_bits : what is to be hidden; `mipod` and `sync` depend on it
    sync : make the channels of a pixel change in the same direction, which the receiver need not
        know of; `docs/stc.md` says what that costs

    Returns
    -------
    cost_p1, cost_m1 : (n,) float64; inf where a change would leave 0..255, touch a pixel whose
        colour nobody sees, or disturb a perfectly even area
    """
    if name not in COSTS:
        raise ValueError(f"cost: got {name!r}, allowed: {', '.join(COSTS)}")
    function = getattr(stc.costs, name)
    samples = cover.samples
    rho = None
    if name == "mipod":
        # Nothing above one bit per element fits the format; `hiding` says so in its own words.
        rho = function(samples, max(1, min(payload_bits, samples.size)))
    cost_p1, cost_m1 = np.empty(samples.shape), np.empty(samples.shape)
    for index in range(samples.shape[2]):
        # One channel at a time: a large photo has prices of several hundred megabytes.
        channel = np.ascontiguousarray(samples[:, :, index])
        price = function(channel) if rho is None else rho[:, :, index]
        price[flat_samples(channel)] = np.inf
        if cover.fixed is not None:
            price[cover.fixed] = np.inf
        cost_p1[:, :, index], cost_m1[:, :, index] = stc.costs.wet(channel, price)
    if sync:
        # Secret directions: seeded by the operating system.
        rng = np.random.default_rng()
        cost_p1, cost_m1 = stc.costs.sync_channels(cost_p1, cost_m1, payload_bits, rng)
    return cost_p1.reshape(-1), cost_m1.reshape(-1)


def cover_warnings(cover: Cover) -> tuple[str, ...]:
    """Say in words why a cover is a poor hiding place; empty for an ordinary photo."""
    samples = cover.samples
    found = []
    if samples.size < _TINY_ELEMENTS:
        found.append(
            f"the carrier is tiny ({cover.shape[0]} x {cover.shape[1]}): changes are a large "
            "part of it and easier to detect"
        )
    flat = np.mean([flat_samples(samples[:, :, c]).mean() for c in range(samples.shape[2])])
    if flat > _FLAT_SHARE:
        found.append(
            f"{100 * flat:.0f} % of the carrier is perfectly even: drawings and screenshots are "
            "poor hiding places, photos are good ones"
        )
    saturated = float(np.mean((samples == 0) | (samples == 255)))
    if saturated > _SATURATED_SHARE:
        found.append(
            f"{100 * saturated:.0f} % of the carrier's samples are fully black or fully white"
        )
    if looks_decompressed(samples):
        found.append(
            "the carrier was a JPEG picture before: changes of single samples stand out against "
            "its quantisation; scale it down to half its size, or take a photo that never was one"
        )
    elif looks_upscaled(samples):
        found.append(
            "the carrier was enlarged, or compressed with loss: changes of single samples stand "
            "out against the pattern that this leaves; take a photo as the camera made it, or "
            "scale it down to half its size"
        )
    return tuple(found)
