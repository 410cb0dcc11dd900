"""MiPOD: costs from a model of the noise, such that the best detector gains least."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc.costs._box import box_mean
from stc.costs._image import check_image
from stc.costs._mirror import mirror
from stc.errors import PayloadTooLargeError
from stc.jit import jit

__all__ = ["change_rates", "costs_of_information", "denoised", "fisher_information", "mipod"]

Plane = npt.NDArray[np.float64]

_BLOCK = 9
_DEGREE = 9
_SMALLEST_VARIANCE = 0.01
# What the published code takes for the variance of windows that have none.
_FLAT_VARIANCE = 1e-8


def denoised(x: Plane) -> Plane:
    """Apply Wiener's adaptive filter over 2x2 windows, zeros beyond the border."""

    def window_mean(plane: Plane) -> Plane:
        padded = np.pad(plane, ((0, 1), (0, 1)))
        pairs = padded[:-1] + padded[1:]
        return (pairs[:, :-1] + pairs[:, 1:]) / 4.0

    mean = window_mean(x)
    variance = np.maximum(window_mean(x * x) - mean * mean, _FLAT_VARIANCE)
    noise = variance.mean()
    gain: Plane = np.maximum(variance - noise, 0.0)
    gain /= np.maximum(variance, noise, out=variance)
    gain *= x - mean
    gain += mean
    return gain


@jit
def _project(pairs: Any, middle: Any, cosine: Any, out: Any) -> None:
    """Write the product with one cosine."""
    a, b, c, d, e = cosine[0], cosine[1], cosine[2], cosine[3], cosine[4]
    p, q, r, s = pairs[0], pairs[1], pairs[2], pairs[3]
    for j in range(out.size):
        out[j] = a * p[j] + b * q[j] + c * r[j] + d * s[j] + e * middle[j]


@jit
def _add_square(pairs: Any, middle: Any, cosine: Any, out: Any) -> None:
    """Add the square of the product with one cosine."""
    a, b, c, d, e = cosine[0], cosine[1], cosine[2], cosine[3], cosine[4]
    p, q, r, s = pairs[0], pairs[1], pairs[2], pairs[3]
    for j in range(out.size):
        value = a * p[j] + b * q[j] + c * r[j] + d * s[j] + e * middle[j]
        out[j] += value * value


@jit
def _energy(residual: Any, rows: Any, columns: Any, cosines: Any, degree: int, out: Any) -> None:
    """Write the energy of each block in the cosines whose orders sum to `degree` or more.

    Cosines of even order are symmetric and those of odd order antisymmetric, so that mirrored
    pairs are added or subtracted once for all orders: half of the multiplications.
    """
    height, width = out.shape
    block = cosines.shape[0]
    padded = np.empty(columns.size)
    pairs = np.empty((2, 4, width))
    folds = np.empty((2, 4, width))
    for i in range(height):
        middle = residual[rows[i + 4]]
        for k in range(4):
            one, two = residual[rows[i + k]], residual[rows[i + 8 - k]]
            plus, minus = pairs[0, k], pairs[1, k]
            for j in range(width):
                plus[j] = one[j] + two[j]
                minus[j] = one[j] - two[j]
        energy = out[i]
        for j in range(width):
            energy[j] = 0.0
        for u in range(1, block):
            centre = padded[4:]
            _project(pairs[u % 2], middle, cosines[u], centre[:width])
            for j in range(4):
                padded[j] = centre[columns[j]]
                padded[4 + width + j] = centre[columns[4 + width + j]]
            for k in range(4):
                one, two = padded[k:], padded[8 - k :]
                plus, minus = folds[0, k], folds[1, k]
                for j in range(width):
                    plus[j] = one[j] + two[j]
                    minus[j] = one[j] - two[j]
            for v in range(degree - u, block):
                _add_square(folds[v % 2], centre, cosines[v], energy)


