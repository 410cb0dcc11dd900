"""Checked coefficients for the schemes of JPEG, and the pixels that they stand for."""

import numpy as np
import numpy.typing as npt

__all__ = ["COSINES", "check_coefficients", "decoded"]

_ORDER, _PLACE = np.arange(8)[:, None], np.arange(8)[None, :]
# Row u is the orthonormal cosine of order u.
COSINES: npt.NDArray[np.float64] = (
    np.cos(np.pi * _ORDER * (2 * _PLACE + 1) / 16) * np.where(_ORDER == 0, np.sqrt(0.5), 1.0) / 2
)


def check_coefficients(
    coefficients: npt.ArrayLike, quantization: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return both as float64, or raise ValueError naming the parameter."""
    blocks = np.asarray(coefficients)
    if blocks.ndim != 4 or blocks.shape[2:] != (8, 8) or not blocks.size:
        raise ValueError(
            f"coefficients: got shape {blocks.shape}; "
            "allowed: (rows of blocks, blocks in a row, 8, 8), one component"
        )
    if blocks.dtype.kind not in "ui":
        raise ValueError(f"coefficients: got type {blocks.dtype}; allowed: integers, quantised")
    table = np.asarray(quantization)
    if table.shape != (8, 8):
        raise ValueError(f"quantization: got shape {table.shape}; allowed: (8, 8)")
    if table.dtype.kind not in "ui" or table.min() < 1:
        raise ValueError("quantization: got other than positive integers; allowed: those")
    return blocks.astype(np.float64), table.astype(np.float64)


def decoded(
    blocks: npt.NDArray[np.float64], table: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the component as a decoder shows it: (8 rows, 8 columns) whole numbers in 0..255.

    Decoders that take the usual short cuts in the inverse transform differ by 1 here and there.
    """
    down, across = blocks.shape[:2]
    pixels = COSINES.T @ (blocks * table) @ COSINES + 128.0
    np.clip(np.rint(pixels, out=pixels), 0.0, 255.0, out=pixels)
    return np.ascontiguousarray(pixels.transpose(0, 2, 1, 3)).reshape(8 * down, 8 * across)
