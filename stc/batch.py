"""Batches of covers on several threads; each result is what the single call gives."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from stc.errors import PayloadTooLargeError
from stc.multilayer import Split, embed_ternary, extract_ternary

__all__ = ["embed_batch", "extract_batch"]

T = TypeVar("T")
Progress = Callable[[int, int], None]


def _same_length(n: int, **lists: Sequence[object]) -> None:
    for name, values in lists.items():
        if len(values) != n:
            raise ValueError(f"{name}: got {len(values)} entries; allowed: {n}, one per cover")


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run(
    task: Callable[[int], T], count: int, threads: int | None, progress: Progress | None
) -> list[T]:
    """Return task(0), ..., task(count - 1); the first failure ends the batch."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads: got {threads}; allowed: 1 or more, or None")
    with ThreadPoolExecutor(threads or _processors(), "stc batch") as pool:
        pending = set(futures := [pool.submit(task, k) for k in range(count)])
        try:
            while pending:
                done, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
                for future in sorted(done, key=futures.index):
                    future.result()
                if progress is not None:
                    progress(count - len(pending), count)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def embed_batch(
    covers: Sequence[npt.ArrayLike],
    messages: Sequence[npt.ArrayLike],
    costs_p1: Sequence[npt.ArrayLike],
    costs_m1: Sequence[npt.ArrayLike],
    height: int = 10,
    *,
    split: Split = "entropy",
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[npt.NDArray[Any]]:
    """Call `embed_ternary` for many covers, side by side.

    Parameters
    ----------
    covers : sequence of (n_k,) any integer dtype
        elements; lengths may differ
    messages : sequence of (m_k,) integers, values {0, 1}
        one per cover
    costs_p1, costs_m1 : sequences of (n_k,) float >= 0
        units of distortion; inf forbids the change
    height : int in 6..14
        constraint height
    split : "entropy" or "even"
        as in `embed_ternary`
    threads : None or int >= 1
        None takes one per processor; the result does not depend on it
    progress : None or callable
        called with (covers done, covers in all)

    Returns
    -------
    stegos : list of (n_k,) arrays, each of its cover's dtype

    Raises
    ------
    PayloadTooLargeError : names the cover that failed; nothing is returned
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> rng = np.random.default_rng(1)
    >>> covers = [rng.integers(0, 256, 1000).astype(np.uint8) for _ in range(3)]
    >>> messages = [rng.integers(0, 2, 50) for _ in covers]
    >>> costs = [rng.random(1000) for _ in covers]
    >>> stegos = stc.embed_batch(covers, messages, costs, costs)
    >>> bool((stc.extract_ternary(stegos[2], 50) == messages[2]).all())
    True

    """
    _same_length(len(covers), messages=messages, costs_p1=costs_p1, costs_m1=costs_m1)

    def task(k: int) -> npt.NDArray[Any]:
        try:
            return embed_ternary(
                covers[k], messages[k], costs_p1[k], costs_m1[k], height, split=split
            )
        except PayloadTooLargeError as error:
            raise PayloadTooLargeError(
                f"cover {k}: {error}",
                needed_bits=error.needed_bits,
                capacity_bits=error.capacity_bits,
            ) from error
        except ValueError as error:
            error.add_note(f"in cover {k} of the batch")
            raise

    return _run(task, len(covers), threads, progress)


def extract_batch(
    stegos: Sequence[npt.ArrayLike],
    n_messages: Sequence[int],
    height: int = 10,
    *,
    split: Split = "entropy",
    threads: int | None = None,
) -> list[npt.NDArray[np.uint8]]:
    """Call `extract_ternary` for many stegos, side by side.

    Parameters
    ----------
    stegos : sequence of (n_k,) any integer dtype
        elements
    n_messages : sequence of int
        bits of message, one per stego
    height : int in 6..14
        as at embedding
    split : "entropy" or "even"
        as at embedding
    threads : None or int >= 1
        None takes one per processor

    Returns
    -------
    messages : list of (m_k,) uint8

    Raises
    ------
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> stc.extract_batch([np.zeros(8, np.uint8)], [3])
    [array([0, 0, 0], dtype=uint8)]

    """
    _same_length(len(stegos), n_messages=n_messages)

    def task(k: int) -> npt.NDArray[np.uint8]:
        return extract_ternary(stegos[k], n_messages[k], height, split=split)

    return _run(task, len(stegos), threads, None)
