"""Prior of the codes of faces that ships with the default model: a flow from noise to codes.

    python recipes/prior.py --data real/train.zip:faces/train.zip

Every face is projected as it is and three times with the small changes of training (`e2style.data.
augment`); each 40th is held out, and its loss printed. Rounding, tables and generator have no part
in it, but the file names the model by its fingerprint, so a new model needs a new prior. Afterwards
put the hash of the file into `e2style/checkpoints/shipped.py`, and measure it with
`benchmarks/drawn_faces.py`.
"""

import argparse
import logging
from pathlib import Path

import torch

import e2style
from e2style.checkpoints.networks import save_network
from e2style.checkpoints.shipped import weights_file
from e2style.checkpoints.verification import sha256_of
from e2style.data.augment import augment
from e2style.data.mix import FaceMix
from e2style.models.prior import PriorConfig
from e2style.training.prior import fit_prior

SHARES = (
    "ffhq128=.09 ffhq256=.20 congress=.10 webmorph=.06 unsplash=.05 aaf=.14 sdfd=.02 hmdghoul=.18 "
    "hatatori=.09 BaseMax=.07"
)
HELD_OUT = 40
CHANGED = 3  # times that each face is changed a little
PART = 64


@torch.inference_mode()
def values_of(base, faces, count, change=lambda images: images):
    """Values of the leading components in all faces, half precision."""
    found = []
    for part in torch.arange(len(faces)).split(PART):
        found.append(base.project(change(faces.batch(part))).flatten(1)[:, :count].half())
    return torch.cat(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="zips of training faces, joined by colons")
    parser.add_argument("--shares", default=SHARES, help="of the sets, as in training")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=weights_file("prior.safetensors"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    model = e2style.load()
    config = PriorConfig(fingerprint=model.fingerprint.hex())
    base, count = model.network.generator.base, config.components
    faces = FaceMix(options.data, base.picture_side, shares=options.shares, left_out=())
    torch.manual_seed(options.seed)
    own = values_of(base, faces, count)
    seen = torch.arange(len(own)) % HELD_OUT != 0
    every = [own, *(values_of(base, faces, count, augment) for _ in range(CHANGED))]
    print(f"{len(own)} faces, {int((~seen).sum())} of them held out")
    prior = fit_prior(
        config,
        torch.cat([values[seen] for values in every]),
        base.odd[:count],
        weights=faces.probabilities[seen].repeat(len(every)),
        held_out=own[~seen],
        steps=options.steps,
        seed=options.seed,
    )
    save_network(options.output, prior, half=True)
    print(f"{options.output}: {options.output.stat().st_size:,} bytes, {sha256_of(options.output)}")


if __name__ == "__main__":
    main()
