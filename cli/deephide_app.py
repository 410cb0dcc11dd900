"""The `deephide` command."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from cli.completion import add_completion
from cli.deephide_group import app
from cli.encoding import arguments, encoding_options, keyed
from cli.file_types import FileType
from cli.inputs import check_stdin, read_input, reject_terminal
from cli.options import (
    ChannelType,
    check_making,
    hygiene_options,
    key_options,
    model_option,
    output_options,
)
from cli.passphrase import WEAK, Secrets, Sources, read_secrets
from cli.program import command, run_program
from cli.progress import stage_weights
from cli.render import Terminal
from cli.reports import (
    announce_compilation,
    embed_fields,
    forecast,
    open_to_all,
)

if TYPE_CHECKING:
    from deephide.options import EmbedOptions

__all__ = ["app", "main"]

app.find_in(
    {
        "capacity": "cli.deephide_receive",
        "compare": "cli.deephide_lab",
        "doctor": "cli.deephide_doctor",
        "embed-many": "cli.deephide_many",
        "extract": "cli.deephide_receive",
        "extract-many": "cli.deephide_many",
        "keygen": "cli.deephide_keys",
        "lab": "cli.deephide_lab",
        "models": "cli.deephide_models",
        "passphrase": "cli.deephide_keys",
        "pick": "cli.deephide_pick",
        "survive": "cli.deephide_survive",
        "ui": "cli.deephide_ui",
    }
)


_WITH_LARGE_MATRICES = (["compare"], ["lab"])
_COMMON = (
    *("secret", "text", "carriers", "codec", "channel", "strong"),
    *("output", "force", "preview", "dry_run", "quiet"),
    *("passphrase", "passphrase_file", "key_file", "recipients"),
)
_DETAILS = """The stego is a file of the carrier's format; of a BMP, TIFF or WebP it is a PNG if its
name says so. With --channel it is a JPEG file of the program's own making, no larger than the
channel lets through, and is written only if it survived every recompression that was tried.

