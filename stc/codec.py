"""Binary syndrome-trellis coding: the choice of live elements, the search, verification."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from stc import submatrices
from stc.errors import PayloadTooLargeError, StcError
from stc.inputs import check_bits, check_cost, check_height, whole
from stc.planning import Plan, plan_live
from stc.search import PATH_LIMIT, Blocks, Layout, search
from stc.syndrome import block_ends, syndrome

__all__ = [
    "acceptable",
    "block_layout",
    "cache_folder",
    "embed",
    "extract",
    "is_compiled",
    "path_bytes",
    "solve",
    "verify",
]

Columns = tuple[npt.ArrayLike, npt.ArrayLike]


def block_layout(n: int, n_message: int, height: int, submatrix: Columns | None = None) -> Layout:
    """Spread n elements over the message bits: block b ends at round((b + 1) n / m)."""
    index = np.arange(n_message + 1, dtype=np.int64)
    ends = block_ends(index, n, n_message)
    floor, ceil = n // n_message, -(-n // n_message)
    if submatrix is None:
        pair = (submatrices.columns(height, floor), submatrices.columns(height, ceil))
    else:
        if len(submatrix) != 2:
            raise ValueError(
                f"submatrix: got {len(submatrix)} arrays; allowed: two, of the widths {floor} "
                f"and {ceil}"
            )
        pair = (np.asarray(submatrix[0]), np.asarray(submatrix[1]))
        for name, width, columns in zip(("floor", "ceil"), (floor, ceil), pair, strict=True):
            if columns.shape != (width,) or not np.issubdtype(columns.dtype, np.integer):
                raise ValueError(
                    f"submatrix: the {name} columns have shape {columns.shape} and type "
                    f"{columns.dtype}; allowed: ({width},) integers"
                )
            if columns.min() < 0 or columns.max() >= 1 << height:
                raise ValueError(f"submatrix: columns must lie in 0..{(1 << height) - 1}")
    return Layout(ends, pair[0].astype(np.int64), pair[1].astype(np.int64))


def path_bytes(n_live: int, height: int = 10) -> int:
    """Return the most bytes of back-pointers that embedding may take.

    They start at 24 MiB or less and grow only where ties keep many paths of the trellis apart;
    while they grow, half as much again is taken for a moment. `embed` takes 6 to 30 bytes per
    element besides, and `embed_ternary` has two trellises.

    Parameters
    ----------
    n_live : int >= 0
        elements that take part in the trellis: at most the dry ones
    height : int in 6..14
        constraint height

    Returns
    -------
    size : int, bytes; one bit per state and live element, but never more than 64 MiB

    Examples
    --------
    >>> import stc
    >>> stc.path_bytes(100_000)
    12800000
    >>> stc.path_bytes(1 << 22, 12) == 1 << 26
    True

    """
    if whole("n_live", n_live) < 0:
        raise ValueError(f"n_live: got {n_live}; allowed: 0 or more")
    return min(n_live << (check_height(height) - 3), PATH_LIMIT)


def is_compiled() -> bool:
    """Return whether embedding starts at once: the kernels are on disk from an earlier process.

    Where not, the first call compiles for some seconds.

    Returns
    -------
    compiled : bool

    Examples
    --------
    >>> import stc
    >>> stc.is_compiled() in (True, False)
    True

    """
    from stc import kernels
    from stc.jit import is_cached

    return is_cached(kernels.forward)


def cache_folder() -> Path | None:
    """Return where the compiled kernels are kept, or None where every process compiles anew.

    Returns
    -------
    folder : Path of a folder that may not exist yet, or None

    Examples
    --------
    >>> import stc
    >>> folder = stc.cache_folder()

    """
    from stc import jit, kernels

    return jit.cache_folder(kernels.forward)


def embed(
    cover_bits: npt.ArrayLike,
    message_bits: npt.ArrayLike,
    cost: npt.ArrayLike,
    height: int = 10,
    *,
    submatrix: Columns | None = None,
    freeze: bool = True,
    vector: bool | None = None,
) -> npt.NDArray[np.uint8]:
    """Flip the cheapest set of bits so that the syndrome equals the message.

    Filler, Judas and Fridrich, "Minimizing Additive Distortion in Steganography Using
    Syndrome-Trellis Codes", IEEE TIFS 6(3), 2011: a Viterbi search over 2**height states.
    The order of the elements is the caller's; a keyed random order is what makes the loss over
    the bound small where costs are uneven.

    Parameters
    ----------
    cover_bits : (n,) integers, values {0, 1}
        bits of the cover
    message_bits : (m,) integers, values {0, 1}, 0 <= m <= n
        m = 0 returns a copy of the cover
    cost : (n,) float >= 0
        units of distortion; inf marks a wet element
    height : int in 6..14
        constraint height; time grows as n * 2**height
    submatrix : None or two (width,) integer arrays
        columns of widths n // m and ceil(n / m) in place of this package's own; the receiver
        needs the same
    freeze : bool
        leave out of the trellis the elements that together would carry under 0.03 % of the
        payload, where the problem is large enough for this to save time
    vector : None or bool
        which of two equal state updates runs; None takes the faster

    Returns
    -------
    stego : (n,) uint8; `cover_bits` is not modified

    Raises
    ------
    PayloadTooLargeError : the message is longer than the dry elements allow, or the wet ones
        leave no solution in this order; another order may have one
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> rng = np.random.default_rng(1)
    >>> cover, message = rng.integers(0, 2, 1000), rng.integers(0, 2, 100)
    >>> stego = stc.embed(cover, message, rng.random(1000))
    >>> bool((stc.extract(stego, 100) == message).all())
    True

    """
    cover = check_bits("cover_bits", cover_bits)
    message = check_bits("message_bits", message_bits)
    costs = check_cost("cost", cost, cover.size)
    height = check_height(height)
    if message.size == 0:
        return cover.copy()
    blocks = block_layout(cover.size, message.size, height, submatrix).blocks()
    return solve(cover, message, costs, blocks, height, freeze=freeze, vector=vector)


def solve(
    cover: npt.NDArray[np.uint8],
    message: npt.NDArray[np.uint8],
    costs: npt.NDArray[np.float64],
    blocks: Blocks,
    height: int,
    *,
    freeze: bool,
    vector: bool | None = None,
) -> npt.NDArray[np.uint8]:
    """Do what `embed` does with checked arguments, for all elements or for listed ones.

    Raises
    ------
    PayloadTooLargeError : as `embed`

    """
    if message.size == 0:
        return cover.copy()
    dry = costs < np.inf
    capacity = int(np.count_nonzero(dry))
    if message.size > capacity:
        raise PayloadTooLargeError(
            f"message_bits: got {message.size} bits for {capacity} dry of {blocks.n} elements; "
            "allowed: no more bits than dry elements",
            needed_bits=message.size,
            capacity_bits=capacity,
        )
    plan = Plan(dry)
    if freeze:
        plan = plan_live(costs, dry, blocks.ends, message.size, height, blocks.listed)
    stego = search(cover, message, costs, plan.live, blocks, height, vector)
    if plan.frozen and (stego is None or not acceptable(cover, stego, costs, plan)):
        # The frozen elements were needed after all: an uneven order, or too many wet ones.
        full = search(cover, message, costs, dry, blocks, height, vector)
        if full is not None and (
            stego is None or _distortion(cover, full, costs) < _distortion(cover, stego, costs)
        ):
            stego = full
    if stego is None:
        raise PayloadTooLargeError(
            f"message_bits: got {message.size} bits, which {capacity} dry of {blocks.n} elements "
            "cannot take in this order; try another order or a shorter message",
            needed_bits=message.size,
            capacity_bits=capacity,
        )
    verify(cover, stego, message, dry, blocks)
    return stego


def extract(
    stego_bits: npt.ArrayLike,
    n_message: int,
    height: int = 10,
    *,
    submatrix: Columns | None = None,
) -> npt.NDArray[np.uint8]:
    """Compute the syndrome: the message that `embed` put in. Integer arithmetic only.

    Parameters
    ----------
    stego_bits : (n,) integers, values {0, 1}
        bits of the stego
    n_message : int in 0..n
        bits of message
    height : int in 6..14
        as at embedding
    submatrix : None or two (width,) integer arrays
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
    >>> stc.extract(np.zeros(8, np.uint8), 3)
    array([0, 0, 0], dtype=uint8)

    """
    stego = check_bits("stego_bits", stego_bits)
    height = check_height(height)
    if not 0 <= whole("n_message", n_message) <= stego.size:
        raise ValueError(f"n_message: got {n_message}; allowed: 0..{stego.size}")
    if n_message == 0:
        return np.zeros(0, np.uint8)
    return syndrome(stego, int(n_message), block_layout(stego.size, n_message, height, submatrix))


def _distortion(
    cover: npt.NDArray[np.uint8], stego: npt.NDArray[np.uint8], costs: npt.NDArray[np.float64]
) -> float:
    with np.errstate(over="ignore"):
        return float(costs[cover != stego].sum())


def acceptable(
    cover: npt.NDArray[np.uint8],
    stego: npt.NDArray[np.uint8],
    costs: npt.NDArray[np.float64],
    plan: Plan,
) -> bool:
    """Return whether freezing kept its promise: the distortion is about as low as planned."""
    return not plan.frozen or _distortion(cover, stego, costs) <= plan.limit


def verify(
    cover: npt.NDArray[np.uint8],
    stego: npt.NDArray[np.uint8],
    message: npt.NDArray[np.uint8],
    dry: npt.NDArray[np.bool_],
    blocks: Blocks,
) -> None:
    """Raise rather than hand out a stego that does not carry its message."""
    from stc import kernels

    carried = np.empty_like(message)
    kernels.listed_syndrome(stego, blocks.ends, blocks.column_of, blocks.idle, carried)
    if not np.array_equal(carried, message) or bool(np.any((cover != stego) & ~dry)):
        raise StcError(
            "internal error: the stego does not carry its message; nothing was returned. "
            "Please report the cover, the message and the costs"
        )
