"""Command of `deephide` that ranks photos by how hard a secret is to detect in them."""

from __future__ import annotations

import base64
import html
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.deephide_group import app
from cli.encoding import encoding_options, keyed
from cli.inputs import read_input
from cli.options import model_option
from cli.passphrase import Secrets
from cli.program import command
from cli.render import Terminal
from cli.workers import run_tasks

if TYPE_CHECKING:
    from deephide.options import EmbedOptions
    from deephide.picking import Candidate

__all__ = ["pick"]


@dataclass(frozen=True)
class _Task:
    path: Path
    bits: int


def _work(task: _Task) -> Candidate:
    from deephide.picking import candidate

    return candidate(task.path, task.bits)


@command(
    app,
    examples=(
        "deephide pick photos --secret face.png",
        "deephide pick photos --payload 300 --page photos.html --jobs 2",
    ),
)
@click.argument("folder", metavar="FOLDER")
@click.option("--secret", metavar="PATH", help="Input: what is to be hidden; - is stdin.")
@click.option(
    "--payload",
    type=click.IntRange(1, 1 << 22),
    metavar="BYTES",
    help="Input: bytes that are to be hidden, everything counted, instead of a secret.",
)
@click.option("--page", metavar="PATH", help="Output: also write an HTML page with thumbnails.")
@click.option("--force", is_flag=True, help="Output: replace an existing page.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Advanced: photos at once, each in a process of its own.  [default: one a core]",
)
@model_option
@encoding_options
def pick(
    terminal: Terminal,
    folder: str,
    secret: str | None,
    payload: int | None,
    page: str | None,
    force: bool,
    jobs: int | None,
    model: str | None,
    options: EmbedOptions,
) -> None:
    """Rank the photos of a folder by how hard a secret is to detect in them.

    Each photo is looked at in some tiles: the error of the best detector of the noise model at the
    payload (50 % is chance), what the photo holds safely, and what betrays it. Photos that betray
    every stego come last. Nothing is hidden and no photo is changed; embed takes a folder as
    --carrier too.
    """
    start = time.monotonic()
    if (secret is None) == (payload is None):
        raise click.UsageError("what to hide: give either --secret or --payload")
    if options.shrink or options.quality_jpeg:
        raise click.UsageError("pick looks at photos as they are: leave --shrink out")
    from deephide import picking
    from deephide.output import check_output, write_atomically

    photos = picking.photos_in(folder)
    if page is not None:
        check_output(Path(page), photos, force=force, suffixes=(".html", ".htm"))
    bits = 8 * (payload or 0)
    if secret is not None:
        given = keyed(options, Secrets(None, None, (), None), model)
        bits = picking.payload_bits(read_input(secret, "secret"), given)
    found: list[Candidate] = []
    with terminal.bar("looking", "photos") as progress:

        def settle(task: _Task, seen: Candidate) -> None:
            found.append(seen if seen.path.name else picking.Candidate(task.path, problem=_LOST))
            progress(len(found), len(photos))

        tasks = [_Task(path, bits) for path in photos]
        workers = min(jobs or os.cpu_count() or 1, len(tasks))
        run_tasks(tasks, lambda task: task, _work, picking.Candidate(Path()), settle, workers)
    ranking = picking.ranked(found)
    if page is not None:
        write_atomically(Path(page), _page(ranking, bits).encode(), force=force)
    fields = {
        "folder": folder,
        "payload_bits": bits,
        "photos": [_fields(each) for each in ranking],
        "page": page,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }
    terminal.result("\n".join(_line(*each) for each in enumerate(ranking, 1)), fields)


_LOST = "the process that looked at it was killed, perhaps because memory ran out"


def _fields(each: Candidate) -> dict[str, Any]:
    judged = each.problem is None
    return {
        "path": str(each.path),
        "width": each.size[0],
        "height": each.size[1],
        "detector_error": each.detector_error if judged else None,
        "safe_bits": each.safe_bits,
        "betrays": each.betrays,
        "warnings": list(each.warnings),
        "problem": each.problem,
    }


def _line(rank: int, each: Candidate) -> str:
    notes = "; ".join(each.warnings) if each.problem is None else each.problem
    error = f"{100 * each.detector_error:4.1f} %" if each.problem is None else "     -"
    line = f"{rank:4}  {error}  {each.safe_bits // 8:7} bytes  {each.path.name}"
    return f"{line}  ({notes})" if notes else line


def _page(ranking: Sequence[Candidate], bits: int) -> str:
    rows = "\n".join(_row(*each) for each in enumerate(ranking, 1))
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f"<title>Photos for {bits // 8} bytes</title>\n"
        "<style>body{font:16px sans-serif;margin:2em}td,th{padding:.4em 1em;text-align:left}"
        "tr.bad{opacity:.5}</style>\n"
        f"<h1>Photos for {bits // 8} bytes</h1>\n"
        "<p>The first is the hardest to tell from a photo in which nothing is hidden. Error is that"
        " of the best detector of the noise model, 50 % is chance; safe is an estimate.</p>\n"
        "<table><tr><th>rank<th>photo<th>name<th>error<th>safe<th>notes</tr>\n"
        f"{rows}\n</table></html>\n"
    )


def _row(rank: int, each: Candidate) -> str:
    data = base64.b64encode(each.thumbnail).decode()
    image = f'<img alt="" src="data:image/jpeg;base64,{data}">' if data else ""
    notes = html.escape("; ".join(each.warnings) if each.problem is None else each.problem)
    error = f"{100 * each.detector_error:.1f} %" if each.problem is None else ""
    bad = ' class="bad"' if each.betrays or each.problem is not None else ""
    return (
        f"<tr{bad}><td>{rank}<td>{image}<td>{html.escape(each.path.name)}<td>{error}"
        f"<td>{each.safe_bits // 8} bytes<td>{notes}</tr>"
    )
