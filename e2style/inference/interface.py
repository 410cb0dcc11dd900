"""Interface to a loaded model for callers that have images: face to code, code to face.

Codes are numpy arrays and images PIL ones on this side, so that it does not matter to a caller
what runs the networks: see `e2style.inference.backends`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from e2style.images import from_tensor, to_tensor
from e2style.inference.backends import backend_of
from e2style.model import InversionModel

__all__ = ["generate", "invert"]


def invert(
    model: InversionModel, images: Sequence[Image.Image], stages: int | None = None
) -> NDArray[np.float32]:
    """Codes (N, n, 512) of aligned square images; errors as in `InversionModel.invert`."""
    pixels = to_tensor(images, model.image_size).numpy()
    return backend_of(model).invert(pixels, stages)


def generate(model: InversionModel, codes: NDArray[np.float32]) -> list[Image.Image]:
    """Images of codes (N, n, 512), made one at a time: at 1024 each takes a gigabyte."""
    ready, backend = np.ascontiguousarray(codes), backend_of(model)
    found = (backend.synthesize(ready[k : k + 1]) for k in range(len(ready)))
    return [from_tensor(torch.from_numpy(image))[0] for image in found]
