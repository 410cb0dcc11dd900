"""Schemes to be detected: ways to hide bits in one plane of samples, and our `embed` as it is.

Each function takes a plane (H, W) uint8, a number of bits and a random generator, and returns the
stego plane.  The coders hide random bits, since what is hidden should look random anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.covers import cost_names
from deephide.lab.kernels import filtered

__all__ = ["PLANE_SCHEMES", "PlaneScheme"]

Plane: TypeAlias = NDArray[np.uint8]
PlaneScheme: TypeAlias = Callable[[Plane, int, np.random.Generator], Plane]

_HEIGHT = 12  # of deephide's format
_RELEASED_HEIGHT = 10
_NEIGHBOURS = np.ones((3, 3), np.int32)


def _message(bits: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 2, bits, dtype=np.uint8)


def _replaced(plane: Plane, places: NDArray[np.intp], rng: np.random.Generator) -> Plane:
    stego = plane.copy().reshape(-1)
    stego[places] = (stego[places] & 0xFE) | _message(places.size, rng)
    return stego.reshape(plane.shape)


def replacement(plane: Plane, bits: int, rng: np.random.Generator) -> Plane:
    """Replace lowest bits at random places."""
    return _replaced(plane, rng.permutation(plane.size)[:bits], rng)


def ranked_replacement(plane: Plane, bits: int, rng: np.random.Generator) -> Plane:
    """Replace lowest bits where the variance of 3 x 3 samples is largest, as stegoforge does.

    The lowest bits do not count for the variance, so that a receiver finds the same places.
    """
    upper = np.pad(plane & 0xFE, 1, mode="reflect").astype(np.int32)
    # Of nine samples, times 81.
    variance = 9 * filtered(upper**2, _NEIGHBOURS) - filtered(upper, _NEIGHBOURS) ** 2
    return _replaced(plane, np.argsort(-variance, axis=None, kind="stable")[:bits], rng)


def matching(plane: Plane, bits: int, rng: np.random.Generator) -> Plane:
    """Add or subtract one at random where the lowest bit is not the wanted one."""
    places = rng.permutation(plane.size)[:bits]
    stego = plane.astype(np.int16).reshape(-1)
    wrong = places[(stego[places] & 1) != _message(places.size, rng)]
    step = rng.choice(np.array([-1, 1], np.int16), wrong.size)
    step[stego[wrong] == 0], step[stego[wrong] == 255] = 1, -1
    stego[wrong] += step
    return stego.astype(np.uint8).reshape(plane.shape)


def released(plane: Plane, bits: int, rng: np.random.Generator) -> Plane:
    """Binary trellis code at equal costs in raster order by replacement, as E2Style's script."""
    lowest = (plane & 1).reshape(-1)
    coded = stc.embed(lowest, _message(bits, rng), np.ones(lowest.size), height=_RELEASED_HEIGHT)
    return ((plane & 0xFE) | coded.reshape(plane.shape)).astype(np.uint8)


def _costs_of(
    name: str, plane: Plane, bits: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    function = getattr(stc.costs, name)
    return stc.costs.wet(plane, function(plane, bits) if name == "mipod" else function(plane))


def _at_the_bound(name: str) -> PlaneScheme:
    def scheme(plane: Plane, bits: int, rng: np.random.Generator) -> Plane:
        return stc.simulate(plane, *_costs_of(name, plane, bits), bits, rng)

    return scheme


def _coded(name: str) -> PlaneScheme:
    def scheme(plane: Plane, bits: int, rng: np.random.Generator) -> Plane:
        order = rng.permutation(plane.size)
        up, down = (cost.reshape(-1)[order] for cost in _costs_of(name, plane, bits))
        stego = np.empty(plane.size, np.uint8)
        flat = plane.reshape(-1)
        stego[order] = stc.embed_ternary(flat[order], _message(bits, rng), up, down, height=_HEIGHT)
        return stego.reshape(plane.shape)

    return scheme


PLANE_SCHEMES: dict[str, PlaneScheme] = {
    "lsb": replacement,
    "lsb-ranked": ranked_replacement,
    "lsb-matching": matching,
    "e2style": released,
    **{f"{name}-bound": _at_the_bound(name) for name in cost_names.OF_SAMPLES},
    **{f"{name}-stc": _coded(name) for name in cost_names.OF_SAMPLES},
}
