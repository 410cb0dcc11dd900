"""Two binary trellises of one ±1 embedding, the lower one close behind the upper.

The upper layer decides which elements cross to another pair of values; those have no choice left
in the lower layer. What the upper trellis has settled the lower one may already use, so two
threads take little more than half the time, with the same result.
"""

import itertools
import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stc import codec
from stc.errors import PayloadTooLargeError
from stc.planning import Plan, plan_live
from stc.search import Blocks, Trellis

__all__ = ["Layer", "embed_layers"]

Bits = npt.NDArray[np.uint8]

# How often the upper layer reports to the lower one at most, and how many constraint heights of
# blocks lie between two reports at least: paths that are to meet need so many, and to look for the
# place takes time.
_REPORTS = 16
_APART = 8


@dataclass(frozen=True)
class Layer:
    """A cover, the message that it is to carry, the cost of a flip, and the blocks."""

    bits: Bits
    message: Bits
    cost: npt.NDArray[np.float64]
    blocks: Blocks

    def plan(self, height: int, freeze: bool) -> Plan:
        """Choose the live elements."""
        dry = self.cost < np.inf
        if not freeze:
            return Plan(dry)
        ends, listed = self.blocks.ends, self.blocks.listed
        return plan_live(self.cost, dry, ends, self.message.size, height, listed)


def embed_layers(
    high: Layer, low: Layer, height: int, freeze: bool, threads: int
) -> tuple[Bits, Bits]:
    """Embed both messages; the lower cover follows what crosses above.

    Parameters
    ----------
    high, low : Layer
        `low.bits` and `low.cost` as they are where nothing crosses; an element that crosses has
        its lower bit flipped and is wet there
    height : int in 6..14
        constraint height
    freeze : bool
        as in `codec.embed`
    threads : int
        with 2 or more the layers run side by side

    Returns
    -------
    new_high, new_low : (n,) uint8

    Raises
    ------
    PayloadTooLargeError : a layer has no solution

    """
    both = _side_by_side(high, low, height, freeze, threads)
    if both is not None:
        return both
    # Too many wet elements for the quick way, or the frozen ones were needed after all.
    try:
        return _one_by_one(high, low, high.cost, height, freeze)
    except PayloadTooLargeError:
        return _one_by_one(high, low, _with_reserve(high, low, height), height, freeze)


def _one_by_one(
    high: Layer, low: Layer, high_cost: npt.NDArray[np.float64], height: int, freeze: bool
) -> tuple[Bits, Bits]:
    new_high = codec.solve(high.bits, high.message, high_cost, high.blocks, height, freeze=freeze)
    crossed = new_high != high.bits
    cost = np.where(crossed, np.inf, low.cost)
    return new_high, codec.solve(
        low.bits ^ crossed, low.message, cost, low.blocks, height, freeze=freeze
    )


def _with_reserve(high: Layer, low: Layer, height: int) -> npt.NDArray[np.float64]:
    """Return upper costs that keep one element of each early lower block from crossing.

    The first rows of the lower matrix see few elements; if all of these cross, nothing is left
    there to choose.
    """
    cost = high.cost.copy()
    for first, last in itertools.pairwise(low.blocks.ends[: 2 * height + 1]):
        if last > first:
            cheapest = first + int(np.argmin(low.cost[first:last]))
            if low.cost[cheapest] < np.inf:  # else crossing is all that this block has
                cost[cheapest] = np.inf
    return cost


def _side_by_side(
    high: Layer, low: Layer, height: int, freeze: bool, threads: int
) -> tuple[Bits, Bits] | None:
    """Return both results, or None where the plan made beforehand did not hold."""
    for layer in (high, low):
        if not 0 < layer.message.size <= np.count_nonzero(layer.cost < np.inf):
            return None
    high_plan, low_plan = high.plan(height, freeze), low.plan(height, freeze)
    cover, live = low.bits.copy(), low_plan.live.copy()
    if not live.any():
        return None
    upper = Trellis(high.bits, high.message, high.cost, high_plan.live, high.blocks, height, None)
    lower = Trellis(cover, low.message, low.cost, live, low.blocks, height, None)
    feed = _Feed()

    def run_lower() -> bool:
        done = 0
        while done < high.bits.size:
            settled = feed.get(done)
            if settled < 0:
                return False
            new = slice(done, settled)
            crossed = upper.stego[new] != high.bits[new]
            cover[new] ^= crossed
            lower.stego[new] = cover[new]
            live[new] &= ~crossed
            done = settled
            if not lower.advance(int(np.searchsorted(low.blocks.ends, done, side="right")) - 1):
                return False
        return True

    reports = min(_REPORTS, high.message.size // (_APART * height))
    if threads > 1 and reports > 1:
        worker = threading.Thread(
            target=_run_upper, args=(upper, feed, reports), name="stc upper layer"
        )
        try:
            worker.start()
            found = run_lower()
        finally:
            feed.close()
            if worker.ident is not None:
                worker.join()
    else:
        # Settling early is of use only to a lower layer that runs meanwhile.
        _run_upper(upper, feed, reports=1)
        found = run_lower()
    if not found:
        return None
    new_low = lower.finish()
    crossed = upper.stego != high.bits
    holds = codec.acceptable(high.bits, upper.stego, high.cost, high_plan) and codec.acceptable(
        low.bits ^ crossed, new_low, low.cost, low_plan
    )
    if not holds:
        return None
    codec.verify(high.bits, upper.stego, high.message, high.cost < np.inf, high.blocks)
    codec.verify(
        low.bits ^ crossed, new_low, low.message, (low.cost < np.inf) & ~crossed, low.blocks
    )
    return upper.stego, new_low


def _run_upper(upper: Trellis, feed: "_Feed", reports: int) -> None:
    """Run the upper layer to its end, in so many parts, reporting each time what is settled."""
    blocks = upper.message.size
    try:
        for k in range(1, reports + 1):
            if not upper.advance(blocks * k // reports):
                feed.put(-1)
                return
            if k < reports and not feed.put(upper.settle()):
                return
        upper.finish()
        feed.put(upper.stego.size)
    except BaseException as error:
        feed.fail(error)


class _Feed:
    """How many elements are settled, from one thread to another; -1 if there is no solution."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._settled = 0
        self._error: BaseException | None = None
        self._closed = False

    def put(self, settled: int) -> bool:
        """Report; return whether anybody still wants to know."""
        with self._change:
            # Once settled is settled for good, whatever a later report can vouch for.
            self._settled = settled if settled < 0 else max(self._settled, settled)
            self._change.notify()
            return not self._closed

    def fail(self, error: BaseException) -> None:
        with self._change:
            self._error = error
            self._change.notify()

    def close(self) -> None:
        with self._change:
            self._closed = True

    def get(self, more_than: int) -> int:
        """Wait until more than that is settled, or nothing ever will be."""
        with self._change:
            self._change.wait_for(
                lambda: self._error or self._settled < 0 or self._settled > more_than
            )
            if self._error is not None:
                raise self._error
            return self._settled
