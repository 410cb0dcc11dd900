r"""Table II: faces edited by what Table I trained, FID and identity against the input.

    python benchmarks/table2.py --data train.zip --validation val.zip --features weights \
        --runs runs --with hatatori/man --without hatatori/woman

The direction is learnt for each network by itself, as in InterFaceGAN, between the codes of two
groups of the training images, and added `--strength` times. FID needs Inception's weights. The
preference rates of the paper need people.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from inversion_tables import SCALES, chosen, parser_of
from table1 import ROWS

from e2style.applications import directions
from e2style.data.faces import FaceSet
from e2style.evaluation.measure import TITLES, measure
from e2style.evaluation.methods import Inverter
from e2style.metrics.features import load_metrics
from e2style.model import InversionModel
from e2style.training.assemble import network_of_run
from e2style.training.state import TrainingState

# FID and identity similarity of the paper.
PAPER = {
    "pSp": (54.4, 0.33),
    "ReStyle": (48.8, 0.40),
    "e4e": (55.5, 0.31),
    "E2Style-2Stage": (49.4, 0.49),
}


def main() -> None:
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--with", dest="positive", required=True, help="group with the attribute")
    parser.add_argument("--without", dest="negative", required=True, help="group without it")
    parser.add_argument("--strength", type=float, default=3.0, help="in standard deviations")
    parser.add_argument("--codes", type=int, default=100, help="pictures of each group")
    options, rows = chosen(parser, [row for row in ROWS if row.name in PAPER])
    print(f"Table II, {options.negative} towards {options.positive}, strength {options.strength:g}")
    for row in rows:
        run = options.runs / row.folder
        if TrainingState.snapshots(run):
            _print(row.name, run, options)
        else:
            print(f"{row.name:16} not trained yet")


def _print(name: str, run: Path, options: argparse.Namespace) -> None:
    network, seen = network_of_run(run)
    model = InversionModel(network.channels_last(), fingerprint=bytes(32), device=options.device)
    side = SCALES[options.scale].side
    faces = FaceSet(options.data, side)
    groups = (options.positive, options.negative)
    sets = [_codes(model, faces, group, options.codes) for group in groups]
    direction = directions.learn("direction", model, *sets)

    def edit(codes: torch.Tensor) -> torch.Tensor:
        moved = directions.apply(codes.cpu().numpy(), direction, options.strength)
        return torch.from_numpy(moved).to(codes)

    metrics = load_metrics(options.metrics or options.features, options.device)
    inverter = Inverter(model.network, edit=edit)
    found = measure(inverter, options.validation, metrics, side=side, limit=options.pictures)
    fid = found.means.get("fid")
    key = next((k for k in ("ids", "ids_dlib", "ids_mobileface") if k in found.means), "ids")
    identity = found.means.get(key)
    cells = [
        f"{fid.mean:.1f}" if fid else f"not measured ({found.missing['fid']})",
        f"{identity.mean:.3f}" if identity else f"not measured ({found.missing['ids']})",
    ]
    print(
        f"{name:16} {seen:>9,} images  FID {cells[0]}, paper {PAPER[name][0]}; "
        f"{TITLES[key]} {cells[1]}, paper {PAPER[name][1]} (CurricularFace)",
        flush=True,
    )


def _codes(model: InversionModel, faces: FaceSet, group: str, count: int) -> np.ndarray:
    """Codes (N, n, 512) of the first images of a group."""
    places = [k for k, own in enumerate(faces.groups) if own == group][:count]
    if not places:
        raise SystemExit(f"no picture of the group {group}; there are {sorted(set(faces.groups))}")
    parts = torch.tensor(places).split(model.batch_size)
    return np.concatenate([model.invert(faces.batch(part)).cpu().numpy() for part in parts])


if __name__ == "__main__":
    main()
