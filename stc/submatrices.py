"""Columns of the parity-check submatrices: a published table and a portable generator.

A column is an integer whose bit i is row i; row 0 is the message bit that the block closes.

Provenance of the table: heights 7..12, widths 1..20, from the toolbox that accompanies Filler,
Judas and Fridrich, "Minimizing Additive Distortion in Steganography Using Syndrome-Trellis
Codes", IEEE TIFS 6(3), 2011, by way of ``vectors/stc/stc_columns_reference.npz``. Numbers only.

Everything else comes from a generator that is part of the stego format. With
G = 2**(height - 2) and SplitMix64's output function `mix`, variant v for a range of widths that
ends with `most` draws, for k = 0, 1, ...,

    z[k] = mix(mix(2**32 * v + 2**8 * most + height) + (k + 1) * 0x9E3779B97F4A7C15)  (mod 2**64)

Group g of G consecutive columns ranks the draws z[g*G .. g*G + G - 1]: if the j-th smallest of
them is the r-th of its group, then column g*G + j is ``1 + 2*r + 2**(height - 1)``. First and
last row are thus 1, and no column repeats before all G of them have been used. Where
``benchmarks/stc_columns.py search`` found a better variant than 0, a width takes the first columns
of its range in that variant; any other width is a range of its own, variant 0.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_HEIGHT", "MIN_HEIGHT", "RANGES", "columns", "generated_columns"]

MIN_HEIGHT = 6
MAX_HEIGHT = 14

_GOLDEN = 0x9E3779B97F4A7C15

# Hexadecimal; a comma ends a width, and the widths run from 1 to 20.
_TABLE = {
    7: """
        4b, 6d 47, 6d 4f 53, 59 7f 63 45, 5f 4b 79 47 6d, 47 75 7f 4b 59 6d, 6f 53 7f 61 4d 75 59,
        71 6f 57 5d 63 49 75 7b, 59 61 73 51 4d 75 57 7f 7b, 5f 6b 6d 4f 75 43 79 7b 67 51, 75 47 6d
        4f 65 73 7b 51 4d 5f 57, 77 49 51 7d 7b 67 63 7f 6d 45 59 6b, 57 7f 75 51 61 43 65 5d 69 6d
        4b 73 7b, 5d 6b 73 5f 79 51 4b 63 6f 55 4f 77 69 41, 7b 55 4f 57 7f 41 73 5d 65 6f 49 77 69
        63 5b, 7f 63 79 6f 47 6d 67 75 71 41 69 57 65 4b 5d 7b, 59 5d 6f 75 67 7f 4d 5f 55 69 43 45
        71 7b 63 4b 77, 41 63 4d 55 65 5b 7d 67 7f 6f 45 5d 4b 5f 77 71 69 73, 5b 75 4d 6b 65 7f 73
        53 55 77 69 71 5d 47 6f 79 61 49 51, 5f 6f 75 53 61 4b 57 7f 55 5d 69 73 4d 65 63 59 47 79
        43 7b
    """,
    8: """
        cb, f7 95, 8f bb e9, eb 8d a1 cf, db b9 97 ff c5, fb 9f d9 a7 dd 85, c9 8f e7 fb bd a9 9b,
        8f f5 b1 fd d9 a3 9b c5, e9 91 db b9 e7 d7 ad 81 f3, 8b c9 b1 a7 d5 fd e3 c7 b9 9f, b7 91 df
        c7 f5 8b bb 9d d9 ed a3, df 91 89 db c5 f3 f7 bd 87 b5 cf eb, e5 cd ed bb 87 f1 b7 a3 97 f3
        d5 89 9f, cd a5 ef d3 e7 f7 85 e3 db bd f9 b9 95 81, 83 d5 ff cf e3 dd ad b9 c5 93 eb f7 d9
        8f e5, f7 8b 9d df bb 93 b1 f9 a5 99 a1 e3 ed ff cf c5, cd 8b ef b7 93 bb f9 e1 fd a3 ad e9
        d1 9f ff 95 c5, b1 ad c3 89 d3 f9 bf 87 af 9b e5 d7 cb e1 f7 ed dd e3, 9f bd c3 a3 ff 93 db
        f7 e7 9d 8b ad b9 c5 cf f5 c1 f1 e9, eb b3 db fd f1 83 d5 e7 f7 df c9 c1 bf f9 91 ed 9b a5
        8d ad
    """,
    9: """
        14b, 153 1e9, 1d5 1b9 17b, 173 1b7 115 1df, 19d 1e9 1bb 147 165, 1fd 1c5 16b 199 1a9 12f,
        179 151 1bb 1e7 1d3 1a5 12b, 1f1 15d 117 18b 16d 1ab 18f 129, 1b3 175 18b 1fb 1b9 145 117
        121 13f, 12d 17b 1fd 19b 125 1d3 1c7 105 157 1bf, 16f 121 1bd 18d 1eb 117 175 13b 1b3 1d9
        147, 1d1 17b 13f 113 125 197 175 1ab 1bd 1f1 15b 1a1, 1d9 191 10b 137 167 15b 14d 1b9 195
        17d 1f1 1cf 10d, 1d3 11b 195 12f 10d 151 181 1b9 1ff 169 1c7 163 161 137, 1e9 137 103 11f
        1bd 1d7 1a3 159 121 187 195 19b 173 1c9 14b, 1ed 1ab 131 135 153 1bf 17d 14f 143 1a7 1c5 1c9
        1bb 139 173 161, 10f 12d 1e3 191 171 16f 1b3 149 13f 1d9 1b9 1eb 145 1c7 185 155 13d, 14d
        137 1fd 13f 187 1b9 117 1d3 107 1e7 189 195 1d9 12f 161 151 1c3 16d, 12d 1dd 169 1bd 1f9 16b
        177 115 10f 161 151 1f7 1c9 165 11f 143 1b3 159 1f1, 119 169 19d 11f 1db 167 1e3 15f 151 1a9
        1c5 1a7 12d 135 14b 1f3 1fb 115 177 1d7
    """,
    10: """
        24b, 207 375, 243 3af 30d, 2ad 297 3b3 325, 3bf 2d9 2a7 261 34b, 3bf 3cd 319 2eb 23d 293,
        277 22f 3ff 325 2c5 391 3d3, 25f 363 2db 3f5 271 3cd 339 39d, 2e7 2d7 353 3c1 32d 25d 20f
        233 363, 35f 399 3af 20b 28d 3c9 233 255 2f1 26d, 2d9 2eb 385 347 32f 3a7 309 281 3f3 25b
        3cd, 245 33f 293 36d 30d 3a1 3eb 3fd 28f 2d9 3d7 263, 369 3f5 35b 377 243 2b9 301 39f 2a7
        2ab 38f 2f1 2dd, 3df 2ff 34d 3d1 39b 261 279 301 215 33d 35b 2f7 2af 291, 30d 297 2db 33d
        353 3ad 259 3e5 2cf 2a3 3b3 3ab 291 225 287, 26b 36f 2a9 259 3f7 31d 2e1 349 347 365 3a3 315
        2ff 223 337 27b, 357 237 24f 3fb 2e9 3b1 301 29f 323 31f 39d 2bd 205 28d 375 2db 245, 377
        283 311 263 389 29d 2bf 3f9 23f 2fb 271 365 2db 35d 34f 3ad 3a5 241, 363 3df 3fd 2c5 257 2e5
        3a5 399 26b 315 3bd 317 3c9 20d 24f 2fb 291 2ab 33d, 3f1 3eb 385 2cb 283 323 325 3cf 29b 26b
        239 301 2ad 2ff 355 29f 371 38b 3bb 20b
    """,
    11: """
        44b, 677 5d5, 743 5c9 45f, 573 6c9 7b5 4eb, 53b 42b 68f 669 7e5, 679 533 6f7 7fb 449 5cd,
        64b 475 739 7d1 5e7 54f 4dd, 4bf 6c5 5b5 7e9 4e3 799 671 73b, 4fb 55d 731 5e5 65f 6c9 41f
        763 411, 6b3 45d 5df 7e9 403 7a7 555 6cb 515 4d1, 44d 467 479 485 4ab 6d3 75d 5f7 52d 7f1
        78f, 559 4e7 711 761 49f 5d7 4c7 6f5 7ed 52f 433 429, 485 5db 74f 555 617 47d 50d 623 669
        7b3 70f 689 7e7, 789 5fd 46f 54f 60b 6bb 5f9 453 4f9 757 6ad 475 769 489, 745 709 68b 6a3
        44f 681 679 507 5b3 7ff 49d 72b 43d 561 5e7, 77b 6d9 799 56f 4b5 74b 767 59f 6b7 4a1 695 473
        4cd 6ff 71d 50f, 4a9 79f 5bd 6c9 417 4cb 7c5 6b5 6c7 66b 741 7ad 57d 627 773 495 513, 669
        75f 469 54d 607 4ff 697 7b7 72f 6ef 455 539 439 59b 643 7f5 4e1 481, 7cf 429 56b 7b9 613 77b
        4c3 5bd 761 78d 71b 523 527 69d 477 551 717 455 65f, 4e5 41b 723 74f 64d 6df 7df 4cd 631 421
        581 727 797 5d3 615 4ab 53b 5a9 68b 68f
    """,
    12: """
        84b, d93 a7d, f19 b43 9d7, fb3 d37 bd5 95d, aa5 e77 d3f 8bb a6d, 9b9 c4f a87 d19 fbd f1b,
        9a3 859 be7 f29 c35 a7b e2f, ab3 c5b 859 fbf b97 d55 ea5 8fd, d73 901 d25 8b7 84f e71 dcf
        fc9 a3d, e39 ad9 ae5 935 bbb aa9 c9d b6d d73 8f3, def 939 80d 8ab f41 8ed b37 c73 997 adf
        a7d, fcb a37 951 f47 cc3 b37 e53 bdd b59 b69 851 8fb, 90b bb5 e9f aa9 c2d 8f9 a19 c45 cd3
        f67 e1d d11 fcf, f7f bfd d31 f45 e6b 987 9e5 c03 851 cf7 d69 bdb ab9 a47, bcf d15 83f 951
        f43 f77 d61 ed9 857 a6f a4d ba1 bb7 c23 8e5, a99 a87 d77 9e9 a7d eab f71 f3d c79 c23 967 d9d
        831 c13 85b 8d5, bf9 fdb afd be3 b21 d95 c85 d35 abb c83 f61 e13 e29 de7 ef7 8c3 927, f9f
        c6f a9d 903 837 d19 ac9 9ed 947 917 ccd a2f f1b bdd 873 8d5 e41 b71, 9ef 96f f1b e7d c59 941
        ff7 89d ec9 9d3 855 b61 f65 d2b a2d cc5 d39 bd1 913, b7b ad7 e4f 96d a0d 89d eed db9 a8b d33
        9af a67 93f 9d5 bd3 c81 c69 cd1 fe5 815
    """,
}

# Ranges of widths that may share one sequence of columns.
RANGES = [
    (21, 24), (25, 32), (33, 43), (44, 58), (59, 78), (79, 105), (106, 142), (143, 190),
    (191, 256), (257, 345), (346, 465), (466, 628), (629, 848),
]  # fmt: skip

# By height and largest width of the range: the variant found, where it proved better than variant 0
# on problems that the search had not seen. Sets of more columns, and those of height 12, turned
# out to be all equally good.
_VARIANTS: dict[int, dict[int, int]] = {
    10: {24: 117, 32: 49},
    13: {
        2: 6, 3: 26, 4: 21, 5: 101, 6: 35, 7: 35, 8: 93, 9: 98, 10: 61, 11: 100, 12: 100, 13: 46,
        14: 19, 15: 119, 16: 99, 17: 114, 18: 43, 19: 63, 20: 53,
    },
    14: {
        2: 114, 3: 52, 4: 45, 5: 2, 6: 92, 7: 89, 8: 31, 9: 65, 10: 1, 11: 86, 12: 85, 13: 97,
        14: 2, 15: 62, 16: 56, 17: 82, 18: 97, 19: 57, 20: 50,
    },
}  # fmt: skip


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64-bit words as SplitMix64 does (Steele, Lea and Flood, OOPSLA 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def generated_columns(height: int, most: int, variant: int = 0) -> npt.NDArray[np.uint32]:
    """Return the generator's columns, whether or not the table has any.

    Parameters
    ----------
    height : int in 2..30
        rows
    most : int in 1..2**24 - 1
        columns: the largest width of a range
    variant : int in 0..2**32 - 1
        which of many

    Returns
    -------
    columns : (most,) uint32, each in [2**(height - 1) + 1, 2**height - 1] and odd

    """
    group = 1 << (height - 2)
    n_groups = -(-most // group)
    key = _mix(np.array([(variant << 32) + (most << 8) + height], dtype=np.uint64))
    counter = np.arange(1, n_groups * group + 1, dtype=np.uint64)
    draws = _mix(key + counter * np.uint64(_GOLDEN)).reshape(n_groups, group)
    rank = np.argsort(draws, axis=1, kind="stable").ravel()[:most]
    return (1 + 2 * rank + (1 << (height - 1))).astype(np.uint32)


@lru_cache(maxsize=64)
def columns(height: int, width: int) -> npt.NDArray[np.uint32]:
    """Return the columns for one constraint height and block width.

    Parameters
    ----------
    height : int in 6..14
        rows
    width : int >= 1
        columns; about n / m

    Returns
    -------
    columns : (width,) uint32, read-only; bit i is row i

    Examples
    --------
    >>> from stc.submatrices import columns
    >>> [int(c) for c in columns(10, 2)]
    [519, 885]

    """
    table = _TABLE.get(height, "").split(",")
    if 1 <= width <= len(table) and height in _TABLE:
        result = np.array([int(word, 16) for word in table[width - 1].split()], dtype=np.uint32)
    else:
        most = next((end for start, end in RANGES if start <= width <= end), width)
        variant = _VARIANTS.get(height, {}).get(most)
        if variant is None:
            most, variant = width, 0
        result = generated_columns(height, most, variant)[:width]
    result.flags.writeable = False
    return result
