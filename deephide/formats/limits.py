"""Limits on the pixels of images, for one call and everything that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["MAX_PIXELS", "MAX_ROBUST_PIXELS", "pixel_limit", "pixels_allowed"]

MAX_PIXELS = 1 << 26
MAX_ROBUST_PIXELS = 1 << 23  # of an image that may have come through a channel

_chosen: ContextVar[int] = ContextVar("max_pixels", default=MAX_PIXELS)


@contextmanager
def pixel_limit(max_pixels: int | None) -> Iterator[None]:
    """Refuse images of more pixels within this context.

    Parameters
    ----------
    max_pixels : 1 to MAX_PIXELS; None leaves the limit as it is

    Raises
    ------
    ValueError : outside this range
    """
    if max_pixels is None:
        yield
        return
    if not 1 <= max_pixels <= MAX_PIXELS:
        raise ValueError(f"max_pixels: got {max_pixels}, allowed 1..{MAX_PIXELS}")
    token = _chosen.set(max_pixels)
    try:
        yield
    finally:
        _chosen.reset(token)


def pixels_allowed() -> int:
    """Return how many pixels an image may have here."""
    return _chosen.get()
