r"""Table II: faces edited by what Table I trained, FID and identity against the input.

    python benchmarks/table2.py --data train.zip --validation val.zip --features weights \
        --runs runs --directions edits.csv
    python benchmarks/table2.py --data train.zip --validation val.zip --features weights \
        --runs runs --with hatatori/man --without hatatori/woman

A file of edits has a line for each: `direction`, a file beside it (the official .npy ones, or what
`e2style direction` wrote for the generator) or a name that ships; `strength`, how often it is
added; and, where wanted, `rows`. All networks are edited alike, as in the paper. Without such a
file the direction is learnt for each network by itself, as in InterFaceGAN, between the codes of
two groups of the training images, and added `--strength` times. FID needs Inception's weights. The
preference rates of the paper need people.
"""

import argparse
import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from inversion_tables import SCALES, chosen, parser_of
from table1 import ROWS

from e2style.applications import directions
from e2style.applications.rows import parse_rows
from e2style.checkpoints.loading import load
from e2style.data.faces import FaceSet
from e2style.evaluation.measure import TITLES, measure
from e2style.evaluation.methods import Inverter
from e2style.metrics.features import FeatureMetrics, load_metrics
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


@dataclasses.dataclass(frozen=True)
class Edit:
    """One line of a file of edits."""

    direction: str
    strength: float
    rows: str | None = None

    @property
    def title(self) -> str:
        """What is printed of it."""
        return f"{Path(self.direction).stem} {self.strength:+g}"


def read_edits(path: Path) -> list[Edit]:
    """Edits of a CSV file; directions that are files lie relative to it."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    if not lines or not {"direction", "strength"} <= set(lines[0]):
        raise SystemExit(f"{path}: needs lines with the columns direction and strength")
    edits = []
    for line in lines:
        beside = path.parent / line["direction"]
        name = str(beside) if beside.is_file() else line["direction"]
        try:
            strength = float(line["strength"])
        except (TypeError, ValueError):
            raise SystemExit(f"{path}: {line['strength']!r} is no strength") from None
        edits.append(Edit(name, strength, line.get("rows") or None))
    return edits


def moving(
    direction: directions.Direction, strength: float, rows: str | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Edit of codes B n 512."""

    def edit(codes: torch.Tensor) -> torch.Tensor:
        moved = directions.apply(codes.cpu().numpy(), direction, strength, rows)
        return torch.from_numpy(moved).to(codes)

    return edit


def main() -> None:
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--directions", type=Path, help="CSV of edits, see above")
    parser.add_argument("--with", dest="positive", help="group with the attribute")
    parser.add_argument("--without", dest="negative", help="group without it")
    parser.add_argument("--strength", type=float, default=3.0, help="in standard deviations")
    parser.add_argument("--codes", type=int, default=100, help="pictures of each group")
    options, rows = chosen(parser, [row for row in ROWS if row.name in PAPER])
    if bool(options.directions) == bool(options.positive and options.negative):
        parser.error("either --directions, or --with and --without")
    about = f"{options.negative} towards {options.positive}, strength {options.strength:g}"
    print(f"Table II, {options.directions or about}")
    for row in rows:
        run = options.runs / row.folder
        if TrainingState.snapshots(run):
            _print(row.name, run, options)
        else:
            print(f"{row.name:16} not trained yet")


def _print(name: str, run: Path, options: argparse.Namespace) -> None:
    network, seen = network_of_run(run)
    loaded = load(options.generator)  # whose directions the networks share
    mark = loaded.fingerprint if isinstance(loaded, InversionModel) else bytes(32)
    model = InversionModel(network.channels_last(), fingerprint=mark, device=options.device)
    metrics = load_metrics(options.metrics or options.features, options.device)
    found = []
    for title, edit in edits_of(model, options):
        fid, identity = _measured(model, edit, metrics, options)
        found.append((fid, identity))
        print(f"{name:16} {title:24} FID {_cell(fid, 1)}; identity {_cell(identity, 3)}")
    means = [np.mean(column) if None not in column else None for column in zip(*found, strict=True)]
    key = _identity(metrics)
    print(
        f"{name:16} {seen:>9,} images  FID {_cell(means[0], 1)}, paper {PAPER[name][0]}; "
        f"{TITLES[key]} {_cell(means[1], 3)}, paper {PAPER[name][1]} (CurricularFace)",
        flush=True,
    )


def edits_of(
    model: InversionModel, options: argparse.Namespace
) -> list[tuple[str, Callable[[torch.Tensor], torch.Tensor]]]:
    """What is printed of each edit, and what it does to codes."""
    if options.directions:
        found = []
        for edit in read_edits(options.directions):
            direction = directions.load_direction(edit.direction, model)
            parse_rows(edit.rows or direction.rows, model.n_codes)
            found.append((edit.title, moving(direction, edit.strength, edit.rows)))
        return found
    faces = FaceSet(options.data, SCALES[options.scale].side)
    groups = (options.positive, options.negative)
    sets = [_codes(model, faces, group, options.codes) for group in groups]
    direction = directions.learn("direction", model, *sets)
    return [("learnt", moving(direction, options.strength))]


def _measured(
    model: InversionModel,
    edit: Callable[[torch.Tensor], torch.Tensor],
    metrics: FeatureMetrics,
    options: argparse.Namespace,
) -> tuple[float | None, float | None]:
    """FID and identity similarity of edited images against the input."""
    found = measure(
        Inverter(model.network, edit=edit),
        options.validation,
        metrics,
        side=SCALES[options.scale].side,
        limit=options.pictures,
    )
    means = (found.means.get("fid"), found.means.get(_identity(metrics)))
    return means[0] and means[0].mean, means[1] and means[1].mean


def _identity(metrics: FeatureMetrics) -> str:
    return next((k for k in ("ids", "ids_dlib", "ids_mobileface") if k in metrics.pairs), "ids")


def _cell(value: float | None, digits: int) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


def _codes(model: InversionModel, faces: FaceSet, group: str, count: int) -> np.ndarray:
    """Codes (N, n, 512) of the first images of a group."""
    places = [k for k, own in enumerate(faces.groups) if own == group][:count]
    if not places:
        raise SystemExit(f"no picture of the group {group}; there are {sorted(set(faces.groups))}")
    parts = torch.tensor(places).split(model.batch_size)
    return np.concatenate([model.invert(faces.batch(part)).cpu().numpy() for part in parts])


if __name__ == "__main__":
    main()
