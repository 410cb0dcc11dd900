"""Quality of restored faces, beside the damaged image and beside simple filters.

    python benchmarks/restoration.py --json restoration.json

Every face of `../shared/data/faces/val.zip`, which nothing was trained or tuned on, is damaged at
128 px as in training, restored by the built-in model, and compared with the truth there: PSNR,
SSIM, and dlib's distance at 256 px (two images of one person: below 0.6).  Beside it stand the
damaged image itself and what needs no model: bicubic enlargement, a median of 3 x 3 samples,
holes filled softly from their surroundings.

Needs `pip install 'deephide[train]'` and ../shared.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path[:0] = [str(ROOT), str(SHARED / "tools")]

from dlib_distance import embed  # noqa: E402

import e2style  # noqa: E402
from e2style.applications import restoration  # noqa: E402
from e2style.checkpoints.shipped import RESTORER  # noqa: E402
from e2style.data.corruptions import calmed, cut, filled, triangle  # noqa: E402
from e2style.data.faces import FaceSet  # noqa: E402
from e2style.data.scaling import scaled  # noqa: E402
from e2style.images import COMPARED_SIDE  # noqa: E402
from e2style.metrics.spread import mean_of  # noqa: E402

TASKS = (
    ("colorization", None),
    ("inpainting", None),
    ("denoising", None),
    *(("super_resolution", factor) for factor in (2, 4, 8, 16)),
)
BICUBIC = Image.Resampling.BICUBIC


def versions(model, truth, task, factor, seed):
    """Yield name and image of everything that is compared for one face, the damage first."""
    side = model.network.seen_side
    damaged = restoration.damaged(truth, task, side, seed, factor)
    array = np.asarray(damaged)
    restored = restoration.restore(model, damaged, task).generated
    if task == "super_resolution":
        small = scaled(truth, side)
        small = small.resize((side // factor, side // factor), BICUBIC)
        yield "bicubic", small.resize((side, side), BICUBIC)
    else:
        yield "damaged", damaged
    if task == "denoising":
        yield "median", Image.fromarray(calmed(array))
    if task == "inpainting":
        # The mask that was drawn, as a user would hand it in.
        holes = triangle(side, np.random.default_rng(seed))
        assert np.array_equal(cut(array, holes), array)
        mask = Image.fromarray(holes).convert("L")
        yield "filled softly", Image.fromarray(filled(array, holes))
        masked = restoration.restore(model, damaged, task, mask).generated
        yield "restored in the hole", restoration.keep_known(masked, damaged, mask)
    yield "restored", restored
    if task == "colorization":
        yield "restored, light kept", restoration.keep_light(restored, damaged)


def measure(model, faces, task, factor):
    """Means over the faces for everything that is compared."""
    side = model.network.seen_side
    found = {}
    for number, face in enumerate(faces.images):
        truth = Image.fromarray(face)
        known = embed(truth).numpy()
        small = scaled(truth, side)
        for name, picture in versions(model, truth, task, factor, number):
            compared = picture.resize((side, side), BICUBIC)
            gain = restoration.gain(truth, small, compared)
            large = picture.resize((COMPARED_SIDE, COMPARED_SIDE), BICUBIC)
            apart = float(np.linalg.norm(embed(large).numpy() - known))
            found.setdefault(name, []).append((gain.psnr, gain.ssim, apart))
    rows = []
    for name, values in found.items():
        psnr, ssim, dlib = np.array(values).T
        spread = mean_of(dlib)
        rows.append(
            {
                "task": task, "factor": factor, "what": name,
                "psnr": float(psnr.mean()), "ssim": float(ssim.mean()),
                "dlib": spread.mean, "dlib_ci95": [spread.low, spread.high],
                "under_0.6": float((dlib < 0.6).mean()),
            }
        )  # fmt: skip
    return rows


def line(row):
    """What is printed of a row; docs/make_applications.py makes the page's table of the JSON."""
    figures = "  ".join(f"{key} {row[key]:.3f}" for key in ("psnr", "ssim", "dlib", "under_0.6"))
    return f"{row['task']} {row['factor'] or '':2}  {row['what']:20}  {figures}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "faces" / "val.zip")
    parser.add_argument("--model", default=RESTORER, help="name or file")
    parser.add_argument("--every", type=int, default=1, help="only every n-th face")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    model = e2style.load_model(options.model)
    faces = FaceSet(options.data, COMPARED_SIDE, every=options.every)
    print(f"{len(faces)} faces, model {model.name}")
    rows = []
    for task, factor in TASKS:
        start = time.process_time()
        found = measure(model, faces, task, factor)
        rows += found
        print("\n".join(map(line, found)), flush=True)
        spent = (time.process_time() - start) / len(faces)
        print(f"{spent:.2f} s a face with all measurements", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
