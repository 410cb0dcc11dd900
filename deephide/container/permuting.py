"""Loops over a keyed order: its numbers, and which of them are places on a short list.

Twins of what `keystream` and `canvas` do without a compiler.  Legend: a number is right · a + left;
`even` (4, b) and `odd` (4, a) are the functions of the rounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stc.jit import jit

__all__ = ["find_listed", "permute"]

_TOGETHER = 64


@jit
def permute(first: int, n: int, a: int, b: int, even: Any, odd: Any, out: Any) -> None:
    """Write the numbers that come from the `first`-th on in an order of `n`."""
    # Each number takes sixteen steps that wait for one another: those of many run side by side.
    lefts, rights = np.empty(_TOGETHER, np.uint32), np.empty(_TOGETHER, np.uint32)
    below_a, below_b = np.uint32(a), np.uint32(b)
    next_left, next_right = first % a, first // a
    for start in range(0, out.size, _TOGETHER):
        count = min(_TOGETHER, out.size - start)
        for i in range(count):
            lefts[i], rights[i] = next_left, next_right
            next_left += 1
            if next_left == a:
                next_left = 0
                next_right += 1
        for k in range(even.shape[0]):
            to_left, to_right = even[k], odd[k]
            for i in range(count):
                # Below zero wraps to a large number: the smaller one is the remainder.
                left = np.uint32(lefts[i] + np.uint32(to_left[np.uint64(rights[i])]))
                lefts[i] = left = np.uint32(min(left, np.uint32(left - below_a)))
                right = np.uint32(rights[i] + np.uint32(to_right[np.uint64(left)]))
                rights[i] = np.uint32(min(right, np.uint32(right - below_b)))
        for i in range(count):
            number = np.int64(rights[i]) * a + np.int64(lefts[i])
            while number >= n:
                wide, high = number % a, number // a
                for k in range(even.shape[0]):
                    wide = (wide + np.int64(even[k, high])) % a
                    high = (high + np.int64(odd[k, wide])) % b
                number = high * a + wide
            out[start + i] = number


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