def _variance(residual: Plane) -> Plane:
    """Estimate each pixel's variance as what a smooth model of its 9x9 block leaves over.

    The model holds the two-dimensional cosines whose orders sum to less than 9. They are
    orthonormal, so what is left over is the energy of the other cosines.
    """
    order, place = np.arange(_BLOCK)[:, None], np.arange(_BLOCK)[None, :]
    cosines = np.cos(np.pi * order * (2 * place + 1) / (2 * _BLOCK)) * np.sqrt(2.0 / _BLOCK)
    cosines[0] = np.sqrt(1.0 / _BLOCK)
    energy = np.empty(residual.shape)
    rows, columns = (mirror(extent, _BLOCK // 2, _BLOCK // 2) for extent in residual.shape)
    _energy(residual, rows, columns, cosines, _DEGREE, energy)
    energy /= _BLOCK**2 - _DEGREE * (_DEGREE + 1) // 2
    return energy


def fisher_information(image: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the Fisher information of each pixel's change rate under MiPOD's noise model.

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal

    Returns
    -------
    information : (H, W) float64, in (0, 1e4]: the mean over 7x7 of one over variance squared

    Raises
    ------
    ValueError : not one channel, or not finite

    """
    x = check_image(image)
    x -= denoised(x)
    variance = np.maximum(_variance(x), _SMALLEST_VARIANCE)
    variance *= variance
    return box_mean(np.reciprocal(variance, out=variance), 7)


@jit
def _entropy(information: Any, counts: Any, multiplier: float, odds: Any) -> tuple[float, float]:
    """Solve ``multiplier * information * rate = log(odds)``, where odds = 1 / rate - 2.

    `odds`, how much more often a pixel stays than it goes up, holds guesses > 1 and then the
    solutions. Returns the entropy of the changes in nats, each pixel counted as often as
    `counts` says, or once where that is empty, and its derivative by log(multiplier).
    """
    total, slope = 0.0, 0.0
    for i in range(information.size):
        # (odds + 2) * log(odds) = y is nearly straight: Newton doubles the digits at each step.
        y = multiplier * information[i]
        a = odds[i]
        for _ in range(100):
            log = np.log(a)
            following = a + (y - (a + 2.0) * log) / (log + (a + 2.0) / a)
            following = max(following, 1.0)
            step = abs(following - a)
            a = following
            if step <= 1e-7 * a:
                break
        odds[i] = a
        cost = np.log(a)
        rate = 1.0 / (a + 2.0)
        stay = a * rate
        weight = counts[i] if counts.size else 1.0
        total += weight * (np.log1p(2.0 / a) + 2.0 * cost * rate)
        slope -= weight * 2.0 * cost * cost * rate * stay / (1.0 + cost * stay)
    return total, slope


def _search(information: Plane, counts: Plane, nats: float, at: float, odds: Plane) -> float:
    """Find log(multiplier) at which the entropy is `nats`, and the odds there.

    Newton from the guesses `at` and `odds`, kept inside a bracket.
    """
    top = float(np.log(information.max()))
    low, high = -60.0 - top, 120.0 - top
    for _ in range(200):
        entropy, slope = _entropy(information, counts, float(np.exp(at)), odds)
        miss = float(np.log(entropy / nats))
        low, high = (at, high) if miss > 0 else (low, at)
        if abs(miss) <= 1e-12 or high - low <= 1e-14 * abs(high):
            break
        # The slope of log(entropy) vanishes where the payload is all that fits.
        following = at - miss * entropy / slope if slope < 0 else low
        at = following if low < following < high else 0.5 * (low + high)
    return at


def costs_of_information(information: Plane, payload_bits: float) -> Plane:
    """Return the costs at which an optimal coder changes at MiPOD's rates."""
    capacity = information.size * np.log2(3.0)
    if not payload_bits > 0:
        raise ValueError(f"payload_bits: got {payload_bits}; allowed: more than 0")
    if payload_bits >= capacity:
        raise PayloadTooLargeError(
            f"payload_bits: got {payload_bits}; allowed: under {capacity:.1f}, log2(3) per pixel",
            needed_bits=int(np.ceil(payload_bits)),
            capacity_bits=int(capacity),
        )
    nats = payload_bits * float(np.log(2.0))
    flat = np.ascontiguousarray(information, dtype=np.float64).ravel()
    # A histogram of a thousand bins tells where to look.
    logs = np.log(flat)
    lowest = float(logs.min())
    width = max(float(logs.max()) - lowest, 1e-9) / 1024
    bins = ((logs - lowest) / width).astype(np.intp)
    counts = np.bincount(bins).astype(np.float64)
    centres = np.exp(lowest + width * (np.arange(counts.size) + 0.5))
    odds = np.full(counts.size, 2.0)
    guess = _search(centres, counts, nats, -float(logs.mean()), odds)
    odds = odds[bins]
    _search(flat, np.empty(0), nats, guess, odds)
    costs: Plane = np.log(odds, out=odds).reshape(information.shape)
    return costs


def change_rates(information: Plane, payload_bits: float) -> npt.NDArray[np.float64]:
    """Return the rate of +1 (and of -1) that minimises the detector's gain at a payload.

    Minimising the sum of information * rate**2 under the entropy of the changes gives, with a
    multiplier lam, ``lam * information * rate = log(1 / rate - 2)``. Both are solved to the
    last digits; published programs read the rate from a table with 0.01 between entries and
    end their search for lam at a thousandth.

    Parameters
    ----------
    information : (H, W) float64 > 0
        from `fisher_information`
    payload_bits : float, 0 < payload_bits < log2(3) * H * W
        bits

    Returns
    -------
    rate : (H, W) float64, in (0, 1/3)

    Raises
    ------
    PayloadTooLargeError : more than log2(3) bits per pixel
    ValueError : names the parameter, what was got and what is allowed

    """
    rate: Plane = 1.0 / (np.exp(costs_of_information(information, payload_bits)) + 2.0)
    return rate


def mipod(image: npt.ArrayLike, payload_bits: float) -> npt.NDArray[np.float64]:
    """Return the MiPOD cost of changing each pixel, for one payload.

    Sedighi, Cogranne and Fridrich, "Content-Adaptive Steganography by Minimizing Statistical
    Detectability", IEEE TIFS 11(2), 2016. The costs are those at which an optimal code changes
    pixels at MiPOD's rates; unlike other schemes' they depend on the payload.

    Parameters
    ----------
    image : (H, W) or (H, W, C) numbers
        0..255 nominal; channels are modelled each for itself and share the payload as is best
        for all, which is what one trellis over them does
    payload_bits : float, 0 < payload_bits < log2(3) * image.size
        bits

    Returns
    -------
    rho : float64, shaped like `image`, > 0

    Raises
    ------
    PayloadTooLargeError : more than log2(3) bits per element
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> image = np.zeros((64, 64)); image[:, 32:] = np.arange(2048).reshape(64, 32) % 7
    >>> rho = stc.costs.mipod(image, 400)
    >>> bool(rho[32, 48] < rho[32, 4])
    True

    """
    values = np.asarray(image)
    if values.ndim != 3:
        return costs_of_information(fisher_information(values), payload_bits)
    channels = [fisher_information(values[..., c]) for c in range(values.shape[2])]
    return costs_of_information(np.stack(channels, axis=-1), payload_bits)
