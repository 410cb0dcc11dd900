"""Shared parts of the scripts of Tables I to IV: rows as trainings, at full size or small.

A row is an encoder, changes of the training, and what the paper prints. Every row of a table sees
the same images, in the same order, for as many steps, under the same losses unless the row is
about them. `full` has the paper's sizes and settings; `small` has a quarter of the widths, images
of side 64 and a few thousand steps, for one processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from e2style_training_speed import machine
from PIL import Image
from torch import Tensor, nn

from e2style.architectures import ROWS
from e2style.checkpoints.loading import load_model
from e2style.checkpoints.shipped import DEFAULT
from e2style.config import GeneratorConfig, TrainConfig
from e2style.data.faces import FaceSet
from e2style.evaluation.measure import TITLES, measure, parameters, runtime
from e2style.evaluation.methods import METHODS, Inverter
from e2style.evaluation.report import as_json
from e2style.evaluation.sets import encode_set
from e2style.metrics.features import load_metrics
from e2style.settings import load_toml
from e2style.training.assemble import generator_of, network_of_run
from e2style.training.feature_networks import NETWORKS
from e2style.training.loop import train
from e2style.training.ranks import together
from e2style.training.state import TrainingState

RANK = os.environ.get("RANK", "0")  # set by torchrun; the first process prints
LATENTS = 300  # images whose codes e4e's critic takes for real, where nothing maps z
SMALL_SET = 2000  # training images of a small table
PRESETS = Path(str(resources.files("e2style.presets")))
COMMON = {"loss.identity": 0.0, "loss.parsing": 0.0}
SINGLE = {"loss.identity_single": True, "loss.parsing": 0.0}
MULTI = {"loss.parsing": 0.0}


@dataclasses.dataclass(frozen=True)
class Scale:
    """Sizes of a whole table."""

    side: int  # of the images that encoders see
    widths: tuple[int, ...]  # of the trunk's four groups; others are derived from them
    units: tuple[int, ...]
    training: dict[str, Any]  # changes of the paper's settings


SCALES = {
    "full": Scale(256, (64, 128, 256, 512), (3, 4, 14, 3), {}),
    "small": Scale(
        64,
        (16, 32, 64, 128),
        (1, 1, 2, 1),
        {
            "batch": 4, "images": 800, "optimizer": "adam", "lr": 1e-3, "schedule": "cosine",
            "warmup_images": 40, "ema_images": 200, "clip": 1.0, "noise": "stored",
            "loss.lpips": 0.0, "loss.identity_network": "mobilefacenet",
            "loss.parsing_network": "small_unet", "critic_lr": 1e-3, "workers": 0,
            "snapshot_images": 800, "report_images": 100,
        },
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table."""

    name: str
    encoder: str  # key of `encoder_settings`
    paper: dict[str, float]  # its columns, by our metrics' names
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: Row | None = None  # the row whose training this one builds on
    run: str = ""  # folder; rows with one folder are one training

    @property
    def folder(self) -> str:
        """Name of the run folder."""
        name = re.sub(r"[^a-z0-9]+", "-", self.name.lower().replace("*", "-star"))
        return self.run or name.strip("-")

    @property
    def stage(self) -> int:
        """Which stage is trained."""
        return self.after.stage + 1 if self.after else 1


def encoder_settings(kind: str, rows: int, scale: Scale) -> dict[str, Any]:
    """Settings of an encoder for a generator of so many rows.

    "e2style", "shrinking" (1Stage-C), "conv" (18 ConvHeads), "single2" to "single4" (one head
    behind so many groups), "psp", "e4e", "restyle", "idgi".
    """
    deep, middle = rows // 2, (rows + 2) // 4
    depth = {"psp": 4, "e4e": 4, "restyle": 4}.get(kind, 3)
    if kind.startswith("single"):
        depth = int(kind[-1])
    if kind == "idgi":
        depth = scale.side.bit_length() - 2
    settings: dict[str, Any] = {
        "image_size": scale.side,
        "widths": list(scale.widths[:depth]),
        "units": list(scale.units[:depth]),
        "pools": [0] * (depth - 1) + [7],
        "split": [0] * (depth - 1) + [rows],
    }
    if kind in {"e2style", "shrinking", "conv"}:
        settings |= {"pools": [3, 5, 7], "split": [rows - deep - middle, middle, deep]}
    if kind in {"shrinking", "conv"}:
        settings["head"] = kind
    if kind == "shrinking":  # an unpadded 3 x 3 takes two from the side: 8 ends at 6, not at 7
        settings["pools"] = [3, 5, min(7, (scale.side >> depth) - 2)]
    if kind in {"psp", "e4e", "restyle"}:
        settings["head"] = "conv"
    if kind in {"psp", "e4e"}:
        settings |= {"split": [0, rows - 7, 4, 3], "pyramid": scale.widths[-1]}
    if kind == "e4e":
        settings["deltas"] = True
    if kind == "idgi":
        widest = 2 * scale.widths[-1]
        widths = [min(scale.widths[0] << k, widest) for k in range(depth)]
        settings |= {"trunk": "idgi", "widths": widths, "units": [1] * depth, "pools": [0] * depth}
    return settings


