"""Calibration of a model: a quantizer with one step per row, tables, limits of acceptance.

Steps follow from what they do to the image. Noise of variance v in row i of a code changes
the image by s_i^2 v, and a step d is noise of variance d^2 / 12; the bits that a step costs
fall with log d alone, so that at high rate the best steps are all proportional to 1 / s_i
(Gersho and Gray 1992, Sec. 8.3). Their common scale is set so that the integers alone cost the
image no more than a given PSNR.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2style.checkpoints.loading import load_model
from e2style.checkpoints.saving import save
from e2style.checkpoints.tensors import check_target, stored_as_half
from e2style.data.faces import FaceSet, evenly
from e2style.errors import DataError
from e2style.evaluation.acceptance import Limits, fit_limits
from e2style.evaluation.sets import encode_set
from e2style.images import COMPARED_SIDE
from e2style.metrics.images import decibels
from e2style.model import InversionModel
from e2style.quantizer import Quantizer, fit_quantizer

log = logging.getLogger(__name__)

TARGET_DB = 32.0  # what rounding may cost; inversion itself reaches about 22 dB in the paper
NOISE = 0.1  # standard deviation of the probing noise, in those of the row
MAX_RATIO = 64.0  # largest step over the smallest
SEED = 0
SEARCHED = 6  # scales of the steps that are tried

ACCEPT_FACES = 64  # generated to find the limits

Progress = Callable[[int, int], None] | None


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What `calibrate` finds.

    Attributes
    ----------
    quantizer : steps, centre, tables
    limits : beyond which an image counts as no face
    bits : mean length in bits of the faces' own codes under the tables
    psnr : dB at 256 x 256 between images of rounded and of exact codes; nan if not measured
    skipped : images of the data that could not be read
    """

    quantizer: Quantizer
    limits: Limits
    bits: float
    psnr: float
    skipped: int


def calibrate(
    model: InversionModel,
    faces: FaceSet,
    *,
    step: float | None = None,
    target_db: float = TARGET_DB,
    probes: int = 4,
    progress: Progress = None,
) -> Calibration:
    """Fit a quantizer to the codes of faces.

    Parameters
    ----------
    model : its own quantizer, if any, is not looked at
    faces : at least two, at side 256; hundreds are better
    step : one step for all coefficients instead of steps that are searched
    target_db : PSNR at 256 x 256 that rounding alone may cost, where steps are searched
    probes : faces that the search generates, about 20 images each
    progress : called with (done, total) images

    Raises
    ------
    DataError : fewer than two faces, codes that are not finite, or a model that takes other
        images than RGB
    """
    if len(faces) < 2:
        raise DataError(f"calibration needs at least two faces, got {len(faces)}")
    searched = min(probes, len(faces)) * (model.n_codes + 1 + SEARCHED) if step is None else 0
    shown = min(len(faces), ACCEPT_FACES)
    meter = _Meter(progress, len(faces) + searched + shown)
    codes = encode_set(model, faces, progress=meter.count)
    if not np.isfinite(codes).all():
        raise DataError("calibration: a code is not finite")
    # The mean of few faces is no better known than the centre that the network starts from.
    centre = codes.mean(0) if len(codes) >= 16 else model.network.w_avg.cpu().numpy()
    psnr = math.nan
    steps: float | NDArray[np.float32]
    if step is None:
        steps, psnr = _search(model, codes[:probes], codes.std(0), centre, target_db, meter)
    else:
        steps = step
    quantizer = fit_quantizer(codes, step=steps, w_avg=centre, max_radius=2047)
    integers = quantizer.quantise(codes)
    bits = quantizer.ideal_bits(integers)
    chosen = evenly(len(faces), shown)
    rounded = quantizer.dequantise(integers[chosen])
    limits = fit_limits(model, faces.images[chosen], rounded, bits, progress=meter.count)
    return Calibration(
        quantizer=quantizer,
        limits=limits,
        bits=float(bits.mean()),
        psnr=psnr,
        skipped=len(faces.skipped),
    )


