"""Demonstration faces of `benchmarks/demo_faces`, which are nobody's, from the default generator.

    python recipes/demo_faces.py --data faces.zip

A Gaussian is fitted to the codes of training faces; new codes are drawn from it, pulled towards
the mean, and synthesised. No training image is copied, and no generated one was trained on.
"""

import argparse
import pathlib

import numpy as np
import torch
from PIL import Image

import e2style
from e2style.data.faces import FaceSet
from e2style.evaluation.sets import encode_set
from e2style.images import COMPARED_SIDE, to_uint8

FACES = pathlib.Path(__file__).resolve().parents[1] / "benchmarks" / "demo_faces"


def draw_codes(codes: np.ndarray, count: int, truncation: float, seed: int) -> np.ndarray:
    """(N, n, 512) codes of faces -> (count, n, 512) new ones, of the same mean and spread."""
    flat = codes.reshape(len(codes), -1).astype(np.float64)
    mean = flat.mean(0)
    _, singular, basis = np.linalg.svd(flat - mean, full_matrices=False)
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((count, len(singular))) * singular / np.sqrt(len(codes))
    return (mean + truncation * scores @ basis).astype(np.float32).reshape(count, *codes.shape[1:])


def main() -> None:
    """Draw codes, synthesise the chosen ones, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder or zip of training faces")
    parser.add_argument("--model", help="model file; the default model otherwise")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--truncation", type=float, default=0.85)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", type=int, nargs="*", default=(5, 12, 8), help="draws to keep")
    parser.add_argument("--output", type=pathlib.Path, default=FACES)
    arguments = parser.parse_args()
    model = e2style.load(arguments.model)
    codes = encode_set(model, FaceSet(arguments.data, COMPARED_SIDE, every=5))
    drawn = draw_codes(codes, arguments.count, arguments.truncation, arguments.seed)
    chosen = arguments.choose
    arguments.output.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        images = to_uint8(model.network.synthesize(torch.from_numpy(drawn[list(chosen)])))
    for number, image in enumerate(images, 1):
        face = Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC)
        face.save(arguments.output / f"face{number}.png")
        print(arguments.output / f"face{number}.png")


if __name__ == "__main__":
    main()
