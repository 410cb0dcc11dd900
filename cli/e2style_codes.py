"""Commands that turn faces into codes and directions, and codes into images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.batch import CODES, Item, batch_options, items, run
from cli.e2style_faces import Faces, device_option, face_options, generator_option
from cli.e2style_group import app
from cli.inputs import reject_inputs
from cli.options import model_option
from cli.program import command
from cli.render import Terminal
from deephide.errors import OutputError

if TYPE_CHECKING:
    from e2style.model import InversionModel

__all__ = ["direction", "invert", "synthesize"]


@command(
    app,
    "e2style",
    examples=(
        "e2style invert photo.jpg -o face.safetensors",
        "e2style invert photos -o codes",
    ),
)
@batch_options
@click.option(
    "--stages", type=click.IntRange(1, 3), help="Advanced: encoders used.  [default: all]"
)
@face_options
def invert(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    stages: int | None,
    model: str | None,
    device: str,
    face: int | str,
) -> None:
    """Write the W+ codes of faces.

    A file of codes names its model; no other one can use it.
    """
    faces = Faces(model, device, face)

    def work(item: Item) -> bytes:
        found = faces.read(item, stages)
        return faces.content(found.codes, found, as_codes=True)

    run(terminal, "inverting", inputs, output, work, suffix=CODES, force=force)


@command(
    app,
    "e2style",
    examples=("e2style synthesize face.safetensors -o face.png", "e2style synthesize codes -o out"),
)
@batch_options
@generator_option
@device_option
@model_option
def synthesize(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    generator: str | None,
    model: str | None,
    device: str,
) -> None:
    """Generate the faces of codes."""
    faces = Faces(model, device, "none", generator, terminal)

    def work(item: Item) -> bytes:
        found = faces.read(item)
        return faces.content(found.codes, found)

    run(terminal, "generating", inputs, output, work, force=force, codes=True)


@command(
    app,
    "e2style",
    examples=(
        "e2style direction --positive smiling --negative serious -o smile.safetensors",
        "e2style direction --sefa 3 -o sefa",
    ),
)
@click.option("--positive", metavar="PATH", help="Input: faces, or codes, with the attribute.")
@click.option("--negative", metavar="PATH", help="Input: faces, or codes, without it.")
@click.option(
    "--labels", metavar="PATH", help="Input: instead of two sets, a CSV with a row for each image."
)
@click.option(
    "--attribute",
    metavar="COLUMN",
    help="Input: column of --labels: yes and no, or numbers, whose thirds are compared.",
)
@click.option("--data", metavar="PATH", help="Input: faces, or codes, that --labels speaks of.")
@click.option(
    "--sefa",
    type=click.IntRange(min=1),
    metavar="N",
    help="Input: instead, the N directions that the generator amplifies most, in rows that show "
    "something; no faces are needed.",
)
@click.option(
    "--components",
    type=click.IntRange(min=1),
    metavar="N",
    help="Input: instead, the N principal components of the faces of --positive (GANSpace).",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="PATH",
    help=f"Output: file to write ({CODES}); its name is that of the direction; with --sefa or "
    "--components a folder.",
)
@click.option("--force", is_flag=True, help="Output: replace existing files.")
@click.option(
    "--method",
    type=click.Choice(["svm", "means"]),
    default="svm",
    show_default=True,
    help="Advanced: normal of the plane between both sets, or from mean to mean.",
)
@click.option(
    "--rows",
    default="all",
    show_default=True,
    metavar="A-B",
    help="Advanced: rows of the code that may change.",
)
@click.option(
    "--orthogonal-to",
    "others",
    multiple=True,
    metavar="NAME|PATH",
    help="Advanced: take out what the direction shares with this one; may be given several times.",
)
@face_options
def direction(
    terminal: Terminal,
    positive: str | None,
    negative: str | None,
    labels: str | None,
    attribute: str | None,
    data: str | None,
    sefa: int | None,
    components: int | None,
    output: str,
    force: bool,
    method: str,
    rows: str,
    others: tuple[str, ...],
    model: str | None,
    device: str,
    face: int | str,
) -> None:
    """Find a direction along which an attribute changes.

    From two sets of faces, with and without it (InterFaceGAN), or without any label (SeFa,
    GANSpace).
    """
    from deephide.output import write_atomically
    from e2style.applications import directions

    alone = sefa is None and components is None
    labelled = bool(labels and attribute and data)
    if any((labels, attribute, data)) and not labelled:
        raise click.UsageError("--labels, --attribute and --data go together")
    if alone and not labelled and not (positive and negative):
        raise click.UsageError(
            "--positive and --negative are both needed, or --labels, or --sefa N"
        )
    if components and not positive:
        raise click.UsageError("--components needs the faces of --positive")
    target = Path(output)
    if alone and target.suffix != CODES:
        raise OutputError(f"the output {output} is no {CODES} file")
    faces = Faces(model, device, face)
    read = _reader(terminal, faces)
    if sefa:
        found = _amplified(terminal, faces.model, rows, sefa)
    elif components:
        found = directions.varied(faces.model, read(positive), rows, components)
    else:
        if labelled:
            sets = [read(data, some) for some in _labelled(labels, attribute, data)]
        else:
            sets = [read(each) for each in (positive, negative)]
        found = [directions.learn(target.stem, faces.model, *sets, method=method, rows=rows)]
    apart = [directions.load_direction(other, faces.model) for other in others]
    found = [directions.orthogonal(each, apart) for each in found] if apart else found
    paths = [target if alone else target / f"{each.name}{CODES}" for each in found]
    taken = [str(path) for path in paths if path.exists()]
    if taken and not force:
        raise OutputError(f"the output {taken[0]} exists", hint="use --force to replace it")
    for path in paths:
        reject_inputs(path)
    for each, path in zip(found, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, each.to_bytes(), force=force)
    terminal.result(output, {"output": output, "directions": [each.name for each in found]})


def _amplified(terminal: Terminal, model: InversionModel, rows: str, count: int) -> Any:
    from e2style.applications import directions

    found = directions.amplified(model, rows, count)
    if found[0].rows != rows:
        terminal.info(f"rows {found[0].rows}: the others of {model.name} carry nothing")
    return found


def _reader(terminal: Terminal, faces: Faces) -> Callable[..., Any]:
    from deephide.errors import InputImageError
    from e2style.checkpoints.codes import joined
    from e2style.errors import DataError

    def read(path: str | None, some: list[Item] | None = None) -> Any:
        found = items([path or ""], codes=True) if some is None else some
        codes, skipped = [], 0
        with terminal.bar("inverting", "images") as progress:
            for done, item in enumerate(found, start=1):
                try:
                    codes.append(faces.read(item).codes)
                except (InputImageError, DataError):
                    skipped += 1
                progress(done, len(found))
        if skipped:
            terminal.warning(f"{path}: {skipped} images could not be used and were skipped")
        if not codes:
            raise InputImageError(f"{path} holds no face that can be used")
        return joined(codes)

    return read


def _labelled(labels: Any, attribute: Any, data: Any) -> tuple[list[Item], list[Item]]:
    """Inputs with an attribute, and inputs without it."""
    from e2style.applications.labels import read_labels, sides

    known = {item.name: item for item in items([data], codes=True)}
    positive, negative = sides(read_labels(labels, attribute), known)
    return [known[name] for name in positive], [known[name] for name in negative]
