"""Devices by name, rejected before any work is done on them."""

from __future__ import annotations

import torch

from e2style.errors import ConfigError

__all__ = ["usable", "wait"]


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
