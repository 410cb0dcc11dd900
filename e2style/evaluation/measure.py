"""Measuring an inverter on a folder or zip of images: the protocol of docs/evaluation.md.

Images are read, inverted, generated, brought to the side of the comparison, rounded to 8 bits and
compared one batch after the other, so that a set may be larger than memory.
"""

from __future__ import annotations

import dataclasses
import logging
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from e2style.data.archive import UNREADABLE, Archive, decode, why
from e2style.data.faces import evenly, groups_of
from e2style.devices import wait
from e2style.errors import DataError
from e2style.evaluation.methods import Found, Inverter
from e2style.evaluation.sets import order0_entropy
from e2style.images import as_compared
from e2style.metrics.distributions import FeatureDistances
from e2style.metrics.features import FeatureMetrics
from e2style.metrics.images import Images, Values, mse, psnr, ssim
from e2style.metrics.spread import Mean, mean_of
from e2style.models.counting import count_parameters
from e2style.quantizer import Rounder, WholeNumbers

log = logging.getLogger(__name__)

SIDE = 256
KEPT = 256  # images that stay in memory for the grid; of larger sets it is generated again
SHOWN = 4  # images of each kind in the grid: best, median, worst
TIMED = 10  # runs that the runtime is the median of, behind two that warm up
TITLES = {
    "ssim": "SSIM",
    "psnr": "PSNR, dB",
    "mse": "MSE in [-1, 1]",
    "lpips": "LPIPS (AlexNet, 0.1)",
    "ids": "IDS, CurricularFace IR-101",
    "ids_dlib": "IDS, dlib ResNet (not CurricularFace)",
    "ids_mobileface": "IDS, MobileFaceNet (not CurricularFace)",
    "fid": "FID",
    "kid": "KID",
    "frechet_lite0": "Fréchet distance, EfficientNet-lite0 (not FID)",
    "bits": "bits an image, by the model's tables or nine an integer",
    "order0_bits": "bits an image, order-0 entropy of its integers",
}


@dataclasses.dataclass(frozen=True)
class Shown:
    """An image for the report."""

    name: str
    original: Images  # (side, side, 3)
    generated: Images
    values: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results of a measurement.

    Attributes
    ----------
    about : model, method, data and settings, for the head of the report
    means : by key of TITLES
    missing : why a metric was not measured, by key
    groups : means by group, where the set has more than one
    rows : one per image: name, group, and its values
    grid : best, median and worst images by PSNR
    skipped : names that could not be read
    """

    about: dict[str, Any]
    means: dict[str, Mean]
    missing: dict[str, str]
    groups: dict[str, dict[str, Mean]]
    rows: list[dict[str, Any]]
    grid: dict[str, list[Shown]]
    skipped: list[str]


def measure(
    inverter: Inverter,
    data: str | Path,
    metrics: FeatureMetrics,
    *,
    quantizer: Rounder | None = None,
    side: int = SIDE,
    limit: int | None = None,
    fit: str | None = None,
    batch: int = 8,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Invert, generate and compare the images of a folder or zip.

    Parameters
    ----------
    inverter : finds codes, and generates images of them
    data : folder or zip of aligned images
    metrics : those that need other weights
    quantizer : codes are rounded as they would be sent, or to whole numbers; None: they are not
    side : at which images are compared
    limit : at most so many, evenly spread; None means all
    fit : of images that are not square, one of `e2style.config.FITS`; None: as in training
    batch : images at a time
    progress : called with (done, total)

    Raises
    ------
    DataError : no image can be read, or the network takes others than RGB
    """
    config = inverter.network.config
    fit = fit or config.fit
    sides = (side, config.image_size)
    archive = Archive(data)
    names = [archive.names[k] for k in evenly(len(archive.names), _count(archive, limit))]
    groups = dict(zip(names, groups_of(Path(data), names), strict=True))
    distances = {key: FeatureDistances(network) for key, network in metrics.sets.items()}
    rows: list[dict[str, Any]] = []
    skipped: list[str] = []
    kept: dict[str, tuple[Images, Images]] = {}
    for start in range(0, len(names), batch):
        read, originals, seen = _read(archive, names[start : start + batch], sides, skipped, fit)
        if read:
            generated, bits = reconstruct(inverter, seen, quantizer, side)
            values = compare(originals, generated, metrics, _device(inverter)) | bits
            for distance in distances.values():
                distance.add(*(_planes(stack) for stack in (originals, generated)))
            if len(names) <= KEPT:
                kept |= dict(zip(read, zip(originals, generated, strict=True), strict=True))
            for k, name in enumerate(read):
                row = {"file": name, "group": groups[name]}
                rows.append(row | {key: float(found[k]) for key, found in values.items()})
        progress(min(start + batch, len(names)), len(names))
    if not rows:
        raise DataError(f"data {data}: no image could be read")

    def pair(name: str) -> tuple[Images, Images]:
        if name in kept:
            return kept[name]
        _, originals, seen = _read(archive, [name], sides, [], fit)
        generated, _ = reconstruct(inverter, seen, quantizer, side)
        return originals[0], generated[0]

    grid = _grid(rows, pair)
    archive.close()

    means = {key: mean_of([row[key] for row in rows]) for key in rows[0] if key in TITLES}
    missing = dict(metrics.missing)
    for key, distance in distances.items():
        means[key] = Mean(distance.frechet(), np.nan, np.nan, len(rows))
    if "fid" in distances:
        means["kid"] = distances["fid"].kernel()
    if quantizer is None:
        missing |= dict.fromkeys(("bits", "order0_bits"), "the codes were not rounded")
    return Evaluation(
        about={
            "model": inverter.network.config.name,
            "method": inverter.method.name,
            "steps": inverter.method.steps or inverter.stages or inverter.network.config.steps,
            "codes": _said(quantizer),
            "data": str(data),
            "pictures": len(rows),
            "skipped": len(skipped),
            "side": side,
            "fit": fit,
        },
        means=means,
        missing=missing,
        groups=_by_group(rows, list(means)),
        rows=rows,
        grid=grid,
        skipped=skipped,
    )


