"""Inference with a model: images and NumPy arrays in and out, whatever computes in between.

::

    face ─── resized to S x S ──► Backend.invert ──► code (n, 512)
    image ◄─ rounded to levels ── Backend.synthesize ◄── code

Both sides of a hidden face need these two functions and no more.  What computes them is a
`Backend` of `e2style.inference`: onnxruntime, or torch where that is installed and chosen.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.container.key_files import PathSource
from deephide.errors import CheckpointError
from deephide.models import LazyModel, Model, translated
from deephide.views import to_uint8

__all__ = ["describe_devices", "generate", "invert", "refine"]


def invert(model: Model, face: Image.Image) -> NDArray[np.float32]:
    """Return the W+ code, (n, 512), of a square RGB image.

    Raises
    ------
    CheckpointError : the model cannot be used
    """
    from e2style.data.scaling import scaled

    resized = np.asarray(scaled(face, model.image_size), dtype=np.float32)
    array = resized / np.float32(127.5) - np.float32(1.0)
    images = np.ascontiguousarray(array.transpose(2, 0, 1))[None]
    with translated():
        from e2style.inference.backends import backend_of

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
        from e2style.inference.backends import backend_of

        faces = backend_of(model).synthesize(np.ascontiguousarray(code)[None])
    if not np.isfinite(faces).all():
        raise CheckpointError("the model cannot be used: it generates values that are not finite")
    return Image.fromarray(to_uint8((faces[0].transpose(1, 2, 0) + 1.0) * 127.5))


def refine(
    model: LazyModel,
    face: Image.Image,
    code: NDArray[np.float32],
    quality: int,
    steps: int,
    features: PathSource,
) -> NDArray[np.float32]:
    """Return a code, (n, 512), whose integers in a quality show the face better for their bits.

    Parameters
    ----------
    model : with a quantizer
    face : square RGB image
    code : what `invert` returned
    quality : from 1
    steps : of the gradient, through the generator and a recogniser
    features : folder of the recogniser, `mobilefacenet.npz` or `model_ir_se50.pth`

    Raises
    ------
    CheckpointError : the model or the recogniser cannot be used, or torch is not installed
    """
    from e2style.checkpoints.graph_loading import INSTALL, has_torch

    if not has_torch():
        raise CheckpointError(f"refine: needs torch, which is not installed: {INSTALL}")
    from e2style.applications import refining

    identity = _identity(os.path.abspath(features))
    loaded = model.with_torch()
    identity.to(loaded.network.w_avg.device)
    quantizer = loaded.quantizers[quality - 1]
    with translated():
        codes = refining.refine(loaded.network, quantizer, [face], code[None], steps, identity)
    found: NDArray[np.float32] = codes[0]
    return found


@functools.lru_cache(maxsize=1)
def _identity(features: str) -> Any:
    """Identity loss of a recogniser, which all rows of a list share."""
    from e2style.errors import E2StyleError
    from e2style.training.feature_networks import load_identity

    try:
        return load_identity(features)
    except E2StyleError as error:
        raise CheckpointError(f"refine: {error}") from error


def describe_devices() -> tuple[str, list[str]]:
    """Return the backend that runs models, and the names of all devices that it could use."""
    from e2style.checkpoints.graph_loading import chosen_backend

    with translated():
        backend = chosen_backend()
    if backend == "onnxruntime":
        import onnxruntime

        names = onnxruntime.get_available_providers()
        found = [name.removesuffix("ExecutionProvider").lower() for name in names]
        return f"{backend} {onnxruntime.__version__}", [n for n in found if n in {"cpu", "cuda"}]
    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return f"{backend} {torch.__version__}", devices
