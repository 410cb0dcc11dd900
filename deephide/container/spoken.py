"""Pronounceable words for passphrases: proquints (Wilkerson 2009), 16 bits each.

A word is consonant, vowel, consonant, vowel, consonant, of 16 consonants and 4 vowels: 4 + 2 + 4 +
2 + 4 bits. All 65,536 are different, so words drawn alike are worth 16 bits each, exactly.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

__all__ = ["WORD_BITS", "draw_words", "to_word"]

WORD_BITS = 16
_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"


def to_word(number: int) -> str:
    """Return the word of a number of 16 bits, the most significant ones first.

    Examples
    --------
    >>> [to_word(number) for number in (0, 0x7F00, 0xFFFF)]
    ['babab', 'lusab', 'zuzuz']
    """
    if not 0 <= number < 1 << WORD_BITS:
        raise ValueError(f"number: got {number}, allowed 0..{(1 << WORD_BITS) - 1}")
    first, second, last = number >> 12, number >> 6 & 15, number & 15
    return (
        f"{_CONSONANTS[first]}{_VOWELS[number >> 10 & 3]}{_CONSONANTS[second]}"
        f"{_VOWELS[number >> 4 & 3]}{_CONSONANTS[last]}"
    )


def draw_words(count: int, draw: Callable[[int], int] = secrets.randbelow) -> list[str]:
    """Return so many words, drawn independently.

    Parameters
    ----------
    count : words
    draw : returns a random number below its argument; replaced in tests only
    """
    return [to_word(draw(1 << WORD_BITS)) for _ in range(count)]
