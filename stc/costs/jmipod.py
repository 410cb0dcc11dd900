"""J-MiPOD: MiPOD's model of the noise, carried over to the coefficients of a JPEG file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stc.costs._dct import COSINES, check_coefficients, decoded
from stc.costs._mirror import mirror
from stc.costs.mipod import costs_of_information, denoised

__all__ = ["coefficient_information", "jmipod"]

Blocks = npt.NDArray[np.float64]

_WINDOW = 3
_SMALLEST_VARIANCE = 0.01  # of a pixel, as in MiPOD
# Weights of a block and its eight neighbours.
_AROUND = np.array([[1.0, 3.0, 1.0], [3.0, 4.0, 3.0], [1.0, 3.0, 1.0]]) / 20.0
# What a pixel's variance adds to that of a coefficient: orders by places, both ways.
_SHARES = COSINES**2


def _variance(residual: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Estimate each pixel's variance as what a plane of six cosines leaves over in its 3x3 window.

    Three orthonormal cosines, those whose orders sum to three or more, are left.
    """
    place = np.arange(_WINDOW)
    first = np.cos(np.pi * (2 * place + 1) / 6) * np.sqrt(2.0 / 3.0)
    second = np.cos(np.pi * (2 * place + 1) / 3) * np.sqrt(2.0 / 3.0)
    rows, columns = (mirror(size, 1, 1) for size in residual.shape)
    padded = residual[rows][:, columns]
    energy = np.zeros(residual.shape)
    for down, across in ((first, second), (second, first), (second, second)):
        filtered = sum(down[k] * padded[k : len(padded) - 2 + k] for k in range(_WINDOW))
        width = filtered.shape[1] - 2
        energy += sum(across[k] * filtered[:, k : width + k] for k in range(_WINDOW)) ** 2
    return energy / 3.0


def coefficient_information(
    coefficients: npt.ArrayLike, quantization: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return the Fisher information of each coefficient's change rate under J-MiPOD's noise model.

    Parameters
    ----------
    coefficients : (R, C, 8, 8) integers
        quantised, one component; block row, block column, vertical order, horizontal order
    quantization : (8, 8) integers >= 1
        the component's table, in the same order

    Returns
    -------
    information : (R, C, 8, 8) float64, > 0: one over variance squared, a weighted mean over the
        same mode of a block and its neighbours; beyond the border blocks are mirrored

    Raises
    ------
    ValueError : names the parameter, what was got and what is allowed

    """
    blocks, table = check_coefficients(coefficients, quantization)
    down, across = blocks.shape[:2]
    pixels = decoded(blocks, table)
    pixels -= denoised(pixels)
    variance = np.maximum(_variance(pixels), _SMALLEST_VARIANCE)
    by_block = variance.reshape(down, 8, across, 8).transpose(0, 2, 1, 3)
    of_modes = _SHARES @ by_block @ _SHARES.T
    of_modes /= table**2
    information = np.reciprocal(of_modes, out=of_modes)
    information *= information
    rows, columns = mirror(down, 1, 1), mirror(across, 1, 1)
    mean: Blocks = np.zeros(information.shape)
    for dy in range(3):
        near = information[rows[dy : dy + down]]
        for dx in range(3):
            mean += _AROUND[dy, dx] * near[:, columns[dx : dx + across]]
    return mean


def jmipod(
    coefficients: npt.ArrayLike | Sequence[Any],
    quantization: npt.ArrayLike | Sequence[Any],
    payload_bits: float,
) -> Any:
    """Return the J-MiPOD cost of changing each quantised DCT coefficient, for one payload.

    Cogranne, Giboulot and Bas, "Steganography by Minimizing Statistical Detectability: The Cases
    of JPEG and Color Images", ACM IH&MMSec 2020. The variance of the decoded pixels, estimated as
    in MiPOD but over 3x3 windows, is carried through the transform, taking neighbouring pixels as
    independent; the rest is MiPOD. Zeros and DC coefficients have costs like all others.

    `stc.costs.wet(coefficients, rho, low=-1023, high=1023)` gives the costs of +1 and -1.

    Parameters
    ----------
    coefficients : (R, C, 8, 8) integers, or a sequence of such arrays
        quantised; block row, block column, vertical order, horizontal order. Several components
        share the payload as is best for all, which is what one trellis over them does
    quantization : (8, 8) integers >= 1, or as many such tables
        in the same order
    payload_bits : float, 0 < payload_bits < log2(3) * number of coefficients
        bits

    Returns
    -------
    rho : (R, C, 8, 8) float64, > 0; a list of such arrays for a sequence of components

    Raises
    ------
    PayloadTooLargeError : more than log2(3) bits per coefficient
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> blocks = np.zeros((4, 8, 8, 8), int); blocks[:, 4:, :4, :4] = 5
    >>> rho = stc.costs.jmipod(blocks, np.full((8, 8), 10), 100)
    >>> bool(rho[1, 6, 1, 1] < rho[1, 1, 1, 1])
    True

    """
    if not isinstance(coefficients, (list, tuple)):
        information = coefficient_information(coefficients, quantization)
        return costs_of_information(information, payload_bits)
    tables = np.asarray(quantization)
    if len(tables) != len(coefficients) or not len(tables):
        raise ValueError(
            f"quantization: got {len(tables)} tables for {len(coefficients)} components"
        )
    parts = [coefficient_information(*each) for each in zip(coefficients, tables, strict=True)]
    rho = costs_of_information(np.concatenate([each.ravel() for each in parts]), payload_bits)
    ends = np.cumsum([each.size for each in parts])[:-1]
    pieces = np.split(rho, ends)
    return [each.reshape(part.shape) for each, part in zip(pieces, parts, strict=True)]
