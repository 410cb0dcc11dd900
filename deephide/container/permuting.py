"""Loops over a keyed order: its numbers, and which of them are places on a short list.

Twins of what `keystream` and `canvas` do without a compiler.  Legend: a number is right · a + left;
`even` (4, b) and `odd` (4, a) are the functions of the rounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stc.jit import jit

__all__ = ["find_listed", "permute"]


@jit
def permute(first: int, n: int, a: int, b: int, even: Any, odd: Any, out: Any) -> None:
    """Write the numbers that come from the `first`-th on in an order of `n`."""
    # Numbers follow on one another: only those that come out beyond n need a division.
    first_left, first_right = first % a, first // a
    for i in range(out.size):
        left, right = first_left, first_right
        first_left += 1
        if first_left == a:
            first_left = 0
            first_right += 1
        while True:
            for k in range(even.shape[0]):
                left += np.int64(even[k, right])  # type: ignore[assignment]
                if left >= a:
                    left -= a
                right += np.int64(odd[k, left])  # type: ignore[assignment]
                if right >= b:
                    right -= b
            number = right * a + left
            if number < n:
                break
            left, right = number % a, number // a
        out[i] = number


@jit
def find_listed(places: Any, words: Any, before: Any, at: Any, ranks: Any) -> int:
    """Find the places on a list, of which bit p & 63 of `words[p >> 6]` says whether p is.

    `before` holds how many are on the list in all words before each one.  Writes, for each place
    found, its position among `places` and its rank in the list; returns how many there are.
    """
    found = 0
    one = np.uint64(1)
    for i in range(places.size):
        p = np.int64(places[i])
        word = words[p >> 6]
        bit = np.uint64(p & 63)
        if (word >> bit) & one:
            # Ones below this one: of pairs, of nibbles, of bytes, and of all eight.
            x = word & ((one << bit) - one)
            x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
            x = (x & np.uint64(0x3333333333333333)) + (
                (x >> np.uint64(2)) & np.uint64(0x3333333333333333)
            )
            x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
            x += x >> np.uint64(8)
            x += x >> np.uint64(16)
            x += x >> np.uint64(32)
            at[found] = i
            ranks[found] = before[p >> 6] + np.int64(x & np.uint64(127))
            found += 1
    return found
