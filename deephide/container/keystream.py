"""Keyed order of the elements: an exact specification, not a library's shuffle.

Element i of n gets the i-th 64-bit little-endian word of the ChaCha20 keystream, whose low
28 bits are replaced by i.  Sorting the words and keeping their low 28 bits gives the order.
Ties of the 36 random bits fall back to the index, so the result is unique on every machine.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from deephide.container.crypto import keystream_bytes

__all__ = ["MAX_ELEMENTS", "keyed_order", "public_order"]

INDEX_BITS = 28
MAX_ELEMENTS = 1 << INDEX_BITS
_CHUNK = 1 << 17

_PUBLIC_DOMAIN = b"deephide/1 public order\x00"


def keyed_order(key: bytes, n: int, first: int | None = None) -> NDArray[np.int64]:
    """Return a permutation of 0..n-1 that only the key gives, or its beginning.

    Parameters
    ----------
    key : 32 bytes, used for nothing else
    n : number of elements, 0 <= n <= 2**28
    first : how many entries are wanted, 0 <= first <= n; None means all, which takes longer

    Returns
    -------
    order : (first,) or (n,) int64, no index twice

    Examples
    --------
    >>> keyed_order(bytes(32), 8).tolist()
    [2, 6, 1, 5, 7, 4, 0, 3]
    """
    if not 0 <= n <= MAX_ELEMENTS:
        raise ValueError(f"n: got {n}, allowed 0..{MAX_ELEMENTS}")
    mask = np.uint64(MAX_ELEMENTS - 1)
    # All in one buffer: of the largest pictures it takes 2 GiB.
    words = np.frombuffer(keystream_bytes(key, 8 * n), dtype="<u8").astype(np.uint64, copy=False)
    words &= ~mask
    for start in range(0, n, _CHUNK):
        part = words[start : start + _CHUNK]
        part |= np.arange(start, start + part.size, dtype=np.uint64)
    if first is not None and first < n:
        words.partition(first)
        words = words[:first].copy()
    words.sort()
    words &= mask
    return words.view(np.int64)


def public_order(n: int, first: int | None = None) -> NDArray[np.int64]:
    """Return the permutation of 0..n-1 that anyone can compute, or its beginning."""
    key = hashlib.sha256(_PUBLIC_DOMAIN + n.to_bytes(8, "little")).digest()
    return keyed_order(key, n, first)
