"""Devices by name, rejected before any work is done on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from e2style.errors import ConfigError

__all__ = ["autocast_type", "exact", "uploaded", "usable", "wait", "without_autocast"]


def usable(name: str | torch.device) -> torch.device:
    """Device of a name, on which a tensor could be made.

    Raises
    ------
    ConfigError : torch knows no such device, or this machine has none
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # each kind of device fails in its own way
        raise ConfigError(f"device: {str(name)!r} cannot be used here; cpu always can") from error
    return device


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Compute in full float32 on a GPU: without TF32, whose ten bits move codes and images.

    Convolutions use TF32 unless they are told otherwise; what stood before comes back.
    """
    if device.type != "cuda":
        yield
        return
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        matmul.allow_tf32 = before


def uploaded(x: torch.Tensor, device: torch.device, layout: torch.memory_format) -> torch.Tensor:
    """A batch on the device; to a GPU without waiting, from memory that stays in place."""
    if device.type != "cuda":
        return x.to(device, memory_format=layout)
    return x.contiguous(memory_format=layout).pin_memory().to(device, non_blocking=True)


def autocast_type(device: torch.device) -> torch.dtype | None:
    """Type that autocast computes in on a device now; None where it is off, or there is none."""
    kind = device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return None
    return torch.get_autocast_dtype(kind)


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Compute in the types of the tensors, whatever autocast says."""
    if autocast_type(device) is None:
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)
