"""Progress on a terminal: the stage, its share of the work, and the time left.

Nothing here decides whether anything is shown; `cli.render` does.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Forecast", "StageLine", "counted_bar", "stage_weights"]

DELAY_S = 0.5
_TICKS_PER_S = 8
_STEPS = 1000  # of a bar

# Seconds that a stage took with a face in photos of 0.3 and 4 megapixels: the fixed part, and that
# for each megabyte of the carrier's file. Only their ratios count.
_SECONDS = {
    "inverting": (2.3, 0.1),
    "costs": (0.02, 0.0),
    "embedding": (0.05, 0.5),
    "verifying": (0.05, 0.8),
}


def stage_weights(stages: Sequence[str], carrier: str | bytes) -> list[float]:
    """Return what share of the time each stage of `embed` will take, in any unit.

    Parameters
    ----------
    stages : names in order
    carrier : path or bytes of the photo; its size stands for its pixels, a missing file for none
    """
    try:
        size = len(carrier) if isinstance(carrier, bytes) else os.stat(carrier).st_size
        megabytes = size / 1e6
    except (OSError, ValueError):
        megabytes = 0.0
    parts = [_SECONDS.get(name, (1.0, 0.0)) for name in stages]
    return [fixed + each * megabytes for fixed, each in parts]


class Forecast:
    """Progress of work in stages, extrapolated from the time that the first stages took.

    Parameters
    ----------
    weights : share of the time that each stage takes, in any unit
    clock : seconds, rising
    """

    def __init__(
        self, weights: Sequence[float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._before = [0.0, *accumulate(weight / sum(weights) for weight in weights)]
        self._clock = clock
        self._start = self._reached = clock()
        self._done = 0

    def advance(self, done: int) -> None:
        """Note that so many stages are done."""
        if done != self._done:
            self._done, self._reached = done, self._clock()

    def left(self) -> float | None:
        """Return the seconds that are left, or None as long as nothing is known."""
        before = self._before[self._done]
        if before == 0.0:
            return None
        total = (self._reached - self._start) / before
        # A stage that takes longer than predicted leaves the time of those after it.
        after = 1.0 - self._before[min(self._done + 1, len(self._before) - 1)]
        return max(total - (self._clock() - self._start), total * after)

    def fraction(self) -> float | None:
        """Return what is done, 0 to 1, or None as long as nothing is known."""
        left = self.left()
        if left is None:
            return None
        spent = self._clock() - self._start
        return spent / (spent + left) if spent + left > 0.0 else None


class StageLine:
    """A line with the stage, a bar and the time left; it appears late and goes at the end.

    Parameters
    ----------
    stages : names in order
    weights : as for `Forecast`; None where nothing is known about them
    """

    def __init__(self, stages: Sequence[str], weights: Sequence[float] | None) -> None:
        self._stages = stages
        self._forecast = Forecast(weights or [1.0] * len(stages))
        self._current = stages[0]
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()

    def update(self, done: int, total: int) -> None:
        """Say that so many stages are done."""
        with self._lock:
            self._forecast.advance(done)
            if done < total:
                self._current = self._stages[done]

    def close(self) -> None:
        """Clear the line."""
        self._closed.set()
        self._thread.join()

    def _show(self) -> None:
        if self._closed.wait(DELAY_S):
            return
        from rich.progress import BarColumn, SpinnerColumn, TextColumn

        unicode = (sys.stderr.encoding or "").lower().startswith("utf")
        columns = (
            SpinnerColumn("dots" if unicode else "line"),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
        )
        with _progress(*columns) as line:
            task = line.add_task(self._current, total=None, left="")
            while True:
                self._draw(line, task)
                if self._closed.wait(1 / _TICKS_PER_S):
                    return

    def _draw(self, line: Progress, task: TaskID) -> None:
        with self._lock:
            fraction, left = self._forecast.fraction(), self._forecast.left()
            if fraction is None or left is None:
                line.update(task, description=self._current)
                return
            line.update(
                task,
                description=self._current,
                total=_STEPS,
                completed=int(_STEPS * fraction),
                left=f"about {max(1, round(left))} s left",
            )


@contextmanager
def counted_bar(label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show counted work: a bar, the rate and what is left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with _progress(*columns) as bar:
        task = bar.add_task(label, total=None, rate="")

        def update(done: int, total: int) -> None:
            speed = bar.tasks[task].speed
            rate = f"{speed:.1f} {unit}/s" if speed else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield update


def _progress(*columns: object) -> Progress:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    return RichProgress(*columns, console=Console(stderr=True), transient=True)  # type: ignore[arg-type]
