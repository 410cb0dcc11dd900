"""Command that searches for the split of the paper's Eq. 1."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.e2style_group import app
from cli.program import command
from cli.render import Terminal
from cli.training_settings import change, preset_path

if TYPE_CHECKING:
    from e2style.training.split_search import Split, Tried

__all__ = ["search_split"]


@command(
    app,
    "e2style",
    name="search-split",
    examples=(
        "e2style search-split --data ffhq.zip --validation celeba.zip --generator ffhq.pt "
        "--features weights --runs runs/split",
        "e2style search-split --data faces --validation val --generator small.safetensors "
        "--preset small.toml --set images=400 --runs runs/split --images 100",
    ),
)
@click.option(
    "--data", required=True, metavar="PATH", help="Input: folder or zip of training images."
)
@click.option(
    "--validation", required=True, metavar="PATH", help="Input: images that SSIM is measured on."
)
@click.option(
    "--generator", required=True, metavar="PATH", help="Input: the frozen generator; gives n."
)
@click.option("--backbone", default="", metavar="PATH", help="Input: as in e2style train.")
@click.option("--features", default="", metavar="PATH", help="Input: as in e2style train.")
@click.option(
    "--runs", required=True, metavar="FOLDER", help="Output: folder for a run folder a candidate."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Advanced: share of the SSIM that each of both searches may lose; the paper's is 2 %.",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    help="Advanced: validation images to measure on, evenly spread.  [default: all]",
)
@click.option(
    "--preset",
    default="inversion_stage1",
    show_default=True,
    metavar="NAME|PATH",
    help="Advanced: preset of the package, or a TOML file.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Advanced: change a setting of the preset.",
)
def search_split(
    terminal: Terminal,
    features: str,
    runs: str,
    tolerance: float,
    images: int | None,
    preset: str,
    changes: tuple[str, ...],
    **inputs: Any,
) -> None:
    """Search how many rows of the code each level predicts (paper, Eq. 1).

    Trains an encoder for each candidate, measures it by SSIM, and finds by binary search the
    smallest n1 for the deepest level that loses at most the tolerance, then the smallest n2. To go
    on where a search stopped, run the same command again.
    """
    from e2style.settings import load_toml
    from e2style.training.assemble import generator_of
    from e2style.training.split_search import search_split as run

    inputs["feature_networks"] = features
    shape = generator_of(inputs["generator"])[0].config
    given = {name: value for name, value in inputs.items() if value}
    given |= {f"model.generator.{k}": v for k, v in dataclasses.asdict(shape).items()}
    given["model.encoder.split"] = [0, 0, shape.n_codes]  # replaced by each candidate
    config = load_toml(preset_path(preset), given | dict(map(change, changes)))
    first = os.environ.get("RANK", "0") == "0"  # of torchrun's processes, which prints

    def told(tried: Tried) -> None:
        if first:
            terminal.info(
                f"{_text(tried.split)}: SSIM {tried.ssim:.4f}, {tried.counted / 1e6:.2f} M"
            )

    with terminal.bar("training", "images") as progress:
        found, tried = run(
            config, Path(runs), tolerance=tolerance, limit=images, done=told, progress=progress
        )
    if first:
        rows = [{"split": list(t.split), "ssim": t.ssim, "counted": t.counted} for t in tried]
        terminal.result(_text(found), {"split": list(found), "tried": rows})


def _text(split: Split) -> str:
    return " ".join(map(str, split))