def reconstruct(
    inverter: Inverter, seen: Images, quantizer: Rounder | None, side: int
) -> tuple[Images, dict[str, Values]]:
    """Images (B, S, S, 3) -> generated ones (B, side, side, 3); where codes are rounded, bits."""
    x = (_planes(seen).float() / 127.5 - 1).to(_device(inverter))
    found = inverter(x)
    bits = {}
    if quantizer is not None:
        integers = quantizer.quantise(found.codes.cpu().numpy())
        bits = {"bits": quantizer.ideal_bits(integers), "order0_bits": order0_entropy(integers)}
        rounded = torch.from_numpy(quantizer.dequantise(integers)).to(x.device)
        found = Found(rounded, found.noise)
    with torch.no_grad():
        generated = as_compared(inverter.generate(found), side)
    return generated, bits


@torch.no_grad()
def compare(
    originals: Images,
    generated: Images,
    metrics: FeatureMetrics,
    device: torch.device,
) -> dict[str, Values]:
    """Values of pairs of images (B, S, S, 3) by key of TITLES: (B,) each."""
    values = {
        "ssim": ssim(originals, generated),
        "psnr": psnr(originals, generated),
        "mse": mse(originals, generated),
    }
    a, b = ((_planes(v).float() / 127.5 - 1).to(device) for v in (originals, generated))
    for key, metric in metrics.pairs.items():
        values[key] = metric(a, b).double().cpu().numpy()
    return values


def runtime(inverter: Inverter, *, runs: int = TIMED) -> float:
    """Median seconds of one image, from pixels at the side of training to the generated image.

    Batch 1, warm (two runs before), and waiting for the device. Optimisers are timed once, since
    they take hundreds of passes themselves.
    """
    device, side = _device(inverter), inverter.network.config.image_size
    x = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device) * 2 - 1
    seconds = []
    warm_up, timed = (0, 1) if inverter.method.steps else (2, runs)
    for turn in range(warm_up + timed):
        wait(device)
        start = time.perf_counter()
        found = inverter(x)
        with torch.no_grad():
            inverter.generate(found)
        wait(device)
        if turn >= warm_up:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def parameters(inverter: Inverter) -> dict[str, int]:
    """Parameters of the encoders, none for a method without one: see `count_parameters`."""
    if inverter.method.starts_from_mean:
        return {"encoder": 0, "counted": 0}
    counts = count_parameters(inverter.network.config)
    return {key: counts[key] for key in ("encoder", "counted")}


def _said(quantizer: Rounder | None) -> str:
    if quantizer is None:
        return "as found"
    if isinstance(quantizer, WholeNumbers):
        return f"whole numbers, {quantizer.rounding} (paper, Alg. 1)"
    return "rounded as they would be sent"


def _device(inverter: Inverter) -> torch.device:
    return inverter.network.w_avg.device


def _count(archive: Archive, limit: int | None) -> int:
    return len(archive.names) if limit is None else min(limit, len(archive.names))


def _planes(images: Images) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def _read(
    archive: Archive, names: list[str], sides: tuple[int, int], skipped: list[str], fit: str
) -> tuple[list[str], Images, Images]:
    """Names that can be decoded and their images, to compare and to invert; others are skipped."""
    compared, shown = sides
    read: list[str] = []
    decoded: list[tuple[Images, Images]] = []
    for name in names:
        try:
            data = archive.read(name)
            original = decode(data, compared, fit=fit)
            same = shown == compared
            decoded.append((original, original if same else decode(data, shown, fit=fit)))
        except UNREADABLE as error:
            log.warning("%s is skipped: %s", name, why(error))
            skipped.append(name)
            continue
        read.append(name)
    originals = [np.empty((0, side, side, 3), np.uint8) for side in sides]
    if read:
        originals = [np.stack(images) for images in zip(*decoded, strict=True)]
    return read, originals[0], originals[1]


def _by_group(rows: list[dict[str, Any]], keys: list[str]) -> dict[str, dict[str, Mean]]:
    members: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        members[row["group"]].append(row)
    if len(members) < 2:
        return {}
    return {
        group: {
            key: mean_of([row[key] for row in members[group]]) for key in keys if key in rows[0]
        }
        for group in sorted(members)
    }


def _grid(
    rows: list[dict[str, Any]], pair: Callable[[str], tuple[Images, Images]]
) -> dict[str, list[Shown]]:
    """Best, median and worst by PSNR; `pair` gives original and generated image of a name."""
    order = sorted(rows, key=lambda row: float(row["psnr"]), reverse=True)
    count = min(SHOWN, len(order))
    middle = (len(order) - count) // 2
    chosen = {
        "best": order[:count],
        "median": order[middle : middle + count],
        "worst": order[-count:],
    }
    return {
        kind: [
            Shown(row["file"], *pair(row["file"]), {k: v for k, v in row.items() if k in TITLES})
            for row in some
        ]
        for kind, some in chosen.items()
    }
