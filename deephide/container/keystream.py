"""Orders of elements: permutations that a key gives, computed piece by piece.

A permutation of n numbers is a Feistel network on pairs (l, r) with l below a and r below b, where
a · b just reaches n (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002, Sec. 5).
The round functions are tables of ChaCha20 keystream, and a result beyond n goes through it again.
Any piece of an order takes time and memory for that piece alone, so an image of any size can be
read in a few megabytes.  docs/format.md, section 5.
"""

from __future__ import annotations

import hashlib
import math
import sys

import numpy as np
from numpy.typing import NDArray

from deephide.container import permuting
from deephide.container.crypto import keystream_bytes

__all__ = ["MAX_ELEMENTS", "PIECE", "Order", "public_order"]

MAX_ELEMENTS = 1 << 28
ROUNDS = 8

PIECE = 1 << 14  # numbers permuted at once: their intermediate values stay in the cache
_PUBLIC_DOMAIN = b"deephide/2 public order\x00"

Places = NDArray[np.uint32]
Table = NDArray[np.uint16]


class Order:
    """A permutation of 0..n-1 that only its key gives.

    Parameters
    ----------
    key : 32 bytes, used for nothing else
    n : how many numbers are permuted, 1 <= n <= 2**28

    Examples
    --------
    >>> Order(bytes(32), 8).places(0, 8).tolist()
    [0, 4, 5, 1, 3, 7, 2, 6]
    """

    def __init__(self, key: bytes, n: int) -> None:
        if not 1 <= n <= MAX_ELEMENTS:
            raise ValueError(f"n: got {n}, allowed 1..{MAX_ELEMENTS}")
        self.n = n
        self._a = math.isqrt(n - 1) + 1
        self._b = -(-n // self._a)
        self._even, self._odd = _round_tables(key, self._a, self._b)

    def places(self, start: int, stop: int) -> Places:
        """Return the numbers that come `start`-th to before `stop`-th, (stop - start,) uint32."""
        out = np.empty(stop - start, np.uint32)
        # To load a compiler would take longer than to do without it.
        if permuting.permute.is_loaded or "numba" in sys.modules:
            permuting.permute(start, self.n, self._a, self._b, self._even, self._odd, out)
            return out
        for first in range(start, stop, PIECE):
            last = min(first + PIECE, stop)
            piece = self._apply(np.arange(first, last, dtype=np.uint32))
            beyond = np.flatnonzero(piece >= self.n)
            while beyond.size:
                piece[beyond] = self._apply(piece[beyond])
                beyond = beyond[piece[beyond] >= self.n]
            out[first - start : last - start] = piece
        return out

    def _apply(self, numbers: Places) -> Places:
        # No half exceeds 2**14, nor a sum 2**16: short numbers are twice as fast.
        a, b = np.uint16(self._a), np.uint16(self._b)
        quotients = numbers // np.uint32(a)
        left = (numbers - quotients * np.uint32(a)).astype(np.uint16)
        right = quotients.astype(np.uint16)
        for even, odd in zip(self._even, self._odd, strict=True):
            # Below zero wraps to a large number: the smaller one is the remainder.
            left += even.take(right)
            np.minimum(left, left - a, out=left)
            right += odd.take(left)
            np.minimum(right, right - b, out=right)
        out: Places = right * np.uint32(a) + left
        return out


def _round_tables(key: bytes, a: int, b: int) -> tuple[Table, Table]:
    """Return the functions of the even rounds, of r, below a, and of the odd, of l, below b."""
    words = np.frombuffer(keystream_bytes(key, 8 * (ROUNDS // 2) * (a + b)), dtype="<u8")
    pairs = words.reshape(ROUNDS // 2, a + b)
    even, odd = pairs[:, :b] % np.uint64(a), pairs[:, b:] % np.uint64(b)
    return even.astype(np.uint16), odd.astype(np.uint16)


def public_order(n: int) -> Order:
    """Return the order of n numbers that anyone can compute."""
    return Order(hashlib.sha256(_PUBLIC_DOMAIN + n.to_bytes(8, "little")).digest(), n)
