"""The integers of the paper: nine bits each, as Algorithm 1 of E2Style writes them.

Step 1 around zero, floor or nearest; per integer one sign bit (1 is negative) and eight bits of
magnitude, the most significant first, in raster order.  What does not fit is refused: the
released script lets it damage everything that follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROUNDINGS", "PaperFormatError", "decode", "encode", "round_code"]

ROUNDINGS = ("nearest", "floor")
LIMIT = 255
_BITS = 9


class PaperFormatError(ValueError):
    """The payload is none that `encode` would have written."""


def round_code(code: NDArray[np.float32], rounding: str = "nearest") -> NDArray[np.int32]:
    """Return the integers of a code.

    Parameters
    ----------
    code : (n, 512) float32
    rounding : "nearest" (halves to even, as the released script) or "floor" (as Algorithm 1)

    Returns
    -------
    (n, 512) int32 in -255..255

    Raises
    ------
    ValueError : unknown rounding, or a value beyond 255 or not finite
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding: got {rounding!r}, allowed: {', '.join(ROUNDINGS)}")
    whole = np.floor(code) if rounding == "floor" else np.rint(code)
    # A comparison with nan is false.
    if not np.all(np.abs(whole) <= LIMIT):
        worst = float(np.abs(whole).max())
        raise ValueError(f"the code holds {worst:.0f}, nine bits hold -{LIMIT}..{LIMIT}")
    return whole.astype(np.int32)


def encode(integers: NDArray[np.int32]) -> bytes:
    """Return nine bits for each of (n, 512) integers in -255..255.

    Examples
    --------
    >>> encode(np.array([[-3, 0, 0, 0, 0, 0, 0, 1]], np.int32)).hex()
    '818000000000000001'
    """
    flat = integers.reshape(-1)
    words = np.where(flat < 0, 256 - flat, flat).astype(">u2")
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 16)[:, 16 - _BITS :]
    return np.packbits(bits.reshape(-1)).tobytes()


def decode(payload: bytes, n_codes: int) -> NDArray[np.int32]:
    """Invert `encode` for a code of `n_codes` rows.

    Raises
    ------
    PaperFormatError : another length, or a zero with a sign
    """
    if len(payload) * 8 != n_codes * 512 * _BITS:
        raise PaperFormatError("the integers are not as many as the model needs")
    bits = np.unpackbits(np.frombuffer(payload, np.uint8)).reshape(-1, _BITS)
    magnitude = np.packbits(bits[:, 1:], axis=1).reshape(-1).astype(np.int32)
    negative = bits[:, 0] == 1
    if np.any(negative & (magnitude == 0)):
        raise PaperFormatError("a zero has a sign")
    return np.where(negative, -magnitude, magnitude).astype(np.int32).reshape(n_codes, 512)