def settings_of(row: Row, options: argparse.Namespace, generator: GeneratorConfig) -> TrainConfig:
    """Training of a row."""
    scale, stage = SCALES[options.scale], row.stage
    changes: dict[str, Any] = {
        "data": str(data_of(options, row.changes.get("fit", "stretch"))),
        "feature_networks": str(options.features),
        "threads": options.threads,
        "device": options.device,
        "model.name": row.folder,
    }
    changes |= {f"model.generator.{k}": v for k, v in vars(generator).items()}
    for name, value in encoder_settings(row.encoder, generator.n_codes, scale).items():
        changes[f"model.encoder.{name}"] = value
    changes |= scale.training | row.changes
    if options.images:
        changes["images"] = options.images
    before = row.after
    changes |= (
        {"checkpoint": str(options.runs / before.folder)}
        if before
        else {"generator": str(options.generator)}
    )
    if options.backbone and row.encoder != "idgi":
        changes["backbone"] = str(options.backbone)
    if row.encoder == "restyle":
        changes["model.iterations"] = 5
    preset = PRESETS / f"inversion_stage{stage}.toml"
    if row.encoder == "e4e":
        images = changes.get("images") or load_toml(preset).images
        changes |= {
            "loss.adversarial": 0.1, "loss.delta": 2e-4, "progressive_start": images // 20,
            "progressive_images": max(images // 200, 1),
        }  # fmt: skip
        if not generator.mapping_layers:
            changes["latents"] = str(latents_of(options))
    return load_toml(preset, changes)


def data_of(options: argparse.Namespace, fit: str = "stretch") -> Path:
    """The images; for `small` shrunk once, since decoding would take longer than training."""
    if options.scale == "full":
        return Path(options.data)
    side = SCALES["small"].side
    path = options.runs / (f"data-{side}.zip" if fit == "stretch" else f"data-{side}-{fit}.zip")
    if not path.exists():
        faces = FaceSet(options.data, side, limit=SMALL_SET, fit=fit)
        partial = path.with_suffix(f".partial{RANK}")
        with zipfile.ZipFile(partial, "w") as archive:
            for name, picture in zip(faces.names, faces.images, strict=True):
                file = io.BytesIO()
                Image.fromarray(picture).save(file, "PNG")
                archive.writestr(str(Path(name).with_suffix(".png")), file.getvalue())
        os.replace(partial, path)
    return path


def latents_of(options: argparse.Namespace) -> Path:
    """Codes that the generator's own encoder finds for some training images."""
    path = options.runs / "latents.npy"
    if not path.exists():
        model = load_model(options.generator)
        partial = path.with_suffix(f".partial{RANK}.npy")
        np.save(partial, encode_set(model, FaceSet(options.data, 256, limit=LATENTS)))
        os.replace(partial, path)
    return path


class Quarter(nn.Module):
    """A feature network that looks at a quarter of each batch, as an unbiased estimate."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Images B 3 S S -> levels of the first quarter."""
        levels: list[Tensor] = self.network(pictures[: max(len(pictures) // 4, 1)])
        return levels


def train_rows(rows: list[Row], options: argparse.Namespace) -> Iterator[tuple[Row, Path]]:
    """Train each row, or go on where it stopped; yields the run folder as each is done."""
    generator = generator_of(str(options.generator))[0].config
    networks = {}
    if options.scale == "small":
        for term in ("identity", "parsing"):
            name = SCALES["small"].training[f"loss.{term}_network"]
            networks[term] = Quarter(NETWORKS[name](options.features))
    first = settings_of(rows[0], options, generator)
    with together(first):  # once: torchrun's processes cannot join a second time
        for row in rows:
            run = options.runs / row.folder
            config = settings_of(row, options, generator)
            if not options.print:
                if RANK == "0":
                    print(f"{row.name}: {config.images} images", flush=True)
                train(config, run, networks=networks)
            yield row, run


def parser_of(description: str) -> argparse.ArgumentParser:
    """Options that all tables share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--scale", choices=sorted(SCALES), default="small")
    parser.add_argument("--data", required=True, help="training pictures: folder or zip")
    parser.add_argument("--validation", required=True, help="pictures to measure on")
    parser.add_argument("--generator", default=DEFAULT, help="the frozen generator")
    parser.add_argument("--features", type=Path, required=True, help="networks of the losses")
    parser.add_argument("--metrics", type=Path, help="networks of the metrics; else the same")
    parser.add_argument("--backbone", default="", help="model_ir_se50.pth; full size only")
    parser.add_argument("--runs", type=Path, required=True, help="folder for all runs")
    parser.add_argument("--rows", nargs="*", help="names of rows, in this order; all otherwise")
    parser.add_argument("--pictures", type=int, help="to measure on, evenly spread; all otherwise")
    parser.add_argument("--few", type=int, default=8, help="pictures for methods that optimise")
    parser.add_argument("--images", type=int, help="training length in place of the scale's")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--print", action="store_true", help="train nothing; print what is there")
    parser.add_argument("--json", type=Path, help="write the table here")
    return parser


def chosen(
    parser: argparse.ArgumentParser,
    rows: list[Row] | Callable[[argparse.Namespace], list[Row]],
) -> tuple[argparse.Namespace, list[Row]]:
    """Options as given, and the rows that were asked for; a function has them by the options."""
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    named = {row.name: row for row in (rows(options) if callable(rows) else rows)}
    unknown = set(options.rows or ()) - set(named)
    if unknown:
        parser.error(f"--rows: {', '.join(sorted(unknown))}; there are {', '.join(named)}")
    return options, [named[name] for name in options.rows or named]


def measured(
    row: Row, run: Path, options: argparse.Namespace, method: str = "forward"
) -> dict[str, Any] | None:
    """Columns of a row, from its run; None where nothing is trained yet.

    Kept beside the snapshot, so that a table can be printed again at no cost.
    """
    if not TrainingState.snapshots(run):
        return None
    network, seen = network_of_run(run)
    few = options.few if METHODS[method].steps else options.pictures
    asked = [seen, method, few, str(options.validation)]
    path = run / f"measured-{method}.json"
    if path.exists() and (kept := json.loads(path.read_text()))["asked"] == asked:
        return dict(kept)
    network.to(options.device).eval().requires_grad_(False).channels_last()
    metrics = load_metrics(options.metrics or options.features, options.device)
    inverter = Inverter(network, METHODS[method], distance=metrics.pairs.get("lpips"))
    side = SCALES[options.scale].side
    found = measure(inverter, options.validation, metrics, side=side, limit=few)
    values = {
        "asked": asked,
        **as_json(found),
        "s": runtime(inverter),
        "parameters": parameters(inverter),
    }
    path.write_text(json.dumps(values, indent=1))
    return values


def print_table(
    table: str,
    trained: Iterable[tuple[Row, Path]],
    options: argparse.Namespace,
    behind: Sequence[tuple[str, str, str, dict[str, float]]] = (),
) -> None:
    """Train, measure and print row by row.

    Parameters
    ----------
    table : "I", "III" or "IV"
    trained : rows and their run folders
    options : of `parse`
    behind : name, method, row whose network it uses, and the paper's columns, of the methods
        that optimise
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        trained = list(trained)  # the others must not wait for the first one in a collective
    if RANK != "0":
        return
    lines: list[dict[str, Any]] = []
    runs = {}
    print(f"Table {table}; beside each figure the paper's, in brackets its 95 % interval")
    print(
        f"{'row':18} {'images':>9} {'SSIM':>22} {'PSNR, dB':>22} {'identity':>22} "
        f"{'s':>14} {'M':>13}"
    )
    for row, run in trained:
        runs[row.name] = (row, run)
        lines.append(_line(table, row.name, row.paper, measured(row, run, options)))
    for name, method, base, paper in behind:
        if base in runs:
            lines.append(_line(table, name, paper, measured(*runs[base], options, method)))
    kinds = sorted({line["identity"] for line in lines if line.get("identity")})
    if kinds:
        print(f"identity: {', '.join(TITLES[kind] for kind in kinds)}; of the paper CurricularFace")
    if options.json:
        options.json.write_text(json.dumps({"table": table, **machine(), "rows": lines}, indent=1))


def _line(
    table: str, name: str, paper: dict[str, float], values: dict[str, Any] | None
) -> dict[str, Any]:
    """Print a row and return it."""
    if values is None:
        print(f"{name:18} not trained yet")
        return {"row": name}
    means = values["means"]
    identity = ""
    if "ids" in paper:  # Table IV is not about faces, whatever networks are at hand
        identity = next((key for key in ("ids", "ids_dlib", "ids_mobileface") if key in means), "")
    cells = []
    for key, theirs, digits in (("ssim", "ssim", 3), ("psnr", "psnr", 2), (identity, "ids", 3)):
        if theirs not in paper:
            cells.append("–")
        elif key:
            mean = means[key]
            text = f"{mean['mean']:.{digits}f} ({mean['low']:.{digits}f}–{mean['high']:.{digits}f})"
            cells.append(f"{text} {paper[theirs]}")
        else:
            cells.append(f"not measured {paper[theirs]}")
    millions = {(r.table, r.row): r.millions for r in ROWS}
    counted = paper.get("millions") or millions.get((table, name), "–")
    print(
        f"{name:18} {values['asked'][0]:>9,} {cells[0]:>22} {cells[1]:>22} {cells[2]:>22} "
        f"{values['s']:>8.3f} {paper.get('s', '–'):>5} "
        f"{values['parameters']['counted'] / 1e6:>8.2f} {counted:>4}",
        flush=True,
    )
    for group, own in (values.get("groups") or {}).items():
        cells = []
        for key, digits in (("ssim", 3), ("psnr", 2)):
            mean, low, high = (own[key][part] for part in ("mean", "low", "high"))
            cells.append(f"{mean:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})")
        print(f"  {group:16} {own['ssim']['count']:>9,} {cells[0]:>22} {cells[1]:>22}", flush=True)
    return {"row": name, "identity": identity, "paper": paper, **values}
