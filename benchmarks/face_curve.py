"""Size and quality of a face: the default model beside eigenfaces, WebP and JPEG XL.

    python benchmarks/face_curve.py --plot docs/pictures/model-curve.svg --pairs pairs.png

Every face of `../shared/data/faces/val.zip`, which nothing was trained or tuned on, is coded by the
model at each of its qualities, by 1,200 principal components at several steps, and by two ordinary
codecs at several sizes. Bytes are those of the whole container for all of them: 46 more than the
payload, without the parts that all files of a codec have in common. Compared are, at 256 px: PSNR,
SSIM, dlib distance (mean, share under 0.5) and the Fréchet distance between the dlib descriptors
of the faces and of what came back.

Needs `pip install 'deephide[train]' matplotlib pillow-jxl-plugin scipy` and ../shared.
"""

import argparse
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
FACES = SHARED / "data" / "faces"
sys.path[:0] = [str(ROOT), str(SHARED / "tools")]

from dlib_distance import embed  # noqa: E402
from scipy.linalg import sqrtm  # noqa: E402
from scipy.stats import norm  # noqa: E402

import e2style  # noqa: E402
from deephide.codecs import latent  # noqa: E402
from deephide.container.layout import OVERHEAD_BYTES  # noqa: E402
from e2style.data.faces import FaceSet  # noqa: E402
from e2style.evaluation.sets import encode_set  # noqa: E402
from e2style.images import as_compared  # noqa: E402
from e2style.metrics.images import psnr, ssim  # noqa: E402

SIDE = 256
COMPONENTS, SMALL = 1200, 128  # of the eigenfaces, and the side they live at
STEPS = (900, 520, 360, 230, 175, 140, 105, 80, 60, 45, 33)
CODED_BYTES = (100, 200, 300, 500, 700, 1000, 1500)
COMMON_BYTES = {"WEBP": 30, "JXL": 0}  # of every file of the codec, which need not be sent
SIDES = (32, 48, 64, 96, 128, 192)


def enlarged(pictures: np.ndarray) -> np.ndarray:
    """(N, s, s, 3) uint8 -> (N, 256, 256, 3), bicubically."""
    bicubic = Image.Resampling.BICUBIC
    return np.stack(
        [np.asarray(Image.fromarray(p).resize((SIDE, SIDE), bicubic)) for p in pictures]
    )


