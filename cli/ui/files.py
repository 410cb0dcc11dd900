"""Files of the page, in memory, under names that nobody can guess."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from deephide.errors import DeephideError

__all__ = ["MAX_HELD_BYTES", "Files", "Held"]

MAX_HELD_BYTES = 1 << 30  # three pictures of the largest size


@dataclass(frozen=True)
class Held:
    """One file: its content and what kind a browser should take it for."""

    data: bytes = field(repr=False)
    media_type: str


class Files:
    """Files in memory; the oldest ones make room when there are too many.

    Parameters
    ----------
    max_bytes : of all files together
    """

    def __init__(self, max_bytes: int = MAX_HELD_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held: dict[str, Held] = {}

    def put(self, data: bytes, media_type: str = "application/octet-stream") -> str:
        """Hold a file and return its name; the newest one stays even if it is too large alone."""
        room = self._max_bytes - len(data)
        while self._held and sum(len(each.data) for each in self._held.values()) > room:
            del self._held[next(iter(self._held))]
        name = secrets.token_urlsafe(16)
        self._held[name] = Held(data, media_type)
        return name

    def get(self, name: str) -> Held:
        """Return a file.

        Raises
        ------
        DeephideError : it was dropped to make room, or there never was one of this name
        """
        if name not in self._held:
            raise DeephideError("the file is no longer held here", hint="choose it again")
        return self._held[name]

    def forget(self, names: Iterable[str]) -> None:
        """Drop files; names that are unknown are passed over."""
        for name in names:
            self._held.pop(name, None)
