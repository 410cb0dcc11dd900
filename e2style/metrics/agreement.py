"""Agreement of a face with its reconstruction, without torch: coarse PSNR, edge likeness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2style.metrics.images import decibels

__all__ = ["agreement", "likeness"]

AGREEMENT_SIDE = 64
# Rows and columns of eyes, nose and mouth at 64 x 64 in an image that is aligned like FFHQ.
_FACE = (slice(12, 60), slice(12, 52))


def agreement(original: NDArray[np.uint8], generated: NDArray[np.uint8]) -> float:
    """PSNR in dB of two square images (S, S, 3), both area-averaged to 64 x 64.

    Coarse on purpose: it tells a face that the model knows from an image that it does not.
    """
    a, b = _coarse(original), _coarse(generated)
    return float(decibels(np.square(a - b).mean()))


def likeness(original: NDArray[np.uint8], generated: NDArray[np.uint8]) -> float:
    """Correlation of the edges of two square images (S, S, 3), -1 to 1, where the face is.

    Gradients of the luma at 64 x 64, over eyes, nose and mouth. Colours and soft light, which a
    generator imitates for any image, count little; it draws the edges of faces alone.
    """
    weights = np.array([0.299, 0.587, 0.114])
    a, b = (
        np.stack(np.gradient((_coarse(each) @ weights)[_FACE])) for each in (original, generated)
    )
    scale = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _coarse(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    side = (AGREEMENT_SIDE, AGREEMENT_SIDE)
    small = Image.fromarray(image).resize(side, Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)
