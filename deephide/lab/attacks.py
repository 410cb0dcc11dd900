"""Attacks without training: from one plane to one number that grows with what is hidden.

The first three estimate how much of the plane carries replaced lowest bits: 0 for a cover, 1 for
a full one.  Where a code changes fewer samples than it hides bits, they see twice the change rate.
Estimates are not clipped, so that a threshold can be put anywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide.lab.kernels import weighted_misses

__all__ = ["ATTACKS", "chi_square", "regular_singular", "sample_pairs", "weighted_stego"]

Plane = NDArray[np.uint8]

_GROUP = 4
_LEAST_EXPECTED = 4


def weighted_stego(plane: Plane) -> float:
    """Weighted-stego estimate of the share of replaced lowest bits.

    Ker and Böhme 2008, Sec. 3: a sample is predicted from its neighbours, and what the prediction
    misses is compared with the direction that replacement would have taken; flat areas count most.

    Parameters
    ----------
    plane : (H, W) uint8

    Returns
    -------
    share : float, 0 for a cover
    """
    misses, weights = weighted_misses(plane.astype(np.int32))
    return float(2.0 * misses.sum() / weights.sum())


def sample_pairs(plane: Plane) -> float:
    """Sample-pair estimate of the share of replaced lowest bits.

    Dumitrescu, Wu and Memon 2002, by the primary sets of pairs, those of rows and of columns
    together.

    Parameters
    ----------
    plane : (H, W) uint8

    Returns
    -------
    share : float, 0 for a cover; the smaller root of a quadratic equation
    """
    image = plane.astype(np.int16)
    u = np.concatenate([image[:, :-1].reshape(-1), image[:-1].reshape(-1)])
    v = np.concatenate([image[:, 1:].reshape(-1), image[1:].reshape(-1)])
    even = v % 2 == 0
    larger, smaller, equal = u > v, u < v, u == v
    x = np.count_nonzero((even & smaller) | (~even & larger))
    y = np.count_nonzero((even & larger) | (~even & smaller))
    within = np.count_nonzero((u // 2 == v // 2) & ~equal)
    return _smaller_root((within + np.count_nonzero(equal)) / 2.0, 2.0 * x - u.size, float(y - x))


def regular_singular(plane: Plane) -> float:
    """RS estimate of the share of replaced lowest bits.

    Fridrich, Goljan and Du 2001: groups of four samples of a row become rougher or smoother when
    their middle is flipped, and how often changes with the lowest bits.

    Parameters
    ----------
    plane : (H, W) uint8

    Returns
    -------
    share : float, 0 for a cover
    """
    width = plane.shape[1] // _GROUP * _GROUP
    # Four arrays, one for each place in a group.
    groups = np.ascontiguousarray(plane[:, :width].reshape(-1, _GROUP).T).astype(np.int16)
    d_p, d_m = _balance(groups)
    e_p, e_m = _balance(groups ^ 1)
    root = _smaller_root(2.0 * (e_p + d_p), d_m - e_m - e_p - 3.0 * d_p, d_p - d_m)
    return root / (root - 0.5)


def _balance(groups: NDArray[np.int16]) -> tuple[float, float]:
    """Shares of regular minus singular groups with the middle flipped up, and down."""
    before = _roughness(groups)
    positive, negative = groups.copy(), groups.copy()
    positive[1:3] ^= 1
    negative[1:3] = ((negative[1:3] + 1) ^ 1) - 1
    return (
        float(np.sign(_roughness(positive) - before).mean()),
        float(np.sign(_roughness(negative) - before).mean()),
    )


def _roughness(groups: NDArray[np.int16]) -> NDArray[np.int16]:
    total: NDArray[np.int16] = np.abs(np.diff(groups, axis=0)).sum(axis=0, dtype=np.int16)
    return total


def _smaller_root(a: float, b: float, c: float) -> float:
    """Root of least magnitude of a x**2 + b x + c; of complex ones the real part."""
    if a == 0.0:
        return -c / b if b else 0.0
    middle, square = -b / (2.0 * a), (b * b - 4.0 * a * c) / (4.0 * a * a)
    reach = np.sqrt(max(square, 0.0))
    return float(min(middle - reach, middle + reach, key=abs))


def chi_square(plane: Plane) -> float:
    """Balance of the pairs of values that replacement of lowest bits makes equally frequent.

    Westfeld and Pfitzmann 1999, Sec. 3.1; the statistic per degree of freedom with the sign turned,
    since its probability is 0 or 1 for most images.

    Parameters
    ----------
    plane : (H, W) uint8

    Returns
    -------
    balance : float <= 0, about -1 where all lowest bits are random
    """
    pairs = np.bincount(plane.reshape(-1), minlength=256).reshape(128, 2)
    expected = pairs.mean(axis=1)
    used = expected > _LEAST_EXPECTED
    if not used.any():
        return 0.0
    # Both members of a pair miss the mean by the same amount.
    statistic = (2.0 * (pairs[used, 0] - expected[used]) ** 2 / expected[used]).sum()
    return float(-statistic / np.count_nonzero(used))


ATTACKS = {
    "ws": weighted_stego,
    "spa": sample_pairs,
    "rs": regular_singular,
    "chi2": chi_square,
}
