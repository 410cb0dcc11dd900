"""Commands that change faces through their codes."""

from __future__ import annotations

from pathlib import Path

import click

from cli.batch import CODES, Item, batch_options, run
from cli.e2style_faces import (
    Faces,
    Found,
    face_options,
    generator_option,
    one,
    paste_option,
)
from cli.e2style_group import app
from cli.program import command
from cli.render import Terminal
from deephide.errors import OutputError

__all__ = ["edit", "interpolate", "mix", "swap"]

_codes_option = click.option(
    "--codes",
    "as_codes",
    is_flag=True,
    help=f"Output: write codes ({CODES}) instead of images.",
)


def _suffix(as_codes: bool) -> str:
    return CODES if as_codes else ".png"


@command(
    app,
    "e2style",
    examples=(
        "e2style edit photo.jpg --direction smile --strength 2 --paste-back -o smiling.png",
        "e2style edit face.png --direction yaw --strength -2 --strength 0 --strength 2 -o row.png",
    ),
)
@batch_options
@click.option(
    "--direction",
    required=True,
    metavar="NAME|PATH",
    help="Input: what to change: a direction that ships with the model, one that e2style direction "
    "wrote, or an .npy file.",
)
@click.option(
    "--strength",
    "strengths",
    type=float,
    multiple=True,
    help="Input: how far, in standard deviations of faces; several give a strip.  [default: 1]",
)
@click.option(
    "--rows", metavar="A-B", help="Advanced: rows of the code.  [default: those of the direction]"
)
@click.option(
    "--preset",
    type=click.Choice(["script"]),
    help="Advanced: rows 0-7 and ten strengths from -40 to 40, as the released script has them for "
    "its own directions.",
)
@_codes_option
@paste_option
@generator_option
@face_options
def edit(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    direction: str,
    strengths: tuple[float, ...],
    rows: str | None,
    preset: str | None,
    as_codes: bool,
    paste_back: bool,
    generator: str | None,
    model: str | None,
    device: str,
    face: int | str,
) -> None:
    """Change one attribute of faces."""
    from e2style.applications import directions

    if preset and (rows or strengths):
        raise click.UsageError("--preset says rows and strengths itself")
    if preset:
        rows, strengths = directions.SCRIPT_ROWS, directions.SCRIPT_STRENGTHS
    strengths = strengths or (1.0,)
    if paste_back and (as_codes or len(strengths) > 1):
        raise click.UsageError("--paste-back takes one image, neither codes nor several")
    faces = Faces(model, device, face, generator, terminal)
    chosen = directions.load_direction(direction, faces.model)

    def work(item: Item) -> bytes:
        found = faces.read(item)
        moved = directions.sweep(found.codes, chosen, strengths, rows)
        return faces.content(moved, found, as_codes=as_codes, paste_back=paste_back)

    run(
        terminal, "editing", inputs, output, work, suffix=_suffix(as_codes), force=force, codes=True
    )


@command(
    app,
    "e2style",
    examples=(
        "e2style mix photo.jpg --style other.jpg -o mixed.png",
        "e2style mix faces --style other.jpg --rows 4-7 --strength 0.5 -o mixed",
        "e2style mix photo.jpg --style-seed 7 -o mixed.png",
    ),
)
@batch_options
@click.option("--style", metavar="PATH", help="Input: the face or code that gives the style.")
@click.option(
    "--style-seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Input: instead, a style that is drawn from a seed, as e2style sample does.",
)
@click.option("--rows", metavar="A-B", help="Input: rows of the code that the style gives.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "script"]),
    default="paper",
    show_default=True,
    help="Input: rows from 7 on, as in the paper, or from 10 on, as in the released script.",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Input: share of the style.",
)
@_codes_option
@paste_option
@generator_option
@face_options
def mix(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    style: str | None,
    style_seed: int | None,
    rows: str | None,
    preset: str,
    strength: float,
    as_codes: bool,
    paste_back: bool,
    generator: str | None,
    model: str | None,
    device: str,
    face: int | str,
) -> None:
    """Give faces the colours and details of another (paper, Alg. 3)."""
    from e2style.applications import mixing
    from e2style.applications.rows import parse_rows
    from e2style.applications.sampling import sample

    if (style is None) == (style_seed is None):
        raise click.UsageError("one of --style and --style-seed is needed")
    faces = Faces(model, device, face, generator, terminal)
    taken = parse_rows(rows or mixing.MIX_PRESETS[preset], faces.model.n_codes)
    if style is not None:
        given = faces.read(one(style)).codes[0]
    else:
        given = sample(faces.model, [style_seed or 0])[0]
    given = mixing.with_styles(faces.model, given)

    def work(item: Item) -> bytes:
        found = faces.read(item)
        own = mixing.with_styles(faces.model, found.codes)
        mixed = mixing.mix(own, given, taken, strength)
        return faces.content(mixed, found, as_codes=as_codes, paste_back=paste_back)

    run(terminal, "mixing", inputs, output, work, suffix=_suffix(as_codes), force=force, codes=True)


