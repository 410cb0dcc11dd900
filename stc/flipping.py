"""Costs of the two layers of a ±1 embedding by the flipping lemma, and the embedding in both."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stc import gibbs
from stc.errors import PayloadTooLargeError
from stc.layers import Layer, embed_layers
from stc.sampling import Listed
from stc.search import Blocks

__all__ = ["add_flip_cost", "embed_parts", "exchange", "ready", "unsolved"]

# Elements handled at once where temporary arrays would else be as large as the cover.
_BLOCK = 1 << 18


def ready(
    up: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
    message: npt.NDArray[np.uint8],
    n: int,
    listed: Listed | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float, int]:
    """Return both costs in a comfortable range, the Gibbs multiplier and the capacity in bits.

    Raises
    ------
    PayloadTooLargeError : the message is above that

    """
    up, down = _comfortable(up, down)
    capacity = gibbs.free_choice_bits((up, down))
    if message.size > capacity:
        raise PayloadTooLargeError(
            f"message_bits: got {message.size} bits; allowed: at most {capacity}, the entropy of "
            f"free changes among the permitted ones of {n} elements",
            needed_bits=message.size,
            capacity_bits=capacity,
        )
    return up, down, gibbs.rough_multiplier((up, down), message.size, listed), capacity


def unsolved(n_message: int, n: int, capacity: int) -> PayloadTooLargeError:
    """Return the error of a message for which no order of the elements that was tried will do."""
    return PayloadTooLargeError(
        f"message_bits: got {n_message} bits, for which {n} elements have no "
        "solution in this order; try another order or a shorter message",
        needed_bits=n_message,
        capacity_bits=capacity,
    )


def exchange(
    where: npt.NDArray[np.bool_], one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> None:
    """Exchange the values of two arrays in some places, a block at a time."""
    for start in range(0, where.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        kept = one[part].copy()
        np.copyto(one[part], other[part], where=where[part])
        np.copyto(other[part], kept, where=where[part])


def add_flip_cost(
    across: npt.NDArray[np.float64], within: npt.NDArray[np.float64], multiplier: float
) -> None:
    """Make of `across` what it costs to flip the second-lowest bit, by the flipping lemma."""
    if multiplier == 0 or not np.isfinite(multiplier):
        return
    for start in range(0, across.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        with np.errstate(over="ignore"):
            across[part] += np.log1p(np.exp(-multiplier * within[part])) / multiplier


def embed_parts(
    elements: npt.NDArray[Any],
    message: npt.NDArray[np.uint8],
    blocks: tuple[Blocks, Blocks],
    n_low: int,
    across: npt.NDArray[np.float64],
    within: npt.NDArray[np.float64],
    height: int,
    freeze: bool,
    threads: int,
) -> npt.NDArray[Any]:
    """Embed `n_low` bits in the lowest and the others in the second-lowest layer.

    `blocks` are those of the two layers. `across` (n,) is what it costs to flip the second-lowest
    bit, `within` (n,) the cost of the change that does not; elements that signal the share are wet
    in both.
    """
    low_bit = (elements & 1).astype(np.uint8)
    high_bit = ((elements >> 1) & 1).astype(np.uint8)
    high = Layer(high_bit, message[n_low:], across, blocks[1])
    # Crossing changes the lowest bit too: there it is the cover, and cannot move back.
    low = Layer(low_bit, message[:n_low], within, blocks[0])
    new_high, new_low = embed_layers(high, low, height, freeze, threads)
    crossed = new_high != high_bit
    moved = new_low != low_bit
    odd = low_bit.astype(np.bool_)
    stego = elements.copy()
    stego[moved & (crossed == odd)] += 1
    stego[moved & (crossed != odd)] -= 1
    return stego


def _comfortable(
    up: npt.NDArray[np.float64], down: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Scale both costs by one power of two if sums and multipliers could leave float64."""
    largest = max(float(np.max(c, where=c < np.inf, initial=0.0)) for c in (up, down))
    if largest == 0 or 2.0**-300 < largest < 2.0**300:
        return up, down
    exponent = -int(np.frexp(largest)[1])
    with np.errstate(under="ignore"):
        return np.ldexp(up, exponent), np.ldexp(down, exponent)
