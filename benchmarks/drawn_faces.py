"""Faces of nobody, and faces between two: what the prior of the default model draws.

    python benchmarks/drawn_faces.py --json docs/models/prior.json

Drawn faces are compared with faces of `real/val.zip` and `faces/val.zip` as the model reconstructs
them, so that only the codes differ: by the Fréchet distance of dlib's descriptors, and by how often
a face is found. As an ablation the same number is drawn component by component from the
quantizer's tables. Whether somebody from training came back is asked of the codes: the distance of
each drawn one to the nearest of a training face or of its mirror image, under the metric of
identity, beside that of held-out faces.

Halfway faces are those between pairs of photographs, along the prior and on the straight line, with
their PSNR against the mean of the pair's two images, and the distance to the nearer end.

Needs `pip install 'deephide[train]' scipy` and ../shared.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from face_curve import DATA, SIDE, descriptors, frechet, generated
from PIL import Image

import e2style
from e2style.applications import mixing, prior
from e2style.applications.sampling import LEADING, from_tables, sample
from e2style.data.detect import load_detector
from e2style.data.faces import FaceSet
from e2style.data.mix import FaceMix
from e2style.evaluation.sets import encode_set
from e2style.metrics.images import psnr

DRAWN = 300
PAIRS = 14
TRUNCATIONS = (1.0, 0.8, 0.7)
SHARES = (  # of the sets in training
    "ffhq128=.09 ffhq256=.20 congress=.10 webmorph=.06 unsplash=.05 aaf=.14 sdfd=.02 hmdghoul=.18 "
    "hatatori=.09 BaseMax=.07"
)


def found_in(faces):
    """Share of images in which the detector finds one face."""
    detector = load_detector()
    return float(np.mean([len(detector.find(Image.fromarray(face))) == 1 for face in faces]))


def by_component(model, leading):
    """Codes whose components are drawn one by one from the tables."""
    return np.stack([from_tables(model.quantizer, seed, leading) for seed in range(DRAWN)])


def rounded(model, codes):
    """Codes as they are sent at the usual quality."""
    return model.quantizer.dequantise(model.quantizer.quantise(codes))


def shown(model, codes):
    return generated(model, torch.from_numpy(codes))


def compared(name, model, known, codes):
    """Fréchet distance from known faces, and the share in which a face is found."""
    faces = shown(model, codes)
    row = {"frechet": frechet(known, descriptors(faces)), "found": found_in(faces)}
    print(name, row, flush=True)
    return row


def nearest(values, others):
    """Distances to the nearest, under the metric that the components are orthogonal in."""
    found = torch.cdist(values, others).min(1).values
    fraction = found.quantile(0.05).item()
    return {"median": found.median().item(), "5 %": fraction, "least": found.min().item()}


def halfway(model, known, codes):
    """Faces between the codes of pairs: against the mean of both images, and by likeness."""
    found = {}
    ends = shown(model, codes)
    first, last = ends[0::2], ends[1::2]
    mean = ((first.astype(np.float32) + last) / 2).round().astype(np.uint8)
    marks = descriptors(first), descriptors(last)
    ways = {
        "prior": lambda *pair: prior.between(known, *pair, 3),
        "line": lambda *pair: mixing.interpolate(*pair, 3),
    }
    for name, way in ways.items():
        middle = [way(*pair)[1] for pair in zip(codes[0::2], codes[1::2], strict=True)]
        images = shown(model, np.stack(middle))
        own = descriptors(images)
        apart = [np.linalg.norm(own - each, axis=1) for each in marks]
        values = psnr(mean, images)
        found[name] = {
            "psnr_median": float(np.median(values)),
            "psnr_range": [float(values.min()), float(values.max())],
            "dlib_nearer_end": float(np.minimum(*apart).mean()),
            "dlib_farther_end": float(np.maximum(*apart).mean()),
            "found": found_in(images),
        }
    found["dlib_between_ends"] = float(np.linalg.norm(marks[0] - marks[1], axis=1).mean())
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    model = e2style.load()
    known_prior = prior.prior_of(model)
    photographs = FaceSet(str(DATA / "real" / "val.zip"), SIDE)
    painted = FaceSet(str(DATA / "faces" / "val.zip"), SIDE, every=3)
    codes = [encode_set(model, faces) for faces in (photographs, painted)]
    every = np.concatenate(codes)
    sent = rounded(model, every)
    known = descriptors(shown(model, sent))
    figures: dict = {"faces": len(every), "drawn": DRAWN}
    for truncation in TRUNCATIONS:
        name = f"truncation {truncation}"
        figures[name] = compared(name, model, known, sample(model, range(DRAWN), truncation))
    for leading in (LEADING, None):
        name = f"by component, {leading or 'all'}"
        figures[name] = compared(name, model, known, by_component(model, leading))

    base, count = model.network.generator.base, known_prior.config.components
    data = ":".join(str(DATA / name / "train.zip") for name in ("real", "faces"))
    faces = FaceMix(data, base.picture_side, shares=SHARES)
    training = encode_set(model, faces)
    seed = torch.Generator().manual_seed(0)
    some = torch.multinomial(faces.probabilities, DRAWN, generator=seed)
    name = "training faces"
    figures[name] = compared(name, model, known, rounded(model, training[some]))
    own = torch.from_numpy(training[:, 0, :count])
    others = torch.cat([own, torch.where(base.odd[:count], -own, own)])
    figures["nearest training face"] = {
        "drawn": nearest(torch.from_numpy(sample(model, range(DRAWN))[:, 0, :count]), others),
        "held out": nearest(torch.from_numpy(sent[:, 0, :count]), others),
    }
    print(figures["nearest training face"], flush=True)

    chosen = np.linspace(0, len(photographs) - 1, 2 * PAIRS).astype(int)
    ends = rounded(model, codes[0][chosen])
    figures["halfway"] = halfway(model, known_prior, ends)
    print(figures["halfway"], flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