def descriptors(pictures: np.ndarray) -> np.ndarray:
    return np.stack([embed(Image.fromarray(p)).numpy() for p in pictures])


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of two sets of descriptors, taken for normally distributed."""
    mixed = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    apart = np.square(a.mean(0) - b.mean(0)).sum()
    return float(apart + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * mixed))


def figures(faces, known, shown, sizes) -> dict:
    """Means over the set, with 95 % bootstrap intervals of the dlib distance."""
    found = descriptors(shown)
    distances = np.linalg.norm(known - found, axis=1)
    rng = np.random.default_rng(0)
    draws = distances[rng.integers(0, len(distances), (2000, len(distances)))].mean(1)
    return {
        "bytes": float(np.mean(sizes)),
        "psnr": float(psnr(faces.images, shown).mean()),
        "ssim": float(
            np.mean([ssim(a[None], b[None]) for a, b in zip(faces.images, shown, strict=True)])
        ),
        "dlib": float(distances.mean()),
        "dlib_ci95": np.percentile(draws, (2.5, 97.5)).round(4).tolist(),
        "under_0.5": float((distances < 0.5).mean()),
        "frechet": frechet(known, found),
        "groups": {
            group: float(distances[[g == group for g in faces.groups]].mean())
            for group in sorted(set(faces.groups))
        },
    }


def of_model(model, faces, known, say) -> tuple[list[dict], np.ndarray]:
    """The model at each quality, and not rounded at all; the images of its usual quality."""
    rows = []
    with torch.inference_mode():
        start = time.process_time()
        codes = encode_set(model, faces)
        say(f"inverting takes {(time.process_time() - start) / len(faces):.3f} s a face")
        for number, quantizer in enumerate((None, *model.quantizers)):
            sent, sizes = codes, [float("nan")]
            if quantizer is not None:
                integers = quantizer.quantise(codes)
                sent = quantizer.dequantise(integers)
                payloads = [latent.compress(each, quantizer) for each in integers]
                sizes = [OVERHEAD_BYTES + len(each) for each in payloads]
            parts = torch.from_numpy(sent).split(4)
            shown = np.concatenate([as_compared(model.network.synthesize(p), SIDE) for p in parts])
            rows.append({"quality": number, **figures(faces, known, shown, sizes)})
            say(line("model", rows[-1]))
            if number == model.quality:
                usual = shown
    return rows, usual


def of_eigenfaces(faces, known, usual_bytes, say) -> tuple[list[dict], np.ndarray]:
    """As `../shared/tools/eigenface_anchor.py`; also the images nearest to `usual_bytes`."""
    lanczos = Image.Resampling.LANCZOS

    def small(pictures):
        return np.stack(
            [
                np.asarray(Image.fromarray(p).resize((SMALL, SMALL), lanczos), np.float32).ravel()
                for p in pictures
            ]
        )

    train = small(FaceSet(FACES / "train.zip", SIDE).images)
    mean = train.mean(0)
    train -= mean
    _, singular, basis = torch.svd_lowrank(torch.from_numpy(train), q=COMPONENTS, niter=2)
    basis, deviation = basis.numpy(), singular.numpy() / np.sqrt(len(train))
    del train
    scores = (small(faces.images) - mean) @ basis
    rows, nearest = [], None
    for step in STEPS:
        q = np.rint(scores / step)
        mass = norm.cdf((q + 0.5) * step, scale=deviation)
        mass -= norm.cdf((q - 0.5) * step, scale=deviation)
        sizes = OVERHEAD_BYTES - np.log2(np.maximum(mass, 1e-9)).sum(1) / 8
        shown = np.clip(q * step @ basis.T + mean, 0, 255).reshape(-1, SMALL, SMALL, 3)
        shown = enlarged(shown.astype(np.uint8))
        rows.append(figures(faces, known, shown, sizes))
        say(line("eigenfaces", rows[-1]))
        away = abs(sizes.mean() - usual_bytes)
        if nearest is None or away < nearest[0]:
            nearest = away, shown
    return rows, nearest[1]


def of_codec(faces, known, name, say) -> list[dict]:
    """WebP or JPEG XL: for each face the size and quality of best PSNR within the bytes."""
    rows = []
    for total in CODED_BYTES:
        budget = total - OVERHEAD_BYTES + COMMON_BYTES[name]
        best = [best_picture(Image.fromarray(p), name, budget) for p in faces.images]
        if None in best:
            say(f"{name}: {sum(b is None for b in best)} faces do not fit into {total} bytes")
            continue
        sizes = [size - COMMON_BYTES[name] + OVERHEAD_BYTES for _, size in best]
        rows.append(figures(faces, known, np.stack([shown for shown, _ in best]), sizes))
        say(line(name, rows[-1]))
    return rows


def best_picture(face, name, budget):
    """Image as received, and bytes; None where nothing fits."""
    found = None
    options = {"WEBP": {"method": 4}, "JXL": {"effort": 7}}[name]
    for side in SIDES:
        small = face.resize((side, side), Image.Resampling.LANCZOS)
        low, high, data = 1, 95, None
        while low <= high:
            quality = (low + high) // 2
            buffer = io.BytesIO()
            small.save(buffer, name, quality=quality, **options)
            if buffer.tell() <= budget:
                data, low = buffer.getvalue(), quality + 1
            else:
                high = quality - 1
        if data is None:
            break  # no larger side fits either
        shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize(face.size, 3))
        error = np.square(np.asarray(face, np.float64) - shown).mean()
        if found is None or error < found[0]:
            found = error, shown, len(data)
    return found and found[1:]


def line(name: str, row: dict) -> str:
    return (
        f"{name}: {row['bytes']:.0f} bytes, {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}, "
        f"dlib {row['dlib']:.3f}, {row['under_0.5']:.1%} under 0.5, Fréchet {row['frechet']:.4f}"
    )


def plot(curves: dict[str, list[dict]], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axis, key, label in zip(
        axes,
        ("dlib", "frechet", "psnr"),
        ("mean dlib distance", "Fréchet distance of dlib descriptors", "PSNR in dB"),
        strict=True,
    ):
        for name, rows in curves.items():
            sent = [row for row in rows if np.isfinite(row["bytes"])]
            axis.plot([r["bytes"] for r in sent], [r[key] for r in sent], "o-", ms=3, label=name)
        axis.set(xscale="log", xlabel="bytes of the container", ylabel=label)
        axis.set_xticks([60, 100, 200, 300, 500, 1000, 2000])
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=110)


def pairs(faces, ours, theirs, path: str) -> None:
    """Twenty faces: the secret, one rival and the other, in an order that is drawn for each."""
    rng = np.random.default_rng(1)
    columns, key = [], []
    for k in np.linspace(0, len(faces) - 1, 20).astype(int):
        swap = bool(rng.integers(2))
        two = [theirs[k], ours[k]] if swap else [ours[k], theirs[k]]
        columns.append(np.concatenate([faces.images[k], *two]))
        key.append("AB"[swap])
    rows = [np.concatenate(columns[k : k + 10], 1) for k in (0, 10)]
    Image.fromarray(np.concatenate(rows)).save(path)
    Path(path).with_suffix(".txt").write_text("model first (A) or second (B): " + " ".join(key))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    parser.add_argument("--plot", metavar="PATH", help="draw the curves")
    parser.add_argument("--pairs", metavar="PATH", help="draw pairs for a blind look")
    parser.add_argument("--every", type=int, default=1, help="take every n-th face only")
    options = parser.parse_args()
    faces = FaceSet(FACES / "val.zip", SIDE, every=options.every)
    known = descriptors(faces.images)

    def say(text):
        print(text, flush=True)

    model = e2style.load()
    ours, usual = of_model(model, faces, known, say)
    middle = next(row for row in ours if row["quality"] == model.quality)["bytes"]
    linear, linear_pictures = of_eigenfaces(faces, known, middle, say)
    curves = {"default model": ours, "eigenfaces": linear}
    curves["WebP"] = of_codec(faces, known, "WEBP", say)
    try:
        import pillow_jxl  # noqa: F401

        curves["JPEG XL"] = of_codec(faces, known, "JXL", say)
    except ImportError:
        say("JPEG XL is not measured: pip install pillow-jxl-plugin")
    if options.json:
        Path(options.json).write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(curves, options.plot)
    if options.pairs:
        pairs(faces, usual, linear_pictures, options.pairs)


if __name__ == "__main__":
    main()
