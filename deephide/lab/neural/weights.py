"""Weights of judging networks from files of others: state dicts, told by their shapes."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephide.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["load_into", "read_state"]

# Where files of training keep the weights; "best" is that of our snapshots.
_WRAPPERS = ("best", "state_dict", "model_state_dict", "original_state", "model", "network")


def read_state(path: Path) -> Any:
    """Return what a file of `torch.save` holds; nothing in it is run.

    Parameters
    ----------
    path : of the file

    Raises
    ------
    CheckpointError : no such file, or another kind of file
    """
    import torch

    try:
        data = path.read_bytes()
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"the weights {path} cannot be read: {error.strerror}") from error
    except (EOFError, LookupError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"the weights {path} are no state dict of PyTorch",
            hint="a file of Caffe or Keras must be converted first",
        ) from error


def load_into(network: nn.Module, path: Path) -> None:
    """Fill a network with the tensors of a file, in their order, whatever their names.

    Each has to have the shape of the network's; counters of batches are passed over, and kernels
    that are constant may be missing.

    Parameters
    ----------
    network : of `build`; filled in place
    path : a state dict, a dict that holds one, or a snapshot of `fit`: what it keeps is taken

    Raises
    ------
    CheckpointError : the file cannot be read, or belongs to another network
    """
    import torch

    found = read_state(path)
    if isinstance(found, dict):
        found = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), dict)), found)
    values = list(found.values()) if isinstance(found, dict) else []
    if not values or not all(isinstance(each, torch.Tensor) for each in values):
        raise CheckpointError(f"the weights {path} are no state dict of PyTorch")
    given = [each for each in values if each.dim() > 0]
    wanted = {name: each for name, each in network.state_dict().items() if each.dim() > 0}
    constant = {name for name, each in network.named_parameters() if not each.requires_grad}
    if len(given) == len(wanted) - len(constant):
        wanted = {name: each for name, each in wanted.items() if name not in constant}
    filled: dict[str, Tensor] = {}
    for number, (each, (name, own)) in enumerate(zip(given, wanted.items(), strict=False)):
        if each.shape != own.shape:
            raise CheckpointError(
                f"the weights {path} belong to another network: tensor {number} is "
                f"{tuple(each.shape)}, not {tuple(own.shape)}"
            )
        filled[name] = each.to(own.dtype)
    if len(given) != len(wanted):
        raise CheckpointError(
            f"the weights {path} belong to another network: they have {len(given)} tensors, "
            f"not {len(wanted)}"
        )
    network.load_state_dict(filled, strict=False)
