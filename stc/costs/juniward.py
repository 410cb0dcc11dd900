"""J-UNIWARD: relative change of directional wavelet coefficients, for JPEG coefficients."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stc.costs._dct import COSINES, check_coefficients, decoded
from stc.costs._image import check_image
from stc.costs._mirror import mirror
from stc.costs._wavelet import HIGH, LOW, TAPS, clear, residual_row
from stc.jit import jit

__all__ = ["juniward"]

# The stabilising constant of the published program.
_SIGMA = 2.0**-6

# How far the window of residuals lies from the one that changes with the block.
_SHIFT = {"fix_off_by_one": 0, "original": 1}


@jit
def _weigh_along(line: Any, weights: Any, out: Any) -> None:
    """Add to each block's eight modes the sum of its 23 values, weighed by (23, 8) `weights`."""
    for start in range(0, out.size, 8):
        modes = out[start : start + 8]
        for t in range(weights.shape[0]):
            value, weight = line[start + t], weights[t]
            for v in range(8):
                modes[v] += weight[v] * value


@jit
def _weigh_down(smooth: Any, rough: Any, impact: Any, y: int, out: Any) -> None:
    """Add row `y` of the windows of one row of blocks to its (8, width) sums."""
    for u in range(8):
        a, b = impact[0, u, y], impact[1, u, y]
        total = out[u]
        for j in range(total.size):
            total[j] += a * smooth[j] + b * rough[j]


@jit
def _costs(
    image: Any,
    rows: Any,
    columns: Any,
    bank: Any,
    down: Any,
    along: Any,
    sigma: float,
    out: Any,
) -> None:
    """Weigh the reciprocals of each block's 23x23 residuals by what each mode changes there.

    A mode changes the residuals by the product of one vector down and one along: `down` (2, 8,
    23) and `along` (2, 23, 8) for the low-pass and the high-pass filter. Each row of reciprocals
    is weighed along for all blocks and modes first, then goes into the three rows of blocks that
    it belongs to; `out`, zeros, is (block rows, 8, width).
    """
    width = out.shape[2]
    taps, window = bank.shape[1], along.shape[1]
    work = np.empty((3, columns.size))
    residual = np.empty((3, columns.size - taps + 1))
    weighed = np.empty((2, width))
    for r in range(8 * out.shape[0] + taps - 1):
        residual_row(image, rows[r : r + taps], columns, bank, work, residual)
        clear(weighed[0])
        clear(weighed[1])
        for k in range(3):
            line = residual[k]
            for j in range(line.size):
                line[j] = 1.0 / (abs(line[j]) + sigma)
            _weigh_along(line, along[0 if k == 1 else 1], weighed[0 if k == 0 else 1])
        for row in range(max(0, (r - window + 8) // 8), min(out.shape[0], r // 8 + 1)):
            _weigh_down(weighed[0], weighed[1], down, r - 8 * row, out[row])


def juniward(
    coefficients: npt.ArrayLike,
    quantization: npt.ArrayLike,
    pixels: npt.ArrayLike | None = None,
    *,
    implementation: Literal["fix_off_by_one", "original"] = "fix_off_by_one",
) -> npt.NDArray[np.float64]:
    """Return the J-UNIWARD cost of changing each quantised DCT coefficient by one.

    Holub, Fridrich and Denemark, "Universal Distortion Function for Steganography in an
    Arbitrary Domain", EURASIP J. Inf. Security 2014:1: the sum, over three directions, of the
    changes of the residuals that one coefficient causes, each relative to the residual plus
    2**-6. Every coefficient has a cost, DC and zeros too. Luma and chroma are treated alike,
    each component with its own table and at its own resolution; for colour the paper's one
    component is all that is defined, so that costs of luma and chroma are comparable only as
    far as residuals of either are.

    `stc.costs.wet(coefficients, rho, low=-1023, high=1023)` gives the costs of +1 and -1.
    Zeros are not forbidden there; published simulators merely count the payload per non-zero AC
    coefficient.

    Parameters
    ----------
    coefficients : (R, C, 8, 8) integers
        quantised, one component; block row, block column, vertical order, horizontal order
    quantization : (8, 8) integers >= 1
        the component's table, in the same order
    pixels : (8 R, 8 C) numbers, optional
        the decoded component where it is at hand; the default decodes it, rounds and clips
    implementation : {"fix_off_by_one", "original"}
        the authors' program weighs residuals one row below and one column to the right of those
        that a change affects (Lorch and Benes, arXiv:2305.19776); "original" does as it does

    Returns
    -------
    rho : (R, C, 8, 8) float64, > 0

    Raises
    ------
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> blocks = np.zeros((4, 4, 8, 8), int); blocks[:, 2:, :3, :3] = 5
    >>> rho = stc.costs.juniward(blocks, np.full((8, 8), 10))
    >>> bool(rho[1, 3, 1, 1] < rho[1, 0, 1, 1])
    True

    """
    blocks, table = check_coefficients(coefficients, quantization)
    if implementation not in _SHIFT:
        raise ValueError(
            f"implementation: got {implementation!r}; allowed: {', '.join(map(repr, _SHIFT))}"
        )
    image = decoded(blocks, table) if pixels is None else check_image(pixels, "pixels")
    if image.shape != (8 * blocks.shape[0], 8 * blocks.shape[1]):
        raise ValueError(
            f"pixels: got shape {image.shape}; "
            f"allowed: {(8 * blocks.shape[0], 8 * blocks.shape[1])}, 8 x 8 per block"
        )
    shift = _SHIFT[implementation]
    rows, columns = (mirror(extent, TAPS - 1, TAPS)[shift:] for extent in image.shape)
    rows, columns = rows[: rows.size - 1 + shift], columns[: columns.size - 1 + shift]
    bank = np.stack([LOW, HIGH])
    impact = np.array(
        [[np.abs(np.correlate(cosine, taps, "full")) for cosine in COSINES] for taps in bank]
    )
    sums = np.zeros((blocks.shape[0], 8, image.shape[1]))
    # The residual is a correlation here: the first tap meets the first pixel.
    _costs(image, rows, columns, bank, impact, impact.transpose(0, 2, 1).copy(), _SIGMA, sums)
    modes = sums.reshape(*sums.shape[:2], -1, 8).transpose(0, 2, 1, 3)
    return np.multiply(modes, table, order="C")
