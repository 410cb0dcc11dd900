"""Commands of `e2style` that deal with models and their files rather than with training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.e2style_group import app
from cli.options import check_output
from cli.program import command
from cli.render import Terminal
from deephide.errors import OutputError

if TYPE_CHECKING:
    from e2style.speed.inference import Timing

__all__ = ["benchmark", "calibrate", "convert", "count"]


@command(
    app,
    "e2style",
    examples=(
        "e2style convert e2style_inversion.pt -o e2style.safetensors",
        "e2style convert model_ir_se50.pth -o ir_se50.safetensors",
        "e2style convert face256 --onnx -o networks/",
    ),
)
@click.argument("source", metavar="IN")
@click.option("-o", "--output", required=True, metavar="PATH", help="Output: file to write.")
@click.option("--half", is_flag=True, help="Output: store weights in half precision.")
@click.option(
    "--onnx",
    is_flag=True,
    help="Output: a folder of ONNX files, one a network, for other programs.",
)
@click.option("--force", is_flag=True, help="Output: replace an existing file.")
def convert(
    terminal: Terminal, source: str, output: str, half: bool, onnx: bool, force: bool
) -> None:
    """Write a file of another program as safetensors, or any model as ONNX.

    Takes official E2Style files, rosinality's and NVIDIA's StyleGAN2 files of any size, the face
    recogniser model_ir_se50.pth, the face-parsing U-Net, torchvision's AlexNet and the linear
    heads of LPIPS. A mean code that is missing is estimated.
    """
    from e2style.checkpoints.convert import convert as write

    if onnx:
        from e2style.checkpoints.onnx_files import write_onnx

        if half:
            raise click.UsageError("--half: ONNX files are in single precision")
        if Path(output).exists() and not force:
            raise OutputError(f"the output {output} exists", hint="use --force to replace it")
        files = [str(path) for path in write_onnx(source, output)]
        terminal.result("\n".join(files), {"output": output, "kind": "onnx"})
        return
    check_output(output, force, source)
    kind = write(source, output, half=half)
    terminal.result(output, {"output": output, "kind": kind})


@command(
    app,
    "e2style",
    examples=("e2style calibrate e2style_inversion.pt --data faces -o e2style.safetensors",),
)
@click.argument("model", metavar="MODEL")
@click.option(
    "--data", required=True, metavar="PATH", help="Input: folder or zip of aligned faces."
)
@click.option("-o", "--output", required=True, metavar="PATH", help="Output: file to write.")
@click.option("--half", is_flag=True, help="Output: store weights in half precision.")
@click.option("--force", is_flag=True, help="Output: replace an existing file.")
@click.option(
    "--images",
    type=click.IntRange(min=2),
    default=256,
    show_default=True,
    help="Advanced: faces to look at, evenly spread over the data.",
)
@click.option(
    "--psnr",
    type=click.FloatRange(min=10.0, max=80.0),
    default=32.0,
    show_default=True,
    help="Advanced: what rounding alone may cost, in dB at 256 x 256.",
)
@click.option(
    "--step",
    type=click.FloatRange(min=0.0, min_open=True),
    help="Advanced: one step for all coefficients instead of a search.",
)
@click.option("--device", default="cpu", show_default=True, help="Advanced: torch device.")
def calibrate(
    terminal: Terminal,
    model: str,
    data: str,
    output: str,
    half: bool,
    force: bool,
    images: int,
    psnr: float,
    step: float | None,
    device: str,
) -> None:
    """Fit steps and probability tables to a model, so that its codes can be hidden.

    Both sides need the file that this writes.
    """
    from e2style.calibration import calibrate_file

    check_output(output, force, model)
    with terminal.bar("calibrating", "images") as progress:
        found = calibrate_file(
            model,
            data,
            output,
            half=half,
            images=images,
            step=step,
            target_db=psnr,
            device=device,
            progress=progress,
        )
    fields = {
        "output": output,
        "bits": found.bits,
        "psnr": None if math.isnan(found.psnr) else found.psnr,
        **vars(found.limits),
        "skipped": found.skipped,
    }
    if found.skipped:
        terminal.warning(f"{found.skipped} images could not be read and were skipped")
    terminal.info(f"a face takes {found.bits:.0f} bits under the fitted tables")
    terminal.result(output, fields)


@command(app, "e2style", examples=("e2style count",))
def count(terminal: Terminal) -> None:
    """Count the parameters of every model in the paper's tables.

    "live" are those that take part, "counted" leaves out EqualLinear layers as the paper's
    tool did, "stored" adds what the released code keeps and never runs.
    """
    from e2style.architectures import ROWS
    from e2style.models.counting import count_parameters

    lines = [f"{'table':5}  {'row':26}  {'live':>11}  {'counted':>11}  {'stored':>11}  paper"]
    rows = []
    for row in ROWS:
        counts = {
            key: row.networks * count_parameters(row.config)[key]
            for key in ("encoder", "counted", "stored")
        }
        live, counted, stored = counts.values()
        lines.append(
            f"{row.table:5}  {row.row:26}  {live:>11,}  {counted:>11,}  {stored:>11,}  "
            f"{row.millions:>3} M"
        )
        rows.append({"table": row.table, "row": row.row, **counts, "paper_millions": row.millions})
    terminal.result("\n".join(lines), {"rows": rows})


@command(app, "e2style", examples=("e2style benchmark", "e2style benchmark --stages 2 --json"))
@click.option("--size", type=int, default=1024, show_default=True, help="Advanced: output side.")
@click.option(
    "--side",
    type=click.IntRange(64, 1024),
    default=256,
    show_default=True,
    help="Advanced: side that the encoders work at.",
)
@click.option(
    "--stages",
    type=click.IntRange(1, 3),
    default=1,
    show_default=True,
    help="Advanced: encoders used; the training is that of stage 1.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Advanced: timed turns of inversion and generation.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Advanced: timed training steps of each variant; 0 leaves training out.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Advanced: images at once.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Advanced: threads; 0 leaves torch's own choice.",
)
@click.option("--device", default="cpu", show_default=True, help="Advanced: torch device.")
@click.option("--compile", "compiled", is_flag=True, help="Advanced: add compiled variants.")
def benchmark(
    terminal: Terminal,
    size: int,
    side: int,
    stages: int,
    rounds: int,
    steps: int,
    batch: int,
    threads: int,
    device: str,
    compiled: bool,
) -> None:
    """Time inversion, generation and training against the straightforward implementation.

    Random weights, nothing is downloaded. Seconds are an image's; CPU seconds are summed over
    threads and not stretched by other programs. Factors compare the best turns. Memory is the
    peak of a process that runs this variant alone. The error is the root mean square difference
    from the reference's image over that image's standard deviation, in training the largest
    relative one of a loss. Needs about 6 GB of memory at full size, 2 GB with --steps 0. Devices
    other than the CPU and --compile are there, but were never measured.
    """
    from e2style.architectures import e2style
    from e2style.config import GeneratorConfig
    from e2style.speed.inference import PAPER_SECONDS, measure_inference
    from e2style.speed.training import measure_training

    n_codes = GeneratorConfig(size).n_codes
    deep, middle = n_codes // 2, (n_codes + 2) // 4
    split = (n_codes - deep - middle, middle, deep)
    config = e2style(size, stages, pools=(7, 7, 7), split=split, image_size=side)
    how: dict[str, Any] = {
        "batch": batch, "threads": threads, "device": device, "compiled": compiled
    }  # fmt: skip
    with terminal.bar("inversion and generation", "runs") as progress:
        timings = measure_inference(config, rounds=rounds, progress=progress, **how)
    training = []
    if steps:
        with terminal.bar("training", "runs") as progress:
            training = measure_training(config, steps=steps, progress=progress, **how)
    paper = PAPER_SECONDS[stages]
    lines = _table("inversion and generation", timings)
    lines.append(f"{f'Table I, {stages}-stage, RTX 3090':26}  {paper:6.2f} s")
    if training:
        lines += ["", *_table("training step, stage 1", training)]
    fields = {
        "timings": [vars(t) for t in timings],
        "training": [vars(t) for t in training],
        "paper_seconds": paper,
    }
    terminal.result("\n".join(lines), fields)


def _table(title: str, timings: Sequence[Timing]) -> list[str]:
    seconds = f"{'best':>8}  {'median':>8}  {'CPU':>8}"
    return [f"{title:26}  {seconds}  faster  by CPU  images/s       MiB  error"] + [
        f"{t.name:26}  {t.best_s:6.2f} s  {t.median_s:6.2f} s  {t.cpu_s:6.2f} s  "
        f"{t.speedup:5.2f}x  {t.cpu_speedup:5.2f}x  {t.images_per_s:8.2f}  {t.memory_mib:8}  "
        f"{t.error:.1e}"
        for t in timings
    ]
