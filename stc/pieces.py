"""Covers that come in pieces: ±1 embedding in few of their elements."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stc import codec
from stc.errors import PayloadTooLargeError
from stc.flipping import add_flip_cost, embed_parts, exchange, ready, unsolved
from stc.inputs import check_bits, check_cost, check_height, close_dtype_limits
from stc.sampling import Listed
from stc.search import Blocks
from stc.syndrome import block_sums

__all__ = ["embed_ternary_from"]

# Elements start .. stop - 1, and which of these may change, counted from `start`.
ReadCover = Callable[[int, int], tuple[npt.NDArray[Any], npt.NDArray[np.integer]]]
CostPair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def embed_ternary_from(
    read: ReadCover,
    n: int,
    message_bits: npt.ArrayLike,
    costs: Callable[[], CostPair],
    height: int = 10,
    *,
    threads: int = 1,
) -> npt.NDArray[Any]:
    """Do what `embed_ternary` does with split="even", where few elements of a large cover are dry.

    The cover comes in pieces, and memory is taken for the dry elements and the message alone; the
    changes are the same.

    Parameters
    ----------
    read : callable
        given start and stop, returns the elements start .. stop - 1, any integer dtype, and the
        places of those that may change, counted from `start`, ascending; each is asked for once,
        in ascending order
    n : int >= 1
        elements
    message_bits : (m,) integers, values {0, 1}, 0 < m <= 2 * n, m even
        what the elements are to carry
    costs : callable
        asked once when all was read: the costs of +1 and -1 of the k elements that may change,
        float64 >= 0, in their order; these arrays are worked on
    height : int in 6..14
        constraint height
    threads : int >= 1
        as in `embed_ternary`

    Returns
    -------
    stego : (k,) dtype of the elements; those that may change, as they are to be

    Raises
    ------
    PayloadTooLargeError : no solution in this order of the elements; another may have one
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> cover, message = np.arange(400) % 250, np.arange(40) % 2
    >>> read = lambda start, stop: (cover[start:stop], np.arange(0, stop - start))
    >>> cost = np.ones(400)
    >>> stego = stc.embed_ternary_from(read, 400, message, lambda: (cost.copy(), cost.copy()))
    >>> bool((stc.extract_ternary(stego, 40, split="even") == message).all())
    True

    """
    message = check_bits("message_bits", message_bits)
    height = check_height(height)
    if not 0 < message.size <= 2 * n or message.size % 2:
        raise ValueError(
            f"message_bits: got {message.size} bits; allowed: an even number in 2..{2 * n}"
        )
    half = message.size // 2
    layout = codec.block_layout(n, half, height)
    sums = np.empty((2, half), np.int16)
    found, index = [], []
    for first, pending, start, elements, places in block_sums(
        read, n, half, (layout.narrow, layout.wide), 2
    ):
        for layer in range(2):
            part = pending >> np.uint32(16 * layer) & np.uint32(0xFFFF)
            sums[layer, first : first + part.size] = part
        found.append(elements[places])
        index.append((places + start).astype(np.int32))
    cover, listed = np.concatenate(found), Listed(n, np.concatenate(index))
    pair = costs()
    up = check_cost("costs", pair[0], cover.size)
    down = check_cost("costs", pair[1], cover.size)
    up, down = close_dtype_limits(cover, up, down, True)
    up, down, multiplier, capacity = ready(up, down, message, n, listed)
    across, within = up, down
    exchange(cover & 1 == 0, across, within)
    add_flip_cost(across, within, multiplier)
    both = layout.blocks(listed)
    low, high = (_without_listed(both, sums[k], cover >> k & 1) for k in range(2))
    try:
        return embed_parts(cover, message, (low, high), half, across, within, height, True, threads)
    except PayloadTooLargeError as error:
        raise unsolved(message.size, n, capacity) from error


def _without_listed(blocks: Blocks, sums: npt.NDArray[np.int16], bits: npt.NDArray[Any]) -> Blocks:
    """Return blocks whose `idle` is the sum of all elements, less those that are listed."""
    from stc import kernels

    kernels.find_idle(bits.astype(np.uint8), blocks.ends, blocks.column_of, sums)
    return replace(blocks, idle=sums)
