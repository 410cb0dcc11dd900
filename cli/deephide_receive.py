"""Commands of `deephide` that read photos: what is hidden in them, and what they hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from cli.deephide_group import app
from cli.inputs import STDIN, check_stdin, read_input, reject_terminal
from cli.options import (
    ChannelType,
    check_making,
    key_options,
    limit_option,
    making_options,
    model_option,
    output_options,
)
from cli.passphrase import Secrets, Sources, read_secrets
from cli.program import command
from cli.render import Terminal
from cli.reports import capacity_report

__all__ = ["capacity", "extract"]


@command(
    app,
    examples=(
        "deephide extract photo-1.png -p",
        "deephide extract one.jpg two.png --identity identity.txt -o face.png",
    ),
)
@click.argument("stego", metavar="STEGO...", nargs=-1, required=True)
@output_options(None, "the name that was hidden, else secret.png, secret.txt or secret.bin")
@key_options(sending=False)
@model_option
@limit_option
def extract(
    terminal: Terminal,
    stego: tuple[str, ...],
    output: str | None,
    force: bool,
    sources: Sources,
    model: str | None,
    max_pixels: int | None,
) -> None:
    """Get back what is hidden and write it: an image as PNG, a file as is.

    Of photos that share a secret, give enough of them, in any order. STEGO - is stdin. Nothing
    hidden, a wrong passphrase and an altered image give the same error
    and no file. A file whose name travelled with it never replaces another one of that name.
    """
    start = time.monotonic()
    piped = STDIN if STDIN in stego else None
    check_stdin(stego=piped, passphrase_file=sources.file)
    if stego.count(STDIN) > 1:
        raise click.UsageError("stdin holds one photo")
    if output == "-" and terminal.as_json:
        raise click.UsageError("--json and -o - both write to stdout")
    secrets = read_secrets(sources, confirm=False)
    import deephide

    chosen: dict[str, Any] = {
        "key_file": secrets.key_file,
        "identity": secrets.identity,
        "max_pixels": max_pixels,
    }
    carried = [read_input(each, "stego") for each in stego]
    with terminal.progress(("extracting",)), _told_of_keys(secrets):
        if output == "-":  # what was secret never reaches a disk
            found = deephide.extract(carried, secrets.passphrase, model, **chosen)
        else:
            found = deephide.extract_file(
                carried, output, secrets.passphrase, model, force=force, **chosen
            )
    if output == "-":
        if found.text is None:
            reject_terminal(terminal, output)
        terminal.binary(found.file)
        return
    fields = {
        "output": str(found.path),
        "name": found.name,
        "codec": found.info.codec,
        "model": found.info.model,
        "payload_bits": found.info.payload_bits,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }
    terminal.result(str(found.path), fields)


@contextmanager
def _told_of_keys(secrets: Secrets) -> Iterator[None]:
    """Say, where nothing was found without any key, how one is given; the cause stays untold."""
    from deephide.errors import ExtractionError

    try:
        yield
    except ExtractionError as error:
        if secrets.missing:
            error.hint = (
                "no passphrase or key was given: -p asks for a passphrase, --identity takes the "
                f"file that keygen wrote; {error.hint}"
            )
        raise


@command(
    app,
    examples=(
        "deephide capacity photo.png",
        "deephide capacity photo.png --json",
    ),
)
@click.argument("carrier", metavar="CARRIER")
@click.option(
    "--channel",
    type=ChannelType(),
    metavar="NAME",
    help="Input: count what a stego for this channel carries, as in embed.",
)
@making_options[0]
@making_options[1]
@model_option
@limit_option
def capacity(
    terminal: Terminal,
    carrier: str,
    channel: str | None,
    shrink: str | None,
    quality_jpeg: int | None,
    model: str | None,
    max_pixels: int | None,
) -> None:
    """Report what a photo holds safely, what fits in that, and its limit.

    CARRIER - is stdin. Bits, and the bytes of a face, count everything that is hidden, as embed
    counts it. Safe is an estimate from the costs and the noise of this very photo, not a promise:
    see docs/capacity.md.
    """
    import deephide

    photo = read_input(carrier, "carrier")
    check_making(channel, shrink, quality_jpeg)
    found = deephide.capacity(
        photo,
        model=model,
        channel=channel,
        shrink=shrink,
        quality_jpeg=quality_jpeg,
        max_pixels=max_pixels,
    )
    for note in found.warnings:
        terminal.warning(note)
    terminal.result(*capacity_report(terminal, carrier, found))
