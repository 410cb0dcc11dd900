"""Connections of the page's server: few at once, and none that keeps it waiting.

Any program of this computer can connect.  A request that is begun and not ended would hold its
connection for ever, and some hundreds of them all that a process may have.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BODY_SECONDS", "HEADER_SECONDS", "MAX_CONNECTIONS", "BoundedConnection"]

MAX_CONNECTIONS = 64  # a browser opens six at most
HEADER_SECONDS = 10.0  # until the headers of a request are complete
BODY_SECONDS = 30.0  # from one piece of an upload to the next


class BoundedConnection(H11Protocol):
    """One connection, dropped when its request comes too slowly.

    Where there are too many, the one that has waited longest for headers makes room; where all are
    busy, the new one is dropped.
    """

    _deadline: asyncio.TimerHandle | None = None
    _begun = float("inf")  # when it began to wait; a new one counts as the last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            waiting = [
                each
                for each in self.connections
                if isinstance(each, BoundedConnection) and each._waits_for_headers
            ]
            min(waiting, key=lambda each: each._begun).drop()
        self._begun = self.loop.time()
        self._set_deadline(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; only complete headers, or any piece of a body, buy time."""
        super().data_received(data)
        if self.transport.is_closing():
            return
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._set_deadline(BODY_SECONDS)
        elif state is not h11.IDLE:
            self._set_deadline(None)
        elif self._deadline is None:  # the next request of a connection that was kept
            self._begun = self.loop.time()
            self._set_deadline(HEADER_SECONDS)

    def drop(self) -> None:
        """End the connection at once."""
        if self.flow.read_paused and not self.transport.is_closing():
            self._set_deadline(BODY_SECONDS)  # it is us who keep it waiting
            return
        self.connections.discard(self)
        self.transport.abort()

    @property
    def _waits_for_headers(self) -> bool:
        return self.conn.their_state is h11.IDLE

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.drop)
