"""What is said of pictures that cannot be used, whatever their format."""

from __future__ import annotations

from deephide.errors import DeephideError, ExtractionError, InputImageError

__all__ = ["damaged", "too_long", "too_many_pixels", "too_small"]


def too_long(role: str, size: int, limit: int) -> InputImageError:
    """Return the error for a file of more bytes than are read."""
    return InputImageError(f"the {role} is a file of {size} bytes, at most {limit} are allowed")


def too_many_pixels(role: str, size: str, limit: int) -> InputImageError:
    """Return the error for a picture that would take too much memory."""
    return InputImageError(
        f"the {role} has too many pixels{size}, at most {limit} are allowed",
        hint="scale or crop it before use",
    )


def damaged(role: str) -> InputImageError:
    """Return the error for a file that no decoder should accept."""
    return InputImageError(
        f"the {role} is truncated or damaged", hint="copy or download the file again"
    )


def too_small(role: str, width: int, height: int, count: str, limit: int) -> DeephideError:
    """Return the error for too few elements."""
    if role == "stego":
        return ExtractionError()  # the format knows one error for whatever holds nothing
    return InputImageError(
        f"the {role} is too small ({width} x {height}): {count}, at least {limit} are needed",
        hint="use an ordinary photo",
    )
