"""Acceptance of faces by a model: limits beyond which it rejects a secret."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from e2style.data.align import fills
from e2style.data.detect import load_detector
from e2style.images import to_uint8
from e2style.metrics.agreement import agreement, likeness
from e2style.model import InversionModel

__all__ = ["Limits", "are_faces", "fit_limits"]

# A secret is rejected where it fares worse, by these margins, than one in a thousand of the faces
# that the limits are fitted to.
RARE = 0.001
MARGIN_DB = 1.0
BITS_FACTOR = 1.1
# A model is one of faces if so many of so many images that it was fitted to show one.
LOOKED_AT, NEARLY_ALL = 64, 0.9


@dataclasses.dataclass(frozen=True)
class Limits:
    """Arguments of `e2style.save`; see `e2style.InversionModel` for what they mean."""

    accept_psnr: float
    accept_bits: float
    accept_likeness: float
    accept_face: bool


@torch.inference_mode()
def fit_limits(
    model: InversionModel,
    images: NDArray[np.uint8],
    codes: NDArray[np.float32],
    bits: NDArray[np.float64],
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> Limits:
    """Find the limits that faces of the fit keep.

    Parameters
    ----------
    model : whose generator is used
    images : (N, S, S, 3) uint8 faces
    codes : (N, n, 512) their codes behind the quantizer
    bits : (M,) lengths under the tables of these and maybe more faces
    progress : called with the number of images generated since the last call
    """
    decibels, alike = [], []
    batch = model.batch_size
    for start in range(0, len(codes), batch):
        part = torch.from_numpy(codes[start : start + batch]).to(model.device)
        generated = to_uint8(model.network.synthesize(part))
        originals = images[start : start + batch]
        decibels += [agreement(a, b) for a, b in zip(originals, generated, strict=True)]
        alike += [likeness(a, b) for a, b in zip(originals, generated, strict=True)]
        progress(len(part))
    return Limits(
        accept_psnr=round(float(np.quantile(decibels, RARE)) - MARGIN_DB, 1),
        accept_bits=float(round(np.quantile(bits, 1 - RARE) * BITS_FACTOR)),
        accept_likeness=math.floor(float(np.quantile(alike, RARE)) * 100) / 100,
        accept_face=are_faces(images),
    )


def are_faces(images: NDArray[np.uint8]) -> bool:
    """Say whether the detector finds a face that fills each of nearly all images.

    Parameters
    ----------
    images : (N, S, S, 3) uint8, of which a few dozen are looked at
    """
    detector = load_detector()
    looked = images[:: max(len(images) // LOOKED_AT, 1)]
    found = 0
    for levels in looked:
        image = Image.fromarray(levels)
        faces = detector.find(image)
        found += bool(faces) and fills(image, faces[0])
    return found >= NEARLY_ALL * len(looked)