def calibrate_file(
    source: str | os.PathLike[str],
    data: str | Path,
    target: str | os.PathLike[str],
    *,
    half: bool = False,
    images: int = 256,
    step: float | None = None,
    target_db: float = TARGET_DB,
    device: str = "cpu",
    progress: Progress = None,
) -> Calibration:
    """Calibrate a model and write it with its quantizer.

    Parameters
    ----------
    source : file or name of a model
    data : folder or zip of aligned faces
    target : file to write
    half : store weights in half precision; the fit is done with the weights as stored
    images : faces to look at, evenly spread over the data
    step, target_db, progress : as in `calibrate`
    device : torch device

    Raises
    ------
    CheckpointError : the model cannot be used
    DataError : as in `calibrate`
    OutputError : the target cannot be written
    """
    check_target(target)
    model = load_model(source, device)
    if half:
        with torch.no_grad():
            for key, value in model.network.state_dict().items():
                if stored_as_half(key, value):
                    value.copy_(value.half().float())
    faces = FaceSet(data, COMPARED_SIDE, limit=images)
    found = calibrate(model, faces, step=step, target_db=target_db, progress=progress)
    save(
        target,
        model.network,
        quantizers=[found.quantizer],
        card=model.card,
        half=half,
        **dataclasses.asdict(found.limits),
    )
    return found


class _Meter:
    def __init__(self, progress: Progress, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0

    def count(self, pictures: int = 1) -> bool:
        self.done += pictures
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)
        return True


@torch.inference_mode()
def _generate(model: InversionModel, code: NDArray[np.float32]) -> Tensor:
    return model.network.synthesize(torch.from_numpy(code[None]).to(model.device))


def _shown(model: InversionModel, code: NDArray[np.float32]) -> NDArray[np.float32]:
    """Image of a code at the side at which images are compared, or its own if smaller."""
    generated = _generate(model, code)
    side = min(COMPARED_SIDE, generated.shape[-1])
    pooled = torch.nn.functional.adaptive_avg_pool2d(generated, side)
    array: NDArray[np.float32] = pooled.cpu().numpy()
    return array


def _search(
    model: InversionModel,
    codes: NDArray[np.float32],
    spread: NDArray[np.float32],
    centre: NDArray[np.float32],
    target_db: float,
    meter: _Meter,
) -> tuple[NDArray[np.float32], float]:
    """Steps (n, 512), equal along rows, and the PSNR that they were measured to reach."""
    rng = np.random.default_rng(SEED)
    rows = np.maximum(np.sqrt(np.square(spread).mean(1)), 1e-6)  # standard deviation per row
    exact = [_shown(model, code) for code in codes if meter.count()]
    gain = np.zeros(len(rows))  # s_i^2
    for code, image in zip(codes, exact, strict=True):
        for i, width in enumerate(rows):
            noisy = code.copy()
            noisy[i] += (NOISE * width * rng.standard_normal(code.shape[1])).astype(np.float32)
            change = float(np.square(_shown(model, noisy) - image).mean())
            gain[i] += change / np.square(NOISE * width) / len(codes)
            meter.count()
    sensitivity = np.sqrt(np.maximum(gain, gain.max() / MAX_RATIO**2))
    allowed = 4.0 * 10 ** (-target_db / 10)  # squared error of images in [-1, 1]
    scale = math.sqrt(12 * allowed / len(rows))
    best: tuple[float, float] | None = None
    too_wide = math.inf
    for _ in range(SEARCHED):
        steps = (scale / sensitivity)[:, None]
        error = 0.0
        for code, image in zip(codes, exact, strict=True):
            rounded = centre + steps * np.rint((code - centre) / steps)
            error += float(np.square(_shown(model, rounded.astype(np.float32)) - image).mean())
            meter.count()
        error /= len(codes)
        if error > allowed:
            too_wide = min(too_wide, scale)
        elif best is None or scale > best[0]:
            best = scale, error
        # A little below the target, so that the last step lands on the right side of it; of a
        # generator that is far from linear the error does not follow, and halving is surer.
        scale *= min(max(math.sqrt(0.9 * allowed / max(error, 1e-12)), 0.25), 4.0)
        if best is not None and too_wide < math.inf and not best[0] < scale < too_wide:
            scale = math.sqrt(best[0] * too_wide)
    if best is None:
        raise DataError(f"calibration: no steps keep pictures within {target_db:.0f} dB")
    psnr = float(decibels(max(best[1], 1e-12), peak=2.0))
    log.info("steps %s keep %.1f dB", np.round(best[0] / sensitivity, 3).tolist(), psnr)
    steps = np.broadcast_to((best[0] / sensitivity)[:, None], centre.shape).astype(np.float32)
    return steps, psnr