Several carriers share the secret: -o is then a folder, in which each stego has the name of its
carrier, and extract needs any --needed of them.
"""


@command(
    app,
    examples=(
        "deephide embed face.png photo.jpg -p",
        "deephide embed --secret face.png --carrier photo.png -o holiday.png",
    ),
    common=_COMMON,
    details=_DETAILS,
)
@click.argument("files", metavar="[SECRET] [CARRIER]...", nargs=-1, type=FileType("PATH"))
@click.option(
    "-s",
    "--secret",
    metavar="PATH",
    help="Input: the image of the face, another image, or with --codec file any file; - is stdin.",
)
@click.option("--text", metavar="TEXT", help="Input: a text to hide instead of a file.")
@click.option(
    "-c",
    "--carrier",
    "carriers",
    multiple=True,
    metavar="PATH",
    help="Input: the photo: PNG, JPEG, BMP, TIFF or lossless WebP; - is stdin. Of a folder, "
    "the best photo is taken. Several share the secret.",
)
@click.option(
    "--needed",
    type=click.IntRange(min=1),
    metavar="K",
    help="Input: of several photos, any so many are to be enough.  [default: all of them]",
)
@output_options(
    None,
    "stego.png with --carrier; else, of photo.png, photo-1.png or the next free number; suffix "
    "as the carrier's",
)
@key_options(sending=True)
@model_option
@encoding_options
@click.option(
    "--channel",
    type=ChannelType(),
    metavar="NAME",
    help="Input: make a JPEG stego that survives this: any (JPEG compression of quality 75 or "
    "better), any:60, a table as jpeg:80, whatsapp, instagram, facebook.  [default: none]",
)
@click.option(
    "--strong",
    is_flag=True,
    help="Input: with --channel any, survive resizing and cropping too; any detector finds it.",
)
@click.option(
    "--preview", metavar="PATH", help="Output: also write the image as the receiver will see it."
)
@click.option(
    "--dry-run", is_flag=True, help="Output: do everything but write the stego, and report."
)
@hygiene_options
def embed(
    terminal: Terminal,
    files: tuple[str, ...],
    secret: str | None,
    text: str | None,
    carriers: tuple[str, ...],
    needed: int | None,
    output: str | None,
    force: bool,
    sources: Sources,
    model: str | None,
    options: EmbedOptions,
    channel: str | None,
    strong: bool,
    preview: str | None,
    dry_run: bool,
    hygiene: dict[str, Any],
) -> None:
    """Hide a face, image or file in a photo and write the stego.

    SECRET and CARRIER are the same as --secret and --carrier. The stego keeps the carrier's format.
    No file appears before the secret was extracted from the stego; a failure leaves none.
    """
    start = time.monotonic()
    secret, carriers, named = _sorted_out(files, secret, text, carriers)
    hidden, options = _secret(secret, text, options)
    codec = options.codec
    options = _for_channel(options, _strengthened(channel, strong), hygiene)
    _reject_unused(codec, output, preview, dry_run, hygiene)
    carrier = "-" if "-" in carriers else carriers[0]
    check_stdin(secret=secret, carrier=carrier, passphrase_file=sources.file)
    reject_terminal(terminal, output)
    secrets = read_secrets(sources, confirm=True)
    import deephide
    from deephide.covers.opening import is_read_by_compiled_code
    from deephide.naming import stego_suffixes

    hidden = read_input(hidden, "secret") if isinstance(hidden, str) else hidden
    if len(carriers) > 1 or needed is not None:
        _warn_of_keys(terminal, secrets, codec)
        _several().embed_in_several(
            terminal,
            hidden,
            carriers,
            needed,
            output,
            keyed(options, secrets, model),
            {"preview": preview, "force": force, "dry_run": dry_run, **hygiene},
            start,
        )
        return
    if Path(carrier).is_dir():
        carrier = _best_photo(terminal, carrier, hidden, keyed(options, secrets, model))
    photo = read_input(carrier, "carrier")
    if hygiene["keep_times"] and isinstance(photo, bytes):
        raise click.UsageError("--keep-times has no effect with a carrier that is no file")
    _warn_of_keys(terminal, secrets, codec)
    suffix = stego_suffixes(photo, options)[0]
    needs_code = is_read_by_compiled_code(photo)
    output = _destined(terminal, output, named, carrier, suffix)
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


def _sorted_out(
    files: tuple[str, ...], secret: str | None, text: str | None, carriers: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...], bool]:
    """Return the secret, the carriers, and whether an option alone named the latter."""
    rest = list(files)
    if rest and secret is None and text is None:
        secret = rest.pop(0)
    named = not rest
    if not (carriers or rest):
        raise click.UsageError("missing option '--carrier'")
    return secret, (*carriers, *rest), named


def _destined(
    terminal: Terminal, output: str | None, named: bool, carrier: str, suffix: str
) -> str:
    """Return the file to write, or - for stdout; a photo that no option named gets a number."""
    from deephide.naming import numbered
    from deephide.output import is_folder

    if output is None and named:
        return f"stego{suffix}"
    if output is None or (output != "-" and is_folder(output)):
        photo = carrier if carrier != "-" else b""
        path, first = (
            numbered(photo, suffix, output or "", taken=taken) for taken in (False, True)
        )
        if path != first:
            terminal.warning(
                f"{first} exists, so the stego is {path}: two stegos of one photo give both away"
            )
        return str(path)
    return output


def _best_photo(terminal: Terminal, folder: str, hidden: str | bytes, options: EmbedOptions) -> str:
    """Return the photo of a folder in which a secret is hardest to detect, and say which."""
    from deephide.picking import choose

    best, count = choose(folder, hidden, options)
    terminal.info(f"took {best}, the best of {count} photos for this secret")
    return str(best)


def _warn_of_keys(terminal: Terminal, secrets: Secrets, codec: str) -> None:
    if secrets.missing:
        terminal.warning(open_to_all(codec))
    elif secrets.weak:
        terminal.warning(WEAK)


def _reject_metadata(options: EmbedOptions, hygiene: dict[str, Any]) -> None:
    if hygiene["strip_metadata"] and (options.shrink or options.quality_jpeg):
        raise click.UsageError(
            "--strip-metadata has no effect with --shrink and --quality-jpeg: what is made has none"
        )


def _strengthened(channel: str | None, strong: bool) -> str | None:
    """Return the channel that --channel and --strong mean together."""
    if strong and channel not in ("any", "any:75"):
        raise click.UsageError("--strong needs --channel any")
    return "strong" if strong else channel


def _several() -> ModuleType:
    """Return the module for several carriers, which few commands need."""
    return import_module("cli.deephide_several")


def _for_channel(
    options: EmbedOptions, channel: str | None, hygiene: dict[str, Any]
) -> EmbedOptions:
    """Return the options with a channel, for which some others mean nothing."""
    _reject_metadata(options, hygiene)
    if channel is None:
        return options
    check_making(channel, options.shrink, options.quality_jpeg)
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
        raise click.UsageError("--preview shows an image, and what is hidden is none")
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


@contextmanager
def _destination(output: str, suffix: str) -> Iterator[Path]:
    """Yield the file to write; for stdout, one that vanishes afterwards."""
    if output != "-":
        yield Path(output)
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="deephide-") as folder:
        yield Path(folder) / f"output{suffix}"


add_completion(app, "deephide")


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] not in _WITH_LARGE_MATRICES:
        # More threads would wait for each other's work, spinning, and start up with the library.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    run_program(app, "deephide")
