"""Command that cuts faces out of photos, and puts them back."""

from __future__ import annotations

import click

from cli.batch import Item, batch_options, items, run
from cli.e2style_group import app
from cli.options import FaceType
from cli.program import command
from cli.render import Terminal

__all__ = ["align"]


@command(
    app,
    "e2style",
    examples=(
        "e2style align photo.jpg -o face.png",
        "e2style align photos --size 1024 -o faces",
        "e2style align photo.jpg --paste-back restored.png -o whole.png",
    ),
)
@batch_options
@click.option(
    "--face",
    type=FaceType("largest"),
    default="largest",
    show_default=True,
    metavar="largest|N",
    help="Input: which face; N counts from 1, the largest first.",
)
@click.option(
    "--paste-back",
    metavar="PATH",
    help="Input: an aligned image, edited or restored, to put into the photo where its face is; "
    "the result is the whole photo.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 4096),
    default=256,
    show_default=True,
    help="Output: side of the aligned images.",
)
def align(
    terminal: Terminal,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    face: int | str,
    paste_back: str | None,
    size: int,
) -> None:
    """Cut faces out of photos as FFHQ does: upright, eyes at 0.38 and 0.62 of the width.

    What lies beyond the photo's edge is mirrored and blurred. An image that is aligned already is
    left as it is.
    """
    from deephide.output import png_bytes
    from e2style.data.align import align as find_and_cut
    from e2style.data.align import paste
    from e2style.data.detect import load_detector

    detector = load_detector()
    number = face if isinstance(face, int) else None
    whole: list[str] = []
    put = items([paste_back])[0].photo() if paste_back else None

    def work(item: Item) -> bytes:
        photo = item.photo()
        found = find_and_cut(photo, detector, size, number)
        if found.placement is None:
            whole.append(item.name)
        elif found.faces > 1 and number is None:
            terminal.info(f"{item.name} shows {found.faces} faces; the largest is taken")
        return png_bytes(found.image if put is None else paste(photo, found.placement, put))

    run(terminal, "aligning", inputs, output, work, force=force)
    if whole and put is None:
        these = whole[0] if len(whole) == 1 else f"{len(whole)} images"
        terminal.info(f"aligned already and left alone: {these}")
