"""±1 embedding in two layers of binary codes: the second-lowest bit first, then the lowest."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stc import codec
from stc.errors import PayloadTooLargeError
from stc.flipping import add_flip_cost, embed_parts, exchange, ready, unsolved
from stc.inputs import (
    check_bits,
    check_cost,
    check_elements,
    check_height,
    close_dtype_limits,
    whole,
)
from stc.splitting import best_share, nearest_shares, parts, put_share, read_share, share_places

__all__ = ["embed_ternary", "extract_ternary"]


Split = Literal["entropy", "even"]


def _check_split(split: str) -> None:
    if split not in ("entropy", "even"):
        raise ValueError(f"split: got {split!r}; allowed: 'entropy' and 'even'")


# Shares tried in full before a message is rejected.
_TRIES = 4


def embed_ternary(
    cover: npt.ArrayLike,
    message_bits: npt.ArrayLike,
    cost_p1: npt.ArrayLike,
    cost_m1: npt.ArrayLike,
    height: int = 10,
    *,
    split: Split = "entropy",
    freeze: bool = True,
    threads: int = 1,
    overwrite_costs: bool = False,
) -> npt.NDArray[Any]:
    """Change elements by at most 1, at the lowest summed cost, so that they carry the message.

    Filler, Judas and Fridrich 2011, Sec. VI. The first bits of the message are the syndrome of
    the lowest bits, the others that of the second-lowest; bits are taken in two's complement.
    The upper layer is coded first, with costs by the flipping lemma: for the neighbour a that
    flips this bit and the neighbour b that does not, at Gibbs multiplier lam,

        cost = cost_a + log(1 + exp(-lam * cost_b)) / lam.

    In the lower layer an element that went to a has no choice left, and any other one goes to b
    at its plain cost.

    Parameters
    ----------
    cover : (n,) any integer dtype
        elements; +1 at the dtype's maximum and -1 at its minimum are wet
    message_bits : (m,) integers, values {0, 1}, 0 <= m <= log2(3) * n
        m = 0 returns a copy of the cover
    cost_p1, cost_m1 : (n,) float >= 0
        units of distortion; inf forbids the change
    height : int in 6..14
        constraint height; time grows as n * 2**height
    split : "entropy" or "even"
        how many bits each layer takes: its part of the entropy at the optimum, which six bits in
        a few elements signal to the receiver (from 600 bits of message on), or always half
    freeze : bool
        as in `embed`
    threads : int >= 1
        2 runs the layers side by side; the result is the same
    overwrite_costs : bool
        take `cost_p1` and `cost_m1`, where they are float64, as room to work in: a large cover
        then takes 16 bytes per element less

    Returns
    -------
    stego : (n,) dtype of `cover`, which is not modified

    Raises
    ------
    PayloadTooLargeError : no solution in this order of the elements; another may have one
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> rng = np.random.default_rng(1)
    >>> cover = rng.integers(0, 256, 2000).astype(np.uint8)
    >>> message, cost = rng.integers(0, 2, 500), rng.random(2000)
    >>> stego = stc.embed_ternary(cover, message, cost, cost)
    >>> bool((stc.extract_ternary(stego, 500) == message).all())
    True

    """
    elements = check_elements("cover", cover)
    message = check_bits("message_bits", message_bits)
    up = check_cost("cost_p1", cost_p1, elements.size)
    down = check_cost("cost_m1", cost_m1, elements.size)
    check_height(height)
    _check_split(split)
    if threads < 1:
        raise ValueError(f"threads: got {threads}; allowed: 1 or more")
    if message.size == 0:
        return elements.copy()
    if overwrite_costs and np.shares_memory(up, down):
        down = down.copy()
    up, down = close_dtype_limits(elements, up, down, overwrite_costs)
    up, down, multiplier, capacity = ready(up, down, message, elements.size)
    places = share_places(elements.size, message.size) if split == "entropy" else None
    if places is not None:
        at_places = up[places].copy(), down[places].copy()
    # Large covers have hundreds of megabytes of costs, which are worked on in place. From an
    # even element -1 reaches the other pair of values {4k, 4k + 1}, {4k + 2, 4k + 3}; from an odd
    # one +1 does.
    across, within = up, down
    exchange(elements & 1 == 0, across, within)
    starts: Iterable[tuple[npt.NDArray[Any], int | None]] = [(elements, None)]
    if places is not None:
        share = best_share(across, within, multiplier)
        across[places] = within[places] = np.inf
        starts = _signalled(elements, at_places, places, share, height)
    add_flip_cost(across, within, multiplier)
    failure: PayloadTooLargeError | None = None
    for start, its_share in itertools.islice(starts, _TRIES):
        sizes = parts(elements.size, message.size, its_share)
        low, high = (
            codec.block_layout(elements.size, max(size, 1), height).blocks() for size in sizes
        )
        try:
            return embed_parts(
                start, message, (low, high), sizes[0], across, within, height, freeze, threads
            )
        except PayloadTooLargeError as error:
            failure = error
    raise unsolved(message.size, elements.size, capacity) from failure


def _signalled(
    elements: npt.NDArray[Any],
    at_places: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    places: slice,
    share: int,
    height: int,
) -> Iterator[tuple[npt.NDArray[Any], int]]:
    """Yield elements that signal a share, and the share, those near the best one first.

    Wet elements may stand in the way of one share and not of the next.
    """
    for near in nearest_shares(share):
        try:
            marked = put_share(elements, *at_places, places, near, height)
        except PayloadTooLargeError:
            continue
        yield marked, near


def extract_ternary(
    stego: npt.ArrayLike, n_message: int, height: int = 10, *, split: Split = "entropy"
) -> npt.NDArray[np.uint8]:
    """Read the message that `embed_ternary` put in. Integer arithmetic only.

    Parameters
    ----------
    stego : (n,) any integer dtype
        elements
    n_message : int in 0..2 * n
        bits of message
    height : int in 6..14
        as at embedding
    split : "entropy" or "even"
        as at embedding

    Returns
    -------
    message : (n_message,) uint8, values {0, 1}

    Raises
    ------
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> stc.extract_ternary(np.zeros(8, np.int16), 3)
    array([0, 0, 0], dtype=uint8)

    """
    elements = check_elements("stego", stego)
    _check_split(split)
    if not 0 <= whole("n_message", n_message) <= 2 * elements.size:
        raise ValueError(f"n_message: got {n_message}; allowed: 0..{2 * elements.size}")
    places = share_places(elements.size, int(n_message)) if split == "entropy" else None
    share = None if places is None else read_share(elements, places, height)
    n_low, n_high = parts(elements.size, int(n_message), share)
    low = codec.extract((elements & 1).astype(np.uint8), n_low, height)
    high = codec.extract(((elements >> 1) & 1).astype(np.uint8), n_high, height)
    return np.concatenate([low, high])
