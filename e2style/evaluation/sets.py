"""Codes, integers and images of a whole set in memory, as hiding would send them.

`e2style.evaluation.measure` judges any inverter on sets of any size; this is for a model with a
quantizer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from e2style.data.faces import FaceSet
from e2style.data.mix import FaceMix
from e2style.errors import CheckpointError, ConfigError
from e2style.images import COMPARED_SIDE, as_compared
from e2style.metrics.images import psnr, ssim
from e2style.model import InversionModel
from e2style.quantizer import Quantizer


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """Reconstructions of a set, image by image.

    Attributes
    ----------
    names : N member names
    integers : (N, n, 512) int32
    generated : (N, 256, 256, 3) uint8
    psnr : (N,) dB
    ssim : (N,)
    ideal_bits : (N,) code length under the model's tables
    """

    names: list[str]
    integers: NDArray[np.int32]
    generated: NDArray[np.uint8]
    psnr: NDArray[np.float64]
    ssim: NDArray[np.float64]
    ideal_bits: NDArray[np.float64]


def quantizer_of(model: InversionModel, quality: int | None = None) -> Quantizer:
    """Return a quantizer of a model.

    Parameters
    ----------
    model : InversionModel
    quality : from 1, for the fewest bits; None means the usual one

    Raises
    ------
    CheckpointError : it has none
    ConfigError : it has no such quality
    """
    if model.quantizer is None:
        raise CheckpointError(
            f"model {model.name}: no quantizer was fitted; see `e2style calibrate`"
        )
    if quality is None:
        return model.quantizer
    if not 1 <= quality <= len(model.quantizers):
        raise ConfigError(f"quality: got {quality}, allowed 1 to {len(model.quantizers)}")
    return model.quantizers[quality - 1]


@torch.inference_mode()
def encode_set(
    model: InversionModel,
    faces: FaceSet | FaceMix,
    *,
    stages: int | None = None,
    progress: Callable[[int], object] = lambda inverted: None,
) -> NDArray[np.float32]:
    """Codes (N, n, 512) of every image of a set.

    Parameters
    ----------
    model, faces, stages : as in `reconstruct`
    progress : called with the number of images inverted since the last call

    Raises
    ------
    DataError : more stages than the model has, or it takes other images than RGB
    """
    parts = []
    batch = model.batch_size
    for start in range(0, len(faces), batch):
        x = faces.batch(torch.arange(start, min(start + batch, len(faces)))).to(model.device)
        parts.append(model.network.invert(x, stages).cpu().numpy())
        progress(len(x))
    return np.concatenate(parts)


@torch.inference_mode()
def reconstruct(
    model: InversionModel,
    faces: FaceSet,
    *,
    stages: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Invert, round, generate and compare every image of a set.

    Parameters
    ----------
    model : with a quantizer
    faces : at side 256
    stages : encoders used; None means all
    progress : called with (done, total)

    Raises
    ------
    CheckpointError : no quantizer
    DataError : more stages than the model has, or it takes other images than RGB
    """
    batch = model.batch_size
    quantizer = quantizer_of(model)
    integers = quantizer.quantise(encode_set(model, faces, stages=stages))
    generated = []
    for start in range(0, len(faces), batch):
        part = quantizer.dequantise(integers[start : start + batch])
        codes = torch.from_numpy(part).to(model.device)
        generated.append(as_compared(model.network.synthesize(codes), COMPARED_SIDE))
        if progress:
            progress(min(start + batch, len(faces)), len(faces))
    stack = np.concatenate(generated)
    return Reconstruction(
        names=faces.names,
        integers=integers,
        generated=stack,
        psnr=psnr(faces.images, stack),
        ssim=ssim(faces.images, stack),
        ideal_bits=quantizer.ideal_bits(integers),
    )


def order0_entropy(integers: NDArray[np.int32]) -> NDArray[np.float64]:
    """Empirical entropy of each code times its length: (N, n, 512) -> (N,) bits.

    What an ideal coder that knew each face's own histogram, and nothing else, would spend.
    """
    bits = []
    for code in integers:
        counts = np.unique(code, return_counts=True)[1] / code.size
        bits.append(-float((counts * np.log2(counts)).sum()) * code.size)
    return np.array(bits)
