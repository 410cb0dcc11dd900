"""Queue of jobs, done one at a time in a thread of their own, with events for each stage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

from deephide.errors import DeephideError

__all__ = ["MAX_JOBS", "Event", "Jobs", "Send", "StoppedError", "Work"]

MAX_JOBS = 4  # one at work, the others waiting

Event: TypeAlias = dict[str, Any]
Send: TypeAlias = Callable[[Event], None]
Work: TypeAlias = Callable[[Send], Event]


class StoppedError(Exception):
    """Nobody waits for the result any more; raised in a job when it reports progress."""


class Jobs:
    """A queue with one worker.  A job whose audience has gone is stopped at its next stage."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "deephide-ui")
        self._open = 0

    async def run(self, work: Work) -> AsyncIterator[Event]:
        """Do a job when its turn has come; yield its events, and last {"result": ...}.

        Parameters
        ----------
        work : called with a function that sends an event to the page; returns the result

        Raises
        ------
        DeephideError : MAX_JOBS are there already
        Exception : whatever the job raises
        """
        if self._open >= MAX_JOBS:
            raise DeephideError("too much is waiting already", hint="try again in a moment")
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        gone = threading.Event()

        def call(function: Callable[..., None], *args: Any) -> None:
            try:
                loop.call_soon_threadsafe(function, *args)
            except RuntimeError:  # the loop is closed: the server has ended
                gone.set()

        def send(event: Event) -> None:
            call(events.put_nowait, event)
            if gone.is_set():
                raise StoppedError

        def begin() -> Event:
            send({"stage": "starting"})
            return work(send)

        def end() -> None:
            self._open -= 1
            events.put_nowait(None)

        self._open += 1
        if self._open > 1:
            events.put_nowait({"stage": "waiting"})
        job: Future[Event] = self._worker.submit(begin)
        job.add_done_callback(lambda _: call(end))
        try:
            while (event := await events.get()) is not None:
                yield event
            yield {"result": job.result()}
        finally:
            gone.set()
            job.cancel()

    def close(self) -> None:
        """Wait for the job at work to notice that its audience has gone; drop all others."""
        self._worker.shutdown(cancel_futures=True)
