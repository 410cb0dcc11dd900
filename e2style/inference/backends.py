"""Backends of inference: the networks of a model from arrays to arrays, whatever runs them.

::

    images (B, 3, S, S) ──► Backend.invert     ──► codes (B, n, 512)
    codes (B, n, 512)   ──► Backend.synthesize ──► images (B, 3, R, R)

onnxruntime runs the graphs of a model file, and torch its networks. `e2style.load_for_inference`
loads for either.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from e2style.graphs.models import GraphModel

__all__ = ["Backend", "TensorModel", "TorchBackend", "backend_of"]

Floats = NDArray[np.float32]


class Backend(Protocol):
    """The two networks of a model."""

    def invert(self, images: Floats, stages: int | None = None) -> Floats:
        """Images (B, 3, S, S) in [-1, 1] -> codes (B, n, 512); see `InversionModel.invert`."""

    def synthesize(self, codes: Floats) -> Floats:
        """Codes (B, n, 512) -> images (B, 3, R, R), nominally [-1, 1]."""


class TensorModel(Protocol):
    """A model whose networks take tensors of torch, as `e2style.load` returns it."""

    def invert(self, images: Any) -> Any:
        """B 3 S S -> B n 512."""

    def synthesize(self, codes: Any) -> Any:
        """B n 512 -> B 3 R R."""


class TorchBackend:
    """Networks as torch runs them, on whatever device they are.

    Parameters
    ----------
    model : loaded
    """

    def __init__(self, model: TensorModel) -> None:
        self._model = model

    def invert(self, images: Floats, stages: int | None = None) -> Floats:
        """Images (B, 3, S, S) in [-1, 1] -> codes (B, n, 512)."""
        import torch

        chosen: dict[str, Any] = {} if stages is None else {"stages": stages}
        with torch.no_grad():
            return _array(self._model.invert(torch.from_numpy(images), **chosen))

    def synthesize(self, codes: Floats) -> Floats:
        """Codes (B, n, 512) -> images (B, 3, R, R), nominally [-1, 1]."""
        import torch

        with torch.no_grad():
            return _array(self._model.synthesize(torch.from_numpy(codes)))


def backend_of(model: TensorModel | GraphModel) -> Backend:
    """Backend that runs the networks of a model."""
    return model if isinstance(model, GraphModel) else TorchBackend(model)


def _array(tensor: Any) -> Floats:
    found: Floats = tensor.detach().cpu().float().numpy()
    return found
