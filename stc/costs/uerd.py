"""UERD: uniform embedding, by the energy of a block and the step of a mode."""

import numpy as np
import numpy.typing as npt

from stc.costs._dct import check_coefficients

__all__ = ["uerd"]


def uerd(coefficients: npt.ArrayLike, quantization: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the UERD cost of changing each quantised DCT coefficient by one.

    Guo, Ni, Su, Tang and Shi, "Using Statistical Image Model for JPEG Steganography: Uniform
    Embedding Revisited", IEEE TIFS 10(12), 2015, equations 3 and 4: the step of the mode over
    the energy around the block. Energy is the sum of the magnitudes of the dequantised AC
    coefficients, a quarter of each neighbour's added; blocks beyond the border mirror those
    inside. DC is changed at the mean of the steps of its two neighbours. Luma and chroma are
    treated alike, each with its own table.

    `stc.costs.wet(coefficients, rho, low=-1023, high=1023)` gives the costs of +1 and -1.

    Parameters
    ----------
    coefficients : (R, C, 8, 8) integers
        quantised, one component; block row, block column, vertical order, horizontal order
    quantization : (8, 8) integers >= 1
        the component's table, in the same order

    Returns
    -------
    rho : (R, C, 8, 8) float64, > 0; inf where a block and its neighbours have DC alone

    Raises
    ------
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> blocks = np.zeros((4, 4, 8, 8), int); blocks[:, 2:, :3, :3] = 5
    >>> stc.costs.uerd(blocks, np.full((8, 8), 10))[0, [0, 3], 0, 0]
    array([       inf, 0.00833333])

    """
    blocks, table = check_coefficients(coefficients, quantization)
    steps = table.copy()
    steps[0, 0] = 0.0
    np.abs(blocks, out=blocks)
    energy = blocks.reshape(*blocks.shape[:2], 64) @ steps.reshape(64)
    padded = np.pad(energy, 1, mode="symmetric")
    triples = padded[:-2] + padded[1:-1] + padded[2:]
    around = triples[:, :-2] + triples[:, 1:-1] + triples[:, 2:] - energy
    energy += 0.25 * around
    steps[0, 0] = 0.5 * (table[0, 1] + table[1, 0])
    with np.errstate(divide="ignore"):
        rate = np.reciprocal(energy)
    return np.multiply(rate[:, :, None, None], steps, out=blocks)