@command(
    app,
    "e2style",
    examples=(
        "e2style interpolate a.jpg b.jpg -o strip.png",
        "e2style interpolate a.jpg b.jpg --frames 24 -o between.gif",
        "e2style interpolate a.jpg b.jpg --along line -o crossfade.png",
    ),
)
@click.argument("first", metavar="FIRST")
@click.argument("last", metavar="LAST")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="PATH",
    help=f"Output: .png, a strip; .gif; .mp4, which needs the extra video; {CODES}, the codes.",
)
@click.option("--force", is_flag=True, help="Output: replace an existing file.")
@click.option(
    "--frames",
    type=click.IntRange(min=2),
    default=7,
    show_default=True,
    help="Output: images, both ends included; the released script makes 7.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 100),
    default=12.0,
    show_default=True,
    help="Output: images in a second.",
)
@click.option(
    "--along",
    "way",
    type=click.Choice(["faces", "line"]),
    help="Output: line, as in the paper, which shows both faces at once where the generator is "
    "nearly linear; faces, one person in each image, for the model that a prior ships with. "
    "Default: faces where that can be.",
)
@face_options
def interpolate(
    terminal: Terminal,
    first: str,
    last: str,
    output: str,
    force: bool,
    frames: int,
    rate: float,
    way: str | None,
    model: str | None,
    device: str,
    face: int | str,
) -> None:
    """Generate the faces between two others (paper, Alg. 4)."""
    from deephide.output import write_atomically
    from e2style.applications import animation, mixing, prior
    from e2style.inference.interface import generate

    path = Path(output)
    kinds = (*animation.KINDS, CODES)
    if path.suffix.lower() not in kinds:
        raise OutputError(f"the output {output} has none of the suffixes {', '.join(kinds)}")
    if path.exists() and not force:
        raise OutputError(f"the output {output} exists", hint="use --force to replace it")
    faces = Faces(model, device, face)
    start, end = (faces.read(one(each)).codes[0] for each in (first, last))
    known = None if way == "line" else prior.prior_of(faces.model)
    if way == "faces" and known is None:
        raise click.UsageError(f"--along faces: no prior ships with {faces.model.name}")
    if known is None:
        codes = mixing.interpolate(start, end, frames)
    else:
        codes = prior.between(known, start, end, frames)
    if path.suffix.lower() == CODES:
        numbered = Found(codes, tuple(str(k) for k in range(frames)))
        content = faces.content(codes, numbered, as_codes=True)
    else:
        content = animation.encode(generate(faces.model, codes), path.suffix.lower(), rate)
    write_atomically(path, content, force=force)
    terminal.result(output, {"output": output, "frames": frames})


@command(
    app,
    "e2style",
    examples=(
        "e2style swap target.jpg --source face.jpg -o swapped.png",
        "e2style swap photos --source face.jpg --mask mask.png --paste-back -o swapped",
    ),
)
@batch_options
@click.option(
    "--source", required=True, metavar="PATH", help="Input: the face that the others get."
)
@click.option(
    "--preset",
    type=click.Choice(["inner", "center"]),
    default="inner",
    show_default=True,
    help="Input: what is pasted: eyebrows to mouth, 0.28,0.36,0.72,0.84 of the aligned image, or "
    'its middle half, 0.25,0.25,0.75,0.75; the paper says "the center area".',
)
@click.option("--box", metavar="L,T,R,B", help="Input: any other box, as fractions.")
@click.option(
    "--mask", metavar="PATH", help="Input: an aligned mask instead; white is what the source gives."
)
@paste_option
@face_options
def swap(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    source: str,
    preset: str,
    box: str | None,
    mask: str | None,
    paste_back: bool,
    model: str | None,
    device: str,
    face: int | str,
) -> None:
    """Give faces the inner part of another, and let inversion hide the seam (paper, Alg. 2)."""
    from e2style.applications.swapping import BOXES, transplant
    from e2style.inference.interface import invert

    faces = Faces(model, device, face)
    sides = _box(box) if box else BOXES[preset]
    shape = one(mask, codes=False).photo() if mask else None
    donor = faces.aligned(one(source, codes=False).photo(), source)[0]

    def work(item: Item) -> bytes:
        photo = item.photo()
        target, placement = faces.aligned(photo, item.name)
        pasted = transplant(donor, target, sides, shape)
        codes = invert(faces.model, [pasted])
        found = Found(codes, (item.name,), photo, placement)
        return faces.content(codes, found, paste_back=paste_back)

    run(terminal, "swapping", inputs, output, work, force=force)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.UsageError(
            f"--box {text}: expected four numbers, as in 0.25,0.25,0.75,0.75"
        ) from error
    return left, top, right, bottom
