"""Fit the base that training of face256 starts from, under a metric of identity.

    python recipes/face256_base.py base.safetensors --data a.zip:b.zip --networks weights

About four minutes of a core for 16,000 faces, and eight more for the metric; 2.5 GB.
"""

import argparse
import logging
from pathlib import Path

import torch.nn.functional as F

from e2style.checkpoints.networks import load_state
from e2style.data.mix import FaceMix, names_in
from e2style.models.base import PATCH
from e2style.models.mobilefacenet import MobileFaceNet
from e2style.settings import load_toml
from e2style.training.metric_base import fit_metric_base

PRESET = Path(__file__).parents[1] / "e2style" / "presets" / "face256_base.toml"
IDENTITY_WEIGHT = 1600.0


def main() -> None:
    """Parse, fit, save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--data", required=True, help="folders and zips, separated as in PATH")
    parser.add_argument("--networks", required=True, type=Path, help="has mobilefacenet.npz")
    parser.add_argument("--shares", default="", help="of the sets, as in 'ffhq=0.6 studio=0.4'")
    parser.add_argument("--held-out", default="", help="file with the names to leave out")
    parser.add_argument("--identity-weight", type=float, default=IDENTITY_WEIGHT)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = load_toml(PRESET)
    side = config.model.generator.base_side * PATCH
    faces = FaceMix(options.data, side, shares=options.shares, left_out=names_in(options.held_out))
    network = load_state(MobileFaceNet(), options.networks / "mobilefacenet.npz")
    embed = None
    if options.identity_weight > 0:

        def embed(images):
            return F.normalize(network(images)[-1].float())

    fitted = fit_metric_base(
        config.model.generator,
        faces,
        embed,
        face_weight=config.loss.face_weight,
        identity_weight=options.identity_weight,
    )
    fitted.save(options.target)


if __name__ == "__main__":
    main()
