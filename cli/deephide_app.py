"""The `deephide` command."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import (
    deephide_doctor,
    deephide_keys,
    deephide_lab,
    deephide_many,
    deephide_models,
    deephide_survive,
    deephide_ui,
)
from cli.completion import add_completion
from cli.deephide_group import app
from cli.encoding import arguments, encoding_options, keyed
from cli.inputs import check_stdin, read_input
from cli.options import (
    ChannelType,
    hygiene_options,
    key_options,
    limit_option,
    making_options,
    model_option,
    output_options,
)
from cli.passphrase import WEAK, Sources, read_secrets
from cli.program import command, run_program
from cli.progress import stage_weights
from cli.render import Terminal
from cli.reports import (
    announce_compilation,
    capacity_report,
    embed_fields,
    forecast,
    open_to_all,
)
from deephide.errors import OutputError

if TYPE_CHECKING:
    from deephide.options import EmbedOptions

__all__ = [
    "app",
    "deephide_doctor",
    "deephide_keys",
    "deephide_lab",
    "deephide_many",
    "deephide_models",
    "deephide_survive",
    "deephide_ui",
    "main",
]


@command(
    app,
    examples=(
        "deephide embed --secret face.png --carrier photo.png -p",
        "deephide embed --secret face.png --carrier photo.jpg -o - > stego.jpg",
    ),
)
@click.option(
    "--secret",
    metavar="PATH",
    help="Input: the image of the face, another image, or with --codec file any file; - is stdin.",
)
@click.option("--text", metavar="TEXT", help="Input: a text to hide instead of a file.")
@click.option(
    "--carrier",
    required=True,
    metavar="PATH",
    help="Input: the photo, as PNG, BMP, TIFF, lossless WebP or JPEG; - is stdin.",
)
@output_options(None, "stego.png, or the like with the suffix of the carrier's format")
@key_options(sending=True)
@model_option
@encoding_options
@click.option(
    "--channel",
    type=ChannelType(),
    metavar="NAME",
    help="Input: make a JPEG stego that survives this: any (JPEG compression of quality 75 or "
    "better), any:60, a known table as jpeg:80, or whatsapp, instagram, facebook.  [default: the "
    "file must stay as it is]",
)
@click.option(
    "--preview", metavar="PATH", help="Output: also write the picture as the receiver will see it."
)
@click.option(
    "--dry-run", is_flag=True, help="Output: do everything but write the stego, and report."
)
@hygiene_options
def embed(
    terminal: Terminal,
    secret: str | None,
    text: str | None,
    carrier: str,
    output: str | None,
    force: bool,
    sources: Sources,
    model: str | None,
    options: EmbedOptions,
    channel: str | None,
    preview: str | None,
    dry_run: bool,
    hygiene: dict[str, Any],
) -> None:
    """Hide a face, picture or file in a photo and write the stego.

    The stego is a file of the carrier's format; of a BMP, TIFF or WebP it is a PNG if its name
    says so.
    With --channel it is a JPEG file of the program's own making, no larger than the channel lets
    through, and is written only if it survived every recompression that was tried.

    No file appears before the secret was extracted from the stego; a failure leaves none.
    """
    start = time.monotonic()
    hidden, options = _secret(secret, text, options)
    codec = options.codec
    options = _for_channel(options, channel, hygiene)
    _reject_metadata(options, hygiene)
    _reject_unused(codec, output, preview, dry_run, hygiene)
    check_stdin(secret=secret, carrier=carrier, passphrase_file=sources.file)
    _reject_terminal(terminal, output)
    secrets = read_secrets(sources, confirm=True)
    import deephide
    from deephide.api import stego_suffixes
    from deephide.covers.opening import is_read_by_compiled_code
    from deephide.output import within

    photo = read_input(carrier, "carrier")
    hidden = read_input(hidden, "secret") if isinstance(hidden, str) else hidden
    if hygiene["keep_times"] and isinstance(photo, bytes):
        raise click.UsageError("--keep-times has no effect with a carrier that is no file")
    if secrets.missing:
        terminal.warning(open_to_all(codec))
    elif secrets.weak:
        terminal.warning(WEAK)
    suffix = stego_suffixes(photo, options)[0]
    needs_code = is_read_by_compiled_code(photo)
    if output != "-":
        output = str(within(output or "", f"stego{suffix}")) if output else f"stego{suffix}"
    weights = stage_weights(deephide.STAGES, photo)
    with (
        _destination(output, suffix) as path,
        terminal.progress(deephide.STAGES, weights) as progress,
    ):

        def advance(done: int, total: int) -> None:
            progress(done, total)
            # Not before the inputs were looked at: the answer takes a while to find.
            if done == 0 and not needs_code:
                announce_compilation(terminal, [photo])

        if needs_code:
            announce_compilation(terminal, [photo])
        result = deephide.embed_file(
            hidden,
            photo,
            path,
            progress=advance,
            preview=preview,
            force=force,
            dry_run=dry_run,
            **arguments(keyed(options, secrets, model)),
            **hygiene,
        )
        data = path.read_bytes() if output == "-" else b""
    if output == "-":
        terminal.binary(data)
    if codec != "auto" or result.codec != "latent" or result.cut_out or terminal.verbose:
        terminal.info(result.reason)
    done = (
        f"hid {result.payload_bits} bits in {result.elements} {result.element_name}; "
        f"{result.changes} of them changed by one level ({result.psnr:.1f} dB)"
    )
    if not dry_run:
        terminal.info(done)
    fields = embed_fields(terminal, result, None if dry_run else output, start)
    if dry_run:
        terminal.result(forecast(result), fields)
    elif output != "-":
        terminal.result(output, fields)


@command(
    app,
    examples=(
        "deephide extract stego.png -p",
        "deephide extract stego.png --passphrase-file key.txt -o face.png",
    ),
)
@click.argument("stego", metavar="STEGO")
@output_options(None, "the name that was hidden, else secret.png, secret.txt or secret.bin")
@key_options(sending=False)
@model_option
@limit_option
def extract(
    terminal: Terminal,
    stego: str,
    output: str | None,
    force: bool,
    sources: Sources,
    model: str | None,
    max_pixels: int | None,
) -> None:
    """Get back what is hidden and write it: a picture as PNG, a file as is.

    STEGO - is stdin. Nothing hidden, a wrong passphrase and an altered picture give the same error
    and no file. A file whose name travelled with it never replaces another one of that name.
    """
    start = time.monotonic()
    check_stdin(stego=stego, passphrase_file=sources.file)
    if output == "-" and terminal.as_json:
        raise click.UsageError("--json and -o - both write to stdout")
    secrets = read_secrets(sources, confirm=False)
    import deephide

    chosen: dict[str, Any] = {
        "key_file": secrets.key_file,
        "identity": secrets.identity,
        "max_pixels": max_pixels,
    }
    carried = read_input(stego, "stego")
    with terminal.progress(("extracting",)):
        if output == "-":  # what was secret never reaches a disk
            found = deephide.extract(carried, secrets.passphrase, model, **chosen)
        else:
            found = deephide.extract_file(
                carried, output, secrets.passphrase, model, force=force, **chosen
            )
    if output == "-":
        if found.text is None:
            _reject_terminal(terminal, output)
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
    if channel is not None and (shrink or quality_jpeg):
        raise click.UsageError(
            "--channel makes a file of its own and excludes --shrink and --quality-jpeg"
        )
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


def _reject_metadata(options: EmbedOptions, hygiene: dict[str, Any]) -> None:
    if hygiene["strip_metadata"] and (options.shrink or options.quality_jpeg):
        raise click.UsageError(
            "--strip-metadata has no effect with --shrink and --quality-jpeg: what is made has none"
        )


def _for_channel(
    options: EmbedOptions, channel: str | None, hygiene: dict[str, Any]
) -> EmbedOptions:
    """Return the options with a channel, for which some others mean nothing."""
    if channel is None:
        return options
    if options.shrink or options.quality_jpeg:
        raise click.UsageError(
            "--channel makes a file of its own and excludes --shrink and --quality-jpeg"
        )
    if options.cost not in ("auto", "juniward"):
        raise click.UsageError(f"--cost {options.cost} has no effect with --channel")
    if hygiene["strip_metadata"]:
        raise click.UsageError(
            "--strip-metadata has no effect with --channel: the file that is made has none"
        )
    return replace(options, channel=channel)


def _reject_unused(
    codec: str, output: str | None, preview: str | None, dry_run: bool, hygiene: dict[str, Any]
) -> None:
    if preview and codec == "file":
        raise click.UsageError("--preview shows a picture, and what is hidden is none")
    if dry_run and output == "-":
        raise click.UsageError("--dry-run writes nothing, not to stdout either")
    for option in ("keep_times", "strip_metadata"):
        if hygiene[option] and dry_run:
            raise click.UsageError(f"--{option.replace('_', '-')} has no effect with --dry-run")
    if hygiene["keep_times"] and output == "-":
        raise click.UsageError("--keep-times has no effect on stdout")


def _secret(
    secret: str | None, text: str | None, options: EmbedOptions
) -> tuple[str | bytes, EmbedOptions]:
    """Return the path or the bytes to hide, and the options, in which a text has a codec."""
    if (secret is None) == (text is None):
        raise click.UsageError("what to hide: give either --secret or --text")
    if text is None:
        return str(secret), options
    if options.codec not in ("auto", "file"):
        raise click.UsageError(f"--text has no effect with --codec {options.codec}")
    if not text:
        raise click.UsageError("--text is empty")
    return text.encode(errors="surrogateescape"), replace(options, codec="file")


def _reject_terminal(terminal: Terminal, output: str | None) -> None:
    if output != "-":
        return
    if terminal.as_json:
        raise click.UsageError("--json and -o - both write to stdout")
    if sys.stdout.isatty():
        raise OutputError(
            "a picture is not written to a terminal", hint="redirect stdout, or use -o with a path"
        )


@contextmanager
def _destination(output: str, suffix: str) -> Iterator[Path]:
    """Yield the file to write; for stdout, one that vanishes afterwards."""
    if output != "-":
        yield Path(output)
        return
    with tempfile.TemporaryDirectory(prefix="deephide-") as folder:
        yield Path(folder) / f"output{suffix}"


add_completion(app, "deephide")


def main() -> None:
    """Run the command."""
    run_program(app, "deephide")
