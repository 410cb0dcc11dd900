"""Commands of `deephide` that measure how well things are hidden."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from cli.deephide_group import app
from cli.options import limit_option, model_option, output_options
from cli.program import command
from cli.render import Terminal
from deephide.codecs.base import CHOICES

__all__ = ["compare", "lab"]


@command(
    app,
    examples=(
        "deephide lab covers.zip --scheme lsb --scheme hill-stc --payload 0.1 --payload 0.4",
        "deephide lab covers.zip --verify lab",
    ),
)
@click.argument("covers", metavar="COVERS")
@click.option(
    "--scheme",
    "schemes",
    multiple=True,
    metavar="SCHEME",
    help="Input: what to detect; may be given several times. lsb, lsb-ranked, lsb-matching; "
    "e2style, the code of the released script; hill, suniward, wow or mipod with -bound (a perfect "
    "code) or -stc (ours); embed, the whole program with so many bytes; embed-face, with a face "
    "of --secrets; udh and ddh, networks that hide an image.",
)
@click.option(
    "--payload",
    "payloads",
    multiple=True,
    metavar="BITS",
    help="Input: bits per sample, or bytes as in 300B; may be given several times.",
)
@click.option(
    "--secrets",
    metavar="PATH",
    help="Input: folder or zip of the faces that embed-face and the images that networks hide.",
)
@click.option("--udh", metavar="PATH", help="Input: the networks of udh.")
@click.option("--ddh", metavar="PATH", help="Input: the networks of ddh.")
@click.option(
    "-o",
    "--output",
    default="lab",
    show_default=True,
    metavar="FOLDER",
    help="Output: the folder for features, report.html, table.md, results.json, manifest.json and "
    "plots.",
)
@click.option(
    "--verify",
    metavar="FOLDER",
    help="Input: measure nothing, but compare covers and results with the manifest of an earlier "
    "run, and print the command that repeats it.",
)
@click.option("--no-plots", is_flag=True, help="Output: draw nothing, which needs no matplotlib.")
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    type=click.Choice(
        [
            *("ws", "spa", "rs", "chi2", "spam", "rich"),
            *("srm", "colour-srm", "srnet", "yedroudj"),
        ]
    ),
    help="Advanced: a detector to use; may be given several times. srm and colour-srm need the "
    "extra judges; srnet and yedroudj are networks, which are trained first.  [default: ws, spa, "
    "rs, chi2, spam and rich]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=20_000,
    show_default=True,
    metavar="COUNT",
    help="Advanced: how long a network is trained for each condition; 0 judges with --weights.",
)
@click.option(
    "--crop",
    type=click.IntRange(min=32),
    default=256,
    show_default=True,
    metavar="SAMPLES",
    help="Advanced: side of the parts that a network learns from; it judges whole images.",
)
@click.option(
    "--weights",
    metavar="PATH",
    help="Advanced: a state dict of PyTorch, or a snapshot of an earlier run, that the network "
    "starts from.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Advanced: where networks are trained: cpu, cuda, or auto, which takes a GPU if there is "
    "one.",
)
@click.option("--colour", is_flag=True, help="Advanced: use all channels instead of the luma.")
@click.option(
    "--limit",
    type=click.IntRange(min=8),
    metavar="COUNT",
    help="Advanced: use so many covers, drawn at random.  [default: all]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="Advanced: of everything random; it makes no real stego guessable.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="COUNT",
    help="Advanced: processes to share the covers; the results are the same.",
)
@click.option(
    "--cluster",
    is_flag=True,
    help="Advanced: spread the covers over the Ray cluster that RAY_ADDRESS names, whose machines "
    "see the same folders; the results are the same. Needs the extra cluster.",
)
def lab(
    terminal: Terminal,
    covers: str,
    schemes: tuple[str, ...],
    payloads: tuple[str, ...],
    secrets: str | None,
    udh: str | None,
    ddh: str | None,
    output: str,
    verify: str | None,
    no_plots: bool,
    detectors: tuple[str, ...],
    steps: int,
    crop: int,
    weights: str | None,
    device: str,
    colour: bool,
    limit: int | None,
    seed: int,
    jobs: int,
    cluster: bool,
) -> None:
    """Measure how well detectors tell stegos from covers.

    COVERS is a folder or zip of images; those in one folder count as parts of one photo, and
    are never trained and tested on both. A stopped run goes on where it was. An error of 0.5 is
    what guessing gives; report.html, a page with all plots, explains the rest.
    """
    start = time.monotonic()
    files = {"secrets": secrets, "udh": udh, "ddh": ddh, "weights": weights}
    if verify is not None:
        if schemes:
            raise click.UsageError("--verify and --scheme exclude each other")
        given = {kind: Path(path) for kind, path in files.items() if path}
        _verify(terminal, Path(verify), {"covers": Path(covers), **given}, start)
        return
    if not schemes:
        raise click.UsageError("--scheme is missing: what to detect")
    from deephide.lab import (
        DETECTORS,
        NETWORKS,
        Experiment,
        Payload,
        Training,
        conditions_of,
        run,
    )

    judges = [each for each in detectors if each in NETWORKS]
    for wrong, message in (
        (judges and colour, "--colour: networks see luma alone"),
        ("colour-srm" in detectors and not colour, "--detector colour-srm needs --colour"),
        (steps == 0 and not weights, "--steps 0 needs --weights"),
        (weights and len(judges) != 1, "--weights needs a single --detector that is a network"),
    ):
        if wrong:
            raise click.UsageError(message)
    networks = {kind: Path(path) for kind, path in (("udh", udh), ("ddh", ddh)) if path}
    try:
        sizes = tuple(map(Payload.parse, payloads))
        conditions = conditions_of(schemes, sizes, networks, secrets is not None)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    experiment = Experiment(
        Path(covers),
        Path(output),
        tuple(conditions),
        seed,
        colour,
        Path(secrets) if secrets else None,
        networks,
    )
    with terminal.bar("measuring", "steps") as progress:
        rows = run(
            experiment,
            detectors=detectors or tuple(DETECTORS),
            limit=limit,
            jobs=min(jobs, os.cpu_count() or 1),
            cluster=cluster,
            plots=not no_plots,
            training=Training(
                steps, crop=crop, device=device, weights=Path(weights) if weights else None
            ),
            progress=progress,
        )
    fields: dict[str, Any] = {
        "output": output,
        "covers": rows[0].covers,
        "rows": len(rows),
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }
    terminal.result(str(Path(output) / "table.md"), fields)


def _verify(terminal: Terminal, folder: Path, files: dict[str, Path], start: float) -> None:
    from deephide.lab import manifest

    found = manifest.verify(folder, files)
    for name, (then, now) in found.programs.items():
        terminal.warning(f"{name} was {then or 'missing'} and is {now or 'missing'}")
    fields: dict[str, Any] = {
        "output": str(folder),
        "covers": found.covers,
        "rows": found.rows,
        "command": found.command,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }
    terminal.result(found.command or str(folder / manifest.NAME), fields)


@command(
    app,
    examples=(
        "deephide compare --secret face.png --carrier photo.png -o page.html",
        "deephide compare --secret face.png --carrier photo.png --networks udh.npz",
    ),
)
@click.option("--secret", required=True, metavar="PATH", help="Input: the image of the face.")
@click.option("--carrier", required=True, metavar="PATH", help="Input: the photo.")
@click.option(
    "--networks",
    multiple=True,
    metavar="PATH",
    help="Input: networks that hide images, to be shown beside; may be given several times.",
)
@click.option(
    "--codec",
    type=click.Choice([name for name in CHOICES if name != "file"]),
    default="auto",
    show_default=True,
    help="Input: how the secret travels, as in embed.",
)
@model_option
@limit_option
@output_options("page.html")
def compare(
    terminal: Terminal,
    secret: str,
    carrier: str,
    networks: tuple[str, ...],
    codec: str,
    model: str | None,
    max_pixels: int | None,
    output: str,
    force: bool,
) -> None:
    """Show on one page what is hidden, where, and what comes back.

    The HTML file holds everything itself: secret, inversion, cover, stego, the places that changed,
    the recovered secret, and the figures. The key is thrown away. Needs the extra lab.
    """
    from deephide.formats.limits import pixel_limit
    from deephide.lab import compare as comparing
    from deephide.output import check_output, write_atomically

    comparing.check_page()
    inputs = [Path(each) for each in (secret, carrier, *networks)]
    if output != "-":
        check_output(Path(output), inputs, force=force, any_kind=True)
    rivals = tuple(map(Path, networks))
    with pixel_limit(max_pixels):
        found = comparing.compare(secret, carrier, model, codec=codec, networks=rivals)
    data = comparing.page(found).encode()
    if output == "-":
        terminal.binary(data)
        return
    write_atomically(Path(output), data, force=force)
    figures = {each.method: each.figures for each in found}
    terminal.result(output, {"output": output, "methods": figures, "warnings": terminal.warnings})
