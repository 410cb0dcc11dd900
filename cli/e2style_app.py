"""The `e2style` command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from cli import (
    e2style_align,
    e2style_codes,
    e2style_edit,
    e2style_evaluate,
    e2style_models,
    e2style_sample,
    e2style_search,
    e2style_tasks,
)
from cli.completion import add_completion
from cli.e2style_group import app
from cli.options import check_output
from cli.program import command, run_program
from cli.render import Terminal
from cli.training_settings import change, preset_path
from e2style.errors import ConfigError
from e2style.files import in_words

__all__ = [
    "app",
    "e2style_align",
    "e2style_codes",
    "e2style_edit",
    "e2style_evaluate",
    "e2style_models",
    "e2style_sample",
    "e2style_search",
    "e2style_tasks",
    "main",
]

# Set by torchrun; only its first process prints results.
_RANK = os.environ.get("RANK", "0")


@command(
    app,
    "e2style",
    examples=(
        "e2style train --data faces.zip --features weights --run runs/1",
        "e2style train --preset inversion_stage1 --data ffhq.zip --generator ffhq.pt "
        "--features weights --run runs/1",
        "e2style train --preset inversion_stage2 --data ffhq.zip --checkpoint runs/1 "
        "--features weights --run runs/2 --dry-run",
        "torchrun --standalone --nproc_per_node 4 --no-python -- e2style train "
        "--preset inversion_stage1 --data ffhq.zip --generator ffhq.pt --features weights "
        "--run runs/1",
    ),
)
@click.option(
    "--data",
    required=True,
    metavar="PATH",
    help="Input: folder or zip of aligned images, as e2style align makes them of photos: what is "
    "to be generated.",
)
@click.option(
    "--source",
    default="",
    metavar="PATH",
    help="Input: folder or zip of what the encoder is shown, paired with the data by name: "
    "sketches, label maps, damaged images.  [default: the data itself]",
)
@click.option(
    "--generator",
    default="",
    metavar="PATH",
    help="Input: generator that stage 1 is trained on: a file of StyleGAN2 (rosinality's or "
    "NVIDIA's) or a model of ours.",
)
@click.option(
    "--checkpoint",
    default="",
    metavar="PATH",
    help="Input: stages before the one that is trained: a run folder or a model file.",
)
@click.option(
    "--backbone",
    default="",
    metavar="PATH",
    help="Input: what the encoder starts from: a face recogniser, model_ir_se50.pth or its "
    "converted file, or a model whose encoder has the same layout.",
)
@click.option(
    "--features",
    default="",
    metavar="PATH",
    help="Input: folder with the feature networks of the losses; docs/training.md says which, and "
    "where they come from.",
)
@click.option(
    "--validation",
    default="",
    metavar="PATH",
    help="Input: images that samples are shown of, and that the losses of a stage are "
    "measured on; never trained on.",
)
@click.option(
    "--validation-source",
    default="",
    metavar="PATH",
    help="Input: what the encoder is shown of them.  [default: the images themselves]",
)
@click.option(
    "--init",
    default="",
    metavar="PATH",
    help="Input: run folder whose weights to start from; behind base styles a model too, by its "
    "file or its name.",
)
@click.option("--run", "run_folder", required=True, metavar="PATH", help="Output: run folder.")
@click.option(
    "--preset",
    default="face256_start",
    show_default=True,
    metavar="NAME|PATH",
    help="Advanced: preset of the package, or a TOML file; docs/training.md lists them.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Advanced: change a setting of the preset, as in images=2000 or loss.rate=1e-6.",
)
@click.option("--dry-run", is_flag=True, help="Advanced: print the resolved config and stop.")
def train(
    terminal: Terminal,
    features: str,
    run_folder: str,
    preset: str,
    changes: tuple[str, ...],
    dry_run: bool,
    **inputs: Any,
) -> None:
    """Train a model, or go on where a run stopped.

    To resume, run the same command again: a resumed run ends as an uninterrupted one. Under
    torchrun the same command trains on several processes or GPUs.
    """
    from e2style.settings import load_toml, to_dict

    inputs["feature_networks"] = features
    # What is given here overrules the preset; what is not given leaves it alone.
    given = {name: value for name, value in inputs.items() if value}
    config = load_toml(preset_path(preset), given | dict(map(change, changes)))
    if dry_run:
        resolved = to_dict(config)
        terminal.result(json.dumps(resolved, indent=1), {"config": resolved})
        return
    from e2style.training.loop import train as run
    from e2style.training.runlog import last_row

    folder = Path(run_folder)
    with terminal.bar("training", "images") as progress:
        snapshot = run(config, folder, progress=progress)
    if _RANK != "0":
        return
    row = last_row(folder)
    skipped = int(row.get("skipped", 0))
    if skipped:
        terminal.warning(f"{skipped} images could not be read and were skipped")
    terminal.result(str(snapshot), {"output": str(snapshot), "skipped": skipped})


@command(app, "e2style", examples=("e2style export runs/2 -o face256.safetensors",))
@click.argument("run_folder", metavar="RUN")
@click.option("-o", "--output", required=True, metavar="PATH", help="Output: file to write.")
@click.option("--card", metavar="PATH", help="Input: model card as a JSON file.")
@click.option(
    "--encoder-only",
    is_flag=True,
    help="Output: leave out the generator; the file names the built-in model that has it.",
)
@click.option("--force", is_flag=True, help="Output: replace an existing file.")
def export(
    terminal: Terminal,
    run_folder: str,
    output: str,
    card: str | None,
    encoder_only: bool,
    force: bool,
) -> None:
    """Write the model file of a training run.

    Weights are stored in half precision. After joint training the quantizer and its tables are
    fitted to the training images. A stage of the paper's training is written with its generator
    and the stages before it, and without a quantizer: `e2style calibrate` fits one.
    """
    from e2style.model import ModelCard
    from e2style.training.export import export as write

    check_output(output, force)
    stored = None
    if card:
        try:
            stored = ModelCard(**json.loads(Path(card).read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise ConfigError(f"card {card}: {in_words(error)}") from error
    path = write(Path(run_folder), Path(output), stored, encoder_only=encoder_only)
    terminal.result(str(path), {"output": str(path)})


add_completion(app, "e2style")


def main() -> None:
    """Run the command."""
    run_program(app, "e2style")


if __name__ == "__main__":
    main()
