"""MiPOD: costs from a model of the noise, such that the best detector gains least."""

import numpy as np
import numpy.typing as npt

from stc.costs._image import check_image
from stc.errors import PayloadTooLargeError

__all__ = ["change_rates", "fisher_information", "mipod"]

Plane = npt.NDArray[np.float64]

_BLOCK = 9
_DEGREE = 9
_SMALLEST_VARIANCE = 0.01


def _denoised(x: Plane) -> Plane:
    """Apply Wiener's adaptive filter over 2x2 windows, zeros beyond the border."""

    def window_mean(plane: Plane) -> Plane:
        padded = np.pad(plane, ((0, 1), (0, 1)))
        pairs = padded[:-1] + padded[1:]
        return (pairs[:, :-1] + pairs[:, 1:]) / 4.0

    mean = window_mean(x)
    variance = window_mean(x * x) - mean * mean
    noise = variance.mean()
    gain = np.maximum(variance - noise, 0.0) / np.maximum(np.maximum(variance, noise), 1e-300)
    smooth: Plane = mean + gain * (x - mean)
    return smooth


def _variance(residual: Plane) -> Plane:
    """Estimate each pixel's variance as what a smooth model of its 9x9 block leaves over.

    The model holds the two-dimensional cosines whose orders sum to less than 9. They are
    orthonormal, so what is left over is the energy of the other cosines.
    """
    from scipy.ndimage import correlate1d  # costs 0.1 s to import

    order, place = np.arange(_BLOCK)[:, None], np.arange(_BLOCK)[None, :]
    cosines = np.cos(np.pi * order * (2 * place + 1) / (2 * _BLOCK)) * np.sqrt(2.0 / _BLOCK)
    cosines[0] = np.sqrt(1.0 / _BLOCK)
    energy = np.zeros_like(residual)
    for u in range(1, _BLOCK):
        down = correlate1d(residual, cosines[u], axis=0, mode="reflect")
        for v in range(_DEGREE - u, _BLOCK):
            energy += correlate1d(down, cosines[v], axis=1, mode="reflect") ** 2
    freedom = _BLOCK**2 - _DEGREE * (_DEGREE + 1) // 2
    return energy / freedom


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
    from scipy.ndimage import correlate1d  # costs 0.1 s to import

    x = check_image(image)
    variance = np.maximum(_variance(x - _denoised(x)), _SMALLEST_VARIANCE)
    mean = np.full(7, 1.0 / 7.0)
    information: Plane = correlate1d(
        correlate1d(variance**-2.0, mean, axis=0, mode="reflect"), mean, axis=1, mode="reflect"
    )
    return information


def _inverse_rate(y: Plane) -> Plane:
    """Solve x * log(x - 2) = y for x >= 3, by Newton from above."""
    x = 3.0 + y
    for _ in range(100):
        step = (x * np.log(x - 2.0) - y) / (np.log(x - 2.0) + x / (x - 2.0))
        following = np.maximum(x - step, 3.0)
        if np.all(np.abs(following - x) <= 1e-14 * x):
            break
        x = following
    return following


def _entropy(beta: Plane) -> Plane:
    """Ternary entropy in bits at rate `beta` for each sign."""
    stay = 1.0 - 2.0 * beta
    return -(2.0 * beta * np.log2(beta) + stay * np.log2(stay))


def change_rates(information: Plane, payload_bits: float) -> npt.NDArray[np.float64]:
    """Return the rate of +1 (and of -1) that minimises the detector's gain at a payload.

    Minimising the sum of information * rate**2 under the entropy of the changes gives, with a
    multiplier lam, ``lam * information * rate = log(1 / rate - 2)``.

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
    from scipy.optimize import brentq  # costs 0.2 s to import

    capacity = information.size * np.log2(3.0)
    if not payload_bits > 0:
        raise ValueError(f"payload_bits: got {payload_bits}; allowed: more than 0")
    if payload_bits >= capacity:
        raise PayloadTooLargeError(
            f"payload_bits: got {payload_bits}; allowed: under {capacity:.1f}, log2(3) per pixel",
            needed_bits=int(np.ceil(payload_bits)),
            capacity_bits=int(capacity),
        )
    # The entropy of one pixel as a function of log(lam * information): tabulated once, it makes
    # the search for lam a matter of interpolation.
    grid = np.linspace(-40.0, 120.0, 1 << 16)
    table = _entropy(1.0 / _inverse_rate(np.exp(grid)))
    logs = np.log(information).ravel()

    def excess(shift: float) -> float:
        return float(np.interp(logs + shift, grid, table).sum() / payload_bits - 1.0)

    shift = brentq(excess, -40.0 - logs.max(), 120.0 - logs.max(), xtol=1e-12, rtol=1e-14)
    return 1.0 / _inverse_rate(np.exp(shift) * information)


def mipod(image: npt.ArrayLike, payload_bits: float) -> npt.NDArray[np.float64]:
    """Return the MiPOD cost of changing each pixel, for one payload.

    Sedighi, Cogranne and Fridrich, "Content-Adaptive Steganography by Minimizing Statistical
    Detectability", IEEE TIFS 11(2), 2016. The costs are those at which an optimal code changes
    pixels at MiPOD's rates; unlike other schemes' they depend on the payload.

    Parameters
    ----------
    image : (H, W) numbers
        one channel, 0..255 nominal
    payload_bits : float, 0 < payload_bits < log2(3) * H * W
        bits

    Returns
    -------
    rho : (H, W) float64, > 0

    Raises
    ------
    PayloadTooLargeError : more than log2(3) bits per pixel
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> picture = np.zeros((64, 64)); picture[:, 32:] = np.arange(2048).reshape(64, 32) % 7
    >>> rho = stc.costs.mipod(picture, 400)
    >>> bool(rho[32, 48] < rho[32, 4])
    True

    """
    rate = change_rates(fisher_information(image), payload_bits)
    return np.log(1.0 / rate - 2.0)
