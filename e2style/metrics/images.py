"""Errors of pairs of images: MSE, PSNR, SSIM.

All of them compare 8-bit RGB images, rounded, as lossless files would hold them. Neither MSE nor
PSNR loads torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from e2style.errors import ConfigError

Images = NDArray[np.uint8]
Values = NDArray[np.float64]

LEAST_ERROR = 1e-9  # squared levels; what PSNR takes equal images for


def decibels(error: ArrayLike, peak: float = 255.0, samples: int = 1) -> Values:
    """Peak signal-to-noise ratio of squared errors, in dB; infinite where there is none.

    The one definition of this project.

    Parameters
    ----------
    error : squared errors in the units of `peak`: means, or sums over `samples`
    peak : largest difference that two samples may have
    samples : how many an error is summed over
    """
    with np.errstate(divide="ignore"):
        found: Values = 10.0 * np.log10(peak**2 * samples / np.asarray(error, dtype=np.float64))
    return found


def mse(a: Images, b: Images) -> Values:
    """Mean squared error in [-1, 1] over pixels and channels: (B, S, S, 3), twice -> (B,)."""
    error: Values = np.square(a.astype(np.float64) - b).mean((1, 2, 3))
    return error / 127.5**2


def psnr(a: Images, b: Images) -> Values:
    """Peak signal-to-noise ratio, data range 255: (B, S, S, 3), twice -> (B,) dB.

    Equal images have an infinite one; here it ends at 138 dB.
    """
    return decibels(np.maximum(mse(a, b) * 127.5**2, LEAST_ERROR))


def psnr_of(a: Image.Image, b: Image.Image) -> float:
    """PSNR of two images at the side of the smaller one, averaged areas."""
    side = min(a.width, b.width)
    stacks = (
        np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BOX))[None]
        for image in (a, b)
    )
    return float(psnr(*stacks)[0])


def ssim(a: Images, b: Images) -> Values:
    """Structural similarity (Wang et al. 2004), mean over channels: (B, S, S, 3), twice -> (B,).

    Gaussian window 11 x 11 of standard deviation 1.5, K = (0.01, 0.03), data range 255, each
    channel by itself; beyond its edge the image is mirrored.

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

    import torch

    x, y = (torch.from_numpy(v.copy()).permute(0, 3, 1, 2).float() for v in (a, b))
    value = structural_similarity_index_measure(x, y, data_range=255.0, reduction="none")
    assert isinstance(value, torch.Tensor)
    array: Values = value.double().numpy().reshape(-1)
    return array
