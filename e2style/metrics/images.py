"""Numbers of pairs of pictures: MSE, PSNR, SSIM.

All of them compare 8-bit RGB pictures, rounded, as lossless files would hold them.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from e2style.errors import ConfigError
from e2style.training.runlog import to_uint8

Pictures = NDArray[np.uint8]
Values = NDArray[np.float64]


def as_compared(pictures: Tensor, side: int) -> Pictures:
    """Painted pictures B 3 R R, nominally [-1, 1] -> (B, side, side, 3) as they are compared.

    Larger ones are averaged over areas and then rounded; smaller ones are rounded and then
    enlarged bicubically (a = -0.5), as a viewer would.
    """
    if pictures.shape[-1] >= side:
        return to_uint8(F.adaptive_avg_pool2d(pictures.float(), side))
    size = (side, side)
    enlarged = [
        np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
        for picture in to_uint8(pictures)
    ]
    return np.stack(enlarged)


def mse(a: Pictures, b: Pictures) -> Values:
    """Mean squared error in [-1, 1] over pixels and channels: (B, S, S, 3), twice -> (B,)."""
    error: Values = np.square(a.astype(np.float64) - b).mean((1, 2, 3))
    return error / 127.5**2


def psnr(a: Pictures, b: Pictures) -> Values:
    """Peak signal-to-noise ratio, data range 255: (B, S, S, 3), twice -> (B,) dB.

    Equal pictures have an infinite one; here it ends at 138 dB.
    """
    return 10 * np.log10(255.0**2 / np.maximum(mse(a, b) * 127.5**2, 1e-9))


def ssim(a: Pictures, b: Pictures) -> Values:
    """Structural similarity (Wang et al. 2004), mean over channels: (B, S, S, 3), twice -> (B,).

    Gaussian window 11 x 11 of standard deviation 1.5, K = (0.01, 0.03), data range 255, each
    channel by itself; beyond its edge the picture is mirrored.

    Raises
    ------
    ConfigError : torchmetrics is not installed
    """
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError as error:
        raise ConfigError(
            "evaluation needs torchmetrics; install the extra: pip install 'deephide[train]'"
        ) from error

    x, y = (torch.from_numpy(v.copy()).permute(0, 3, 1, 2).float() for v in (a, b))
    value = structural_similarity_index_measure(x, y, data_range=255.0, reduction="none")
    assert isinstance(value, Tensor)
    array: Values = value.double().numpy().reshape(-1)
    return array
