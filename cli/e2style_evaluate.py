"""Command that measures how well images are inverted."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import click

from cli.e2style_group import app
from cli.options import model_option
from cli.program import command
from cli.render import Terminal
from deephide.errors import OutputError
from e2style.config import FITS

__all__ = ["evaluate"]


@command(
    app,
    "e2style",
    examples=(
        "e2style evaluate --data val.zip",
        "e2style evaluate --data celeba-hq.zip --model restyle.pt --weights weights -o report",
        "e2style evaluate --data faces --model psp.pt --method dni --images 20 --json",
    ),
)
@click.option(
    "--data", required=True, metavar="PATH", help="Input: folder or zip of aligned images."
)
@click.option(
    "--weights",
    metavar="FOLDER",
    help="Input: folder with the networks of LPIPS, identity similarity and FID; "
    "docs/evaluation.md names the files.",
)
@click.option(
    "--fetch/--no-fetch",
    default=True,
    show_default=True,
    help="Input: fetch what LPIPS and FID lack in that folder (340 MB, once, from its makers) "
    "where the extra metrics is installed; each download is announced.",
)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    help="Output: write evaluation.json, .md, .html and pictures.csv here.",
)
@click.option("--force", is_flag=True, help="Output: replace an earlier report.")
@click.option(
    "--method",
    type=click.Choice(("forward", "idgi", "dni", "i2s")),
    default="forward",
    show_default=True,
    help="Advanced: what finds the code: the encoders alone, or a method that optimises behind "
    "them (idgi the code, dni the noise) or without them (i2s).",
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Advanced: of the optimiser.  [default: its own]"
)
@click.option(
    "--codes",
    type=click.Choice(("found", "sent", "nearest", "floor", "truncate")),
    help="Advanced: generate from codes as they were found, as rounded for sending, or as whole "
    "numbers, which the paper's Algorithm 1 hides (its script takes the nearest).  "
    "[default: sent, where the model rounds]",
)
@click.option(
    "--quality",
    type=click.IntRange(min=1),
    metavar="N",
    help="Advanced: how finely codes are rounded, from 1 for the fewest bits.  "
    "[default: the model's usual one]",
)
@click.option(
    "--fit",
    type=click.Choice(FITS),
    help="Advanced: of images that are not square: stretch them, put them between black bars, or "
    "crop to the middle.  [default: as in the model's training]",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    help="Advanced: images to look at, evenly spread.  [default: all]",
)
@click.option(
    "--timed",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Advanced: runs that the runtime is the median of; 0 leaves it out.",
)
@click.option(
    "--stages", type=click.IntRange(min=1), help="Advanced: encoder runs.  [default: all]"
)
@click.option("--device", default="cpu", show_default=True, help="Advanced: torch device.")
@model_option
def evaluate(
    terminal: Terminal,
    data: str,
    weights: str | None,
    fetch: bool,
    output: str | None,
    force: bool,
    method: str,
    steps: int | None,
    codes: str | None,
    quality: int | None,
    fit: str | None,
    images: int | None,
    timed: int,
    stages: int | None,
    device: str,
    model: str | None,
) -> None:
    """Measure how well a model or a baseline regenerates images.

    SSIM, PSNR and MSE always; LPIPS, identity similarity and FID where their networks are at hand
    or can be fetched;
    runtime and parameters; bits where codes are rounded. Means have 95 % intervals.
    """
    from e2style.checkpoints.loading import load_model
    from e2style.evaluation.measure import measure, parameters, runtime
    from e2style.evaluation.methods import METHODS, Inverter
    from e2style.evaluation.report import as_json, as_text, write_report
    from e2style.evaluation.sets import quantizer_of
    from e2style.metrics.features import load_metrics
    from e2style.quantizer import ROUNDINGS, Rounder, WholeNumbers

    if output and not force and (Path(output) / "evaluation.json").exists():
        raise OutputError(f"the output {output} holds a report", hint="use --force to replace it")
    start = time.monotonic()
    chosen = METHODS[method]
    if steps is not None:
        if not chosen.steps:
            raise click.UsageError("--steps: has no effect with --method forward")
        chosen = dataclasses.replace(chosen, steps=steps)
    loaded = load_model(model, device)
    metrics = load_metrics(
        Path(weights) if weights else None, device, fetch=terminal.info if fetch else None
    )
    inverter = Inverter(loaded.network, chosen, stages=stages, distance=metrics.pairs.get("lpips"))
    sent = codes == "sent" or (codes is None and loaded.quantizer is not None)
    if quality is not None and not sent:
        raise click.UsageError("--quality: has an effect on codes as they are sent alone")
    rounder: Rounder | None = quantizer_of(loaded, quality) if sent else None
    if codes in ROUNDINGS:
        rounder = WholeNumbers(codes)
    with terminal.bar("evaluating", "images") as progress:
        found = measure(
            inverter,
            data,
            metrics,
            quantizer=rounder,
            limit=images,
            fit=fit,
            batch=loaded.batch_size,
            progress=progress,
        )
    found.about.update(parameters(inverter))
    if quality is not None:
        found.about["quality"] = quality
    if timed:
        found.about["runtime_s"] = round(runtime(inverter, runs=timed), 4)
        found.about["device"] = str(loaded.device)
    if found.skipped:
        terminal.warning(f"{len(found.skipped)} images could not be read and were skipped")
    fields: dict[str, Any] = as_json(found) | {"elapsed_s": round(time.monotonic() - start, 3)}
    if output:
        fields["output"] = [str(path) for path in write_report(found, output)]
    terminal.result(as_text(found), fields | {"warnings": terminal.warnings})
