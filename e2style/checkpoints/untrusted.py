"""Bounds on what a model file may ask for before anything is built from it."""

from __future__ import annotations

from typing import Any

from e2style.errors import CheckpointError, E2StyleError

__all__ = ["check_bytes", "check_claims", "check_settings", "reason"]

# Far beyond any member of the family.
MAX_NUMBER = 1 << 16
MAX_ITEMS = 16
MAX_TEXT = 100
# Counts of parts are built one by one, so their bounds are bounds on time.
MAX_COUNTS = {
    "size": 4096,
    "image_size": 4096,
    "channel_base": MAX_NUMBER * 4096,
    "mapping_layers": 64,
    "units": 256,
    "split": 64,
    "stages": 3,
    "iterations": 100,
    "blocks": 64,
}
# A tensor may be half precision in the file; one with strides of zero takes no room at all there.
MAX_CLAIM = 2


def check_settings(values: Any, name: str = "config") -> None:
    """Reject a config, as JSON gave it, whose numbers, lists or texts are out of all proportion.

    Raises
    ------
    CheckpointError : names the setting
    """
    if isinstance(values, dict):
        if len(values) > MAX_ITEMS * MAX_ITEMS:
            raise CheckpointError(f"{name}: {len(values)} settings")
        for key, value in values.items():
            check_settings(value, key)
    elif isinstance(values, list):
        if len(values) > MAX_ITEMS:
            raise CheckpointError(f"{name}: a list of {len(values)}, at most {MAX_ITEMS} allowed")
        for value in values:
            if type(value) is not int:
                raise CheckpointError(f"{name}: got a list of other things than integers")
            check_settings(value, name)
    elif isinstance(values, str):
        if len(values) > MAX_TEXT or not values.isprintable():
            raise CheckpointError(f"{name}: allowed are {MAX_TEXT} printable characters")
    elif not (isinstance(values, int | float) and 0 <= values <= MAX_COUNTS.get(name, MAX_NUMBER)):
        highest = MAX_COUNTS.get(name, MAX_NUMBER)
        raise CheckpointError(f"{name}: got {values!r}, allowed 0 to {highest}")


def check_claims(content: Any, size: int) -> None:
    """Reject content whose tensors would take far more room than the file of `size` bytes did.

    Raises
    ------
    CheckpointError : says how much is claimed
    """
    check_bytes(_tensor_bytes(content), size)


def check_bytes(claimed: int, size: int) -> None:
    """Reject a file of `size` bytes that would take far more room, `claimed` bytes.

    Raises
    ------
    CheckpointError : says how much is claimed
    """
    if claimed > MAX_CLAIM * size:
        raise CheckpointError(f"{size} bytes that claim to hold {claimed}")


def _tensor_bytes(content: Any) -> int:
    from torch import Tensor

    if isinstance(content, Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        return sum(_tensor_bytes(value) for value in content.values())
    if isinstance(content, list | tuple):
        return sum(_tensor_bytes(value) for value in content)
    return 0


def reason(error: Exception) -> str:
    """Say on one line what went wrong."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, E2StyleError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
