"""Sheets of forty faces for a blind look: the secret between the default model and a rival.

    python benchmarks/blind_pairs.py sheets --rival base.safetensors

The faces are spread evenly over `real/val.zip` of ../shared/data, which no training saw.  Both
sides have as many bytes: those of the model at a quality, for each face; of the rival, components
weighted by place (see face_curve.py), the mean of its ideal bits is at least the model's.  WebP and
AVIF files have for each face the size and quality of best PSNR.  Which side the model is on is
drawn for each face and written to a file of its own, to be compared with what was chosen.
"""

import argparse
from pathlib import Path

import numpy as np
from face_curve import COMMON_BYTES, DATA, SIDE, Components, as_received, best_picture
from PIL import Image

import e2style
from deephide.container.layout import OVERHEAD_BYTES
from e2style.data.faces import FaceSet
from e2style.evaluation.sets import encode_set

COUNT = 40
ROWS = 4  # of a sheet, which has two columns of faces
STEPS = np.geomspace(2.0, 0.8, 30)  # of the rival, until it takes as many bytes


def of_model(faces, chosen, quality):
    """What comes back of the chosen faces, and the bytes of each container."""
    model = e2style.load()
    codes = encode_set(model, faces)[chosen]
    _, sizes, shown = as_received(model, model.quantizers[quality - 1], codes)
    return shown, sizes


def of_components(path, images, least):
    """The same of weighted components, with `least` bytes on average."""
    components = Components(path)
    codes = components.codes_of(images)
    for step in STEPS:
        quantizer, integers = components.sent(codes, step)
        if OVERHEAD_BYTES + quantizer.ideal_bits(integers).mean() / 8 >= least:
            break
    return components.shown(quantizer, integers)


def of_codec(name, images, sizes):
    """The same of an ordinary codec; what fits into no file of that size gets a little more."""
    shown = []
    for image, size in zip(images, sizes, strict=True):
        budget, found = size - OVERHEAD_BYTES + COMMON_BYTES[name], None
        while found is None:
            found = best_picture(Image.fromarray(image), name, budget)
            budget += 10
        shown.append(found[0])
    return np.stack(shown)


def write_sheets(folder, name, images, ours, theirs, rng):
    """Write the sheets of a rival, and the sides on which the model is."""
    sides = rng.integers(2, size=len(images))
    rows = [
        np.concatenate([b, secret, a] if right else [a, secret, b], 1)
        for secret, a, b, right in zip(images, ours, theirs, sides, strict=True)
    ]
    gap = np.full((ROWS * SIDE, 24, 3), 255, np.uint8)
    for number, start in enumerate(range(0, len(rows), 2 * ROWS), 1):
        left, right = (np.concatenate(rows[k : k + ROWS]) for k in (start, start + ROWS))
        Image.fromarray(np.concatenate([left, gap, right], 1)).save(folder / f"{name}-{number}.png")
    (folder / f"{name}-sides.txt").write_text("".join("LR"[side] for side in sides) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="for the sheets")
    parser.add_argument("--rival", metavar="PATH", help="base of weighted components")
    parser.add_argument("--quality", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    faces = FaceSet(DATA / "real" / "val.zip", SIDE)
    chosen = np.linspace(0, len(faces) - 1, COUNT).astype(int)
    images = faces.images[chosen]
    ours, sizes = of_model(faces, chosen, options.quality)
    print(f"{np.mean(sizes):.0f} bytes on average")
    rivals = {name.lower(): of_codec(name, images, sizes) for name in ("WEBP", "AVIF")}
    if options.rival:
        rivals["components"] = of_components(options.rival, images, np.mean(sizes))
    rng = np.random.default_rng(options.seed)
    for name, theirs in rivals.items():
        write_sheets(options.folder, name, images, ours, theirs, rng)


if __name__ == "__main__":
    main()
