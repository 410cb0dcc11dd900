"""Commands for models that were trained to restore or to translate."""

from __future__ import annotations

import click

from cli.batch import Item, batch_options, run
from cli.e2style_faces import Faces, device_option, face_option, one, paste_option
from cli.e2style_group import app
from cli.program import command
from cli.render import Terminal
from e2style.checkpoints.shipped import RESTORER

__all__ = ["restore", "translate"]

_compare_option = click.option(
    "--compare",
    is_flag=True,
    help="Output: put the input beside the output.",
)


@command(
    app,
    "e2style",
    examples=(
        "e2style restore old.jpg --task colorization --keep-light --paste-back -o colour.png",
        "e2style restore faces --task super_resolution --damage --compare -o restored",
    ),
)
@batch_options
@click.option(
    "--task",
    required=True,
    type=click.Choice(["colorization", "denoising", "inpainting", "super_resolution"]),
    help="Input: what is to be restored.",
)
@click.option(
    "--mask",
    metavar="PATH",
    help="Input: what is to be inpainted is white in this aligned image; the rest stays.",
)
@click.option(
    "--damage",
    is_flag=True,
    help="Input: damage whole images first, as in training, and measure how well they come back.",
)
@click.option(
    "--factor",
    type=click.Choice(["1", "2", "4", "8", "16"]),
    help="Input: what --damage shrinks by in super-resolution.  [default: drawn]",
)
@click.option(
    "--keep-light",
    is_flag=True,
    help="Output: take only the colours of what is generated, and light and detail of the image.",
)
@_compare_option
@paste_option
@click.option(
    "--model",
    default=RESTORER,
    show_default=True,
    metavar="NAME|PATH",
    help="Input: a model that was trained for the task; the built-in one is for all of them.",
)
@device_option
@face_option
def restore(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    task: str,
    mask: str | None,
    damage: bool,
    factor: str | None,
    keep_light: bool,
    compare: bool,
    paste_back: bool,
    model: str,
    device: str,
    face: int | str,
) -> None:
    """Colour, clean, fill or sharpen faces (paper, Alg. 5).

    What comes back is generated, so details are those of a face that fits, not always of this
    one. With --damage the images are the truth: PSNR and SSIM are printed of what
    comes back and, for comparison, of the damaged images themselves, at the side that the model
    looks at.
    """
    from deephide.output import png_bytes
    from e2style.applications import restoration
    from e2style.data.align import paste
    from e2style.images import side_by_side

    if factor and not (damage and task == "super_resolution"):
        raise click.UsageError("--factor has an effect on --damage of super_resolution alone")
    if keep_light and task != "colorization":
        raise click.UsageError("--keep-light has an effect on colorization alone")
    if paste_back and compare:
        raise click.UsageError("--paste-back takes one image, not a comparison")
    faces = Faces(model, device, face)
    side = faces.model.network.seen_side
    holes = one(mask, codes=False).photo() if mask else None
    rows: list[restoration.Gain] = []

    def work(item: Item) -> bytes:
        photo = item.photo()
        truth, placement = faces.aligned(photo, item.name)
        start = truth
        if damage:
            start = restoration.damaged(truth, task, side, len(rows), int(factor or 0) or None)
        found = restoration.restore(faces.model, start, task, holes)
        generated = found.generated
        if holes is not None:
            generated = restoration.keep_known(generated, start, holes)
        if keep_light:
            generated = restoration.keep_light(generated, start)
        if damage:
            rows.append(restoration.gain(truth, found.shown, generated))
        if compare:
            shown = [found.shown, generated, truth] if damage else [found.shown, generated]
            generated = side_by_side([each.resize((side, side)) for each in shown])
        return png_bytes(paste(photo, placement, generated) if paste_back else generated)

    def measured() -> dict[str, float]:
        return restoration.summary(rows) if rows else {}

    run(terminal, "restoring", inputs, output, work, force=force, measured=measured)
    for name, value in measured().items():
        terminal.info(f"{name.replace('_', ' ')}: {value:.3f}")


@command(
    app,
    "e2style",
    examples=(
        "e2style translate sketch.png --model sketch.safetensors -o face.png",
        "e2style translate maps --model segmentation.safetensors --compare -o faces",
    ),
)
@batch_options
@_compare_option
@click.option(
    "--model",
    required=True,
    metavar="NAME|PATH",
    help="Input: a model that was trained for the task; see docs/applications.md.",
)
@device_option
def translate(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    compare: bool,
    model: str,
    device: str,
) -> None:
    """Generate the faces of sketches or label maps (paper, Alg. 6).

    What the model takes says which of both it was trained for.
    """
    from deephide.output import png_bytes
    from e2style.applications import restoration
    from e2style.images import side_by_side

    faces = Faces(model, device, "none")

    def work(item: Item) -> bytes:
        found = item.use(lambda data: restoration.translate(faces.model, data))
        if not compare:
            return png_bytes(found.generated)
        size = found.generated.size
        return png_bytes(side_by_side([found.shown.resize(size), found.generated]))

    run(terminal, "translating", inputs, output, work, force=force)
