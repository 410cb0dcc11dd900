"""Commands that make faces of nobody, and a generator that knows one face better."""

from __future__ import annotations

import io
from pathlib import Path

import click

from cli.batch import CODES
from cli.e2style_faces import Faces, Found, device_option, face_options, generator_option, one
from cli.e2style_group import app
from cli.options import check_output, model_option
from cli.program import command
from cli.render import Terminal
from deephide.errors import OutputError

__all__ = ["sample", "tune"]

MAX_SEEDS = 10_000


@command(
    app,
    "e2style",
    examples=(
        "e2style sample --seeds 0-11 --truncation 0.8 -o grid.png",
        "e2style sample --seeds 7 --codes -o face.safetensors",
    ),
)
@click.option(
    "--seeds",
    default="0",
    show_default=True,
    metavar="N,A-B",
    help="Input: one face for each, as in 3,10-20.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 2),
    default=1.0,
    show_default=True,
    help="Input: share of the way from the mean face; less is more usual and less varied.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="PATH",
    help="Output: a picture, of several faces a grid; or a file of codes with --codes.",
)
@click.option("--columns", type=click.IntRange(min=1), help="Output: of the grid.")
@click.option("--codes", "as_codes", is_flag=True, help="Output: write codes instead of a picture.")
@click.option("--force", is_flag=True, help="Output: replace an existing file.")
@generator_option
@device_option
@model_option
def sample(
    terminal: Terminal,
    seeds: str,
    truncation: float,
    output: str,
    columns: int | None,
    as_codes: bool,
    force: bool,
    generator: str | None,
    model: str | None,
    device: str,
) -> None:
    """Generate faces of nobody from seeds.

    With a mapping network as StyleGAN2 does; the default model with its prior, where 0.8 is a good
    truncation; others from their probability tables.
    """
    from deephide.output import write_atomically
    from e2style.applications import sampling
    from e2style.images import grid
    from e2style.inference.interface import generate

    numbers = _numbers(seeds)
    suffix = CODES if as_codes else ".png"
    if Path(output).suffix.lower() != suffix:
        raise OutputError(f"the output {output} is no {suffix} file")
    if Path(output).exists() and not force:
        raise OutputError(f"the output {output} exists", hint="use --force to replace it")
    faces = Faces(model, device, "none", generator, terminal)
    codes = sampling.sample(faces.model, numbers, truncation)
    if as_codes:
        found = Found(codes, tuple(map(str, numbers)))
        content = faces.content(codes, found, as_codes=True)
    else:
        file = io.BytesIO()
        grid(generate(faces.generating, codes), columns).save(file, "PNG")
        content = file.getvalue()
    write_atomically(Path(output), content, force=force)
    terminal.result(output, {"output": output, "seeds": numbers, "truncation": truncation})


def _numbers(text: str) -> list[int]:
    """Seeds of a list of numbers and ranges."""
    found: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            end = int(last) if dash else int(first)
            if end - int(first) >= MAX_SEEDS:
                raise ValueError
            found.extend(range(int(first), end + 1))
    except ValueError as error:
        raise click.UsageError(
            f"--seeds {text}: expected numbers and ranges, as 3,10-20"
        ) from error
    if not 0 < len(found) <= MAX_SEEDS:
        raise click.UsageError(f"--seeds {text}: expected 1 to {MAX_SEEDS} of them")
    return found


@command(
    app,
    "e2style",
    examples=(
        f"e2style tune photo.jpg -o photo{CODES}",
        f"e2style edit photo.jpg --direction smile --generate-with photo{CODES} -o smiling.png",
    ),
)
@click.argument("photo", metavar="IN")
@click.option("-o", "--output", required=True, metavar="PATH", help="Output: file of offsets.")
@click.option("--force", is_flag=True, help="Output: replace an existing file.")
@click.option(
    "--steps", type=click.IntRange(min=1), default=200, show_default=True, help="Advanced: of Adam."
)
@click.option(
    "--rank",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Advanced: of the offset of each convolution; more fits better and takes more room.",
)
@click.option(
    "--weights",
    metavar="PATH",
    help="Advanced: folder with AlexNet, to compare by LPIPS as well.",
)
@face_options
def tune(
    terminal: Terminal,
    photo: str,
    output: str,
    force: bool,
    steps: int,
    rank: int,
    weights: str | None,
    model: str | None,
    device: str,
    face: int | str,
) -> None:
    """Tune the generator to one face, around its code.

    Writes offsets of low rank, which --generate-with of other commands uses; the code of the face
    stays what it was, so that directions act on it as before.
    """
    from deephide.output import write_atomically
    from e2style.applications import offsets
    from e2style.images import to_tensor
    from e2style.inference.interface import generate, invert
    from e2style.metrics.features import load_metrics
    from e2style.metrics.images import psnr_of

    check_output(output, force, photo)
    faces = Faces(model, device, face)
    image, _ = faces.aligned(one(photo, codes=False).photo(), photo)
    codes = invert(faces.model, [image])
    seen = to_tensor([image], faces.model.image_size)
    distance = load_metrics(Path(weights), device).pairs.get("lpips") if weights else None
    with terminal.bar("tuning", "steps") as progress:
        found = offsets.tune(
            faces.model, seen, codes[0], steps=steps, rank=rank, distance=distance,
            progress=progress,
        )  # fmt: skip
    content = offsets.to_bytes(found, faces.model)
    tuned = offsets.applied(faces.model, found)
    before, after = (psnr_of(generate(m, codes)[0], image) for m in (faces.model, tuned))
    write_atomically(Path(output), content, force=force)
    terminal.info(f"PSNR {before:.2f} dB before, {after:.2f} dB after, {len(content):,} bytes")
    fields = {"output": output, "bytes": len(content), "psnr_before": before, "psnr_after": after}
    terminal.result(output, fields)
