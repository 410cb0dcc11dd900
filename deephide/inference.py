"""Inference with a model: images and NumPy arrays in and out, whatever computes in between.

::

    face ─── resized to S x S ──► Backend.invert ──► code (n, 512)
    image ◄─ rounded to levels ── Backend.synthesize ◄── code

Both sides of a hidden face need these two functions and no more.  What computes them is a
`Backend`; torch is the only one so far, and no other module of this package touches it.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.errors import CheckpointError
from deephide.models import Model, translated

__all__ = ["Backend", "TorchBackend", "backend_of", "describe_devices", "generate", "invert"]


class Backend(Protocol):
    """The two networks of a model, from arrays to arrays."""

    def invert(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (B, 3, S, S) in [-1, 1] to codes (B, n, 512)."""

    def synthesize(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map codes (B, n, 512) to images (B, 3, R, R), [-1, 1] nominal."""


class TorchBackend:
    """The networks as `e2style` loads them, on whatever device they are.

    Parameters
    ----------
    model : loaded
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def invert(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (B, 3, S, S) in [-1, 1] to codes (B, n, 512)."""
        import torch

        with torch.no_grad():
            return _numpy(self._model.invert(torch.from_numpy(images)))

    def synthesize(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map codes (B, n, 512) to images (B, 3, R, R), [-1, 1] nominal."""
        import torch

        with torch.no_grad():
            return _numpy(self._model.synthesize(torch.from_numpy(codes)))


def backend_of(model: Model) -> Backend:
    """Return what computes the networks of a model."""
    return TorchBackend(model)


def invert(model: Model, face: Image.Image) -> NDArray[np.float32]:
    """Return the W+ code, (n, 512), of a square RGB image.

    Raises
    ------
    CheckpointError : the model cannot be used
    """
    size = (model.image_size, model.image_size)
    resized = face.resize(size, Image.Resampling.LANCZOS)
    array = np.asarray(resized, dtype=np.float32) / np.float32(127.5) - np.float32(1.0)
    images = np.ascontiguousarray(array.transpose(2, 0, 1))[None]
    with translated():
        codes = backend_of(model).invert(images)
    code: NDArray[np.float32] = codes[0]
    return code


def generate(model: Model, code: NDArray[np.float32]) -> Image.Image:
    """Return the image that the generator makes of a W+ code, (n, 512).

    Raises
    ------
    CheckpointError : the model cannot be used, or what it generates is no image
    """
    with translated():
        faces = backend_of(model).synthesize(np.ascontiguousarray(code)[None])
    if not np.isfinite(faces).all():
        raise CheckpointError("the model cannot be used: it generates values that are not finite")
    return _to_image(faces[0])


def _to_image(pixels: NDArray[np.float32]) -> Image.Image:
    """Return the image of (3, R, R) values, [-1, 1] nominal, rounded to levels."""
    levels = np.rint((pixels.transpose(1, 2, 0) + 1.0) * 127.5)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def _numpy(tensor: Any) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", tensor.detach().cpu().float().numpy())


def describe_devices() -> tuple[int, list[str]]:
    """Return the threads that inference uses, and the names of all devices it could."""
    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return torch.get_num_threads(), devices
