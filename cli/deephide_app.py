"""The `deephide` command."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cli.options import (
    App,
    command,
    exit_on_termination,
    key_options,
    model_option,
    output_options,
)
from cli.passphrase import Sources, read_secrets
from cli.render import Terminal
from deephide import __version__
from deephide.errors import DeephideError, OutputError

__all__ = ["app", "main"]


@click.group(
    "deephide",
    cls=App,
    examples=(
        "deephide embed --secret face.png --carrier photo.png -p -o stego.png",
        "deephide extract stego.png -p -o secret.png",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="deephide", message="%(prog)s %(version)s")
def app() -> None:
    """Hide a picture of a face inside an ordinary photo, and get it back."""


@command(
    app,
    examples=(
        "deephide embed --secret face.png --carrier photo.png -p",
        "deephide embed --secret face.png --carrier photo.png -o - > stego.png",
    ),
)
@click.option("--secret", required=True, metavar="PATH", help="Input: the picture of the face.")
@click.option(
    "--carrier", required=True, metavar="PATH", help="Input: the photo, as PNG, BMP or TIFF."
)
@output_options("stego.png")
@key_options(sending=True)
@click.option(
    "--pad",
    is_flag=True,
    help="Security: fill the payload up to a size class (at most 12 % more), so that the number of "
    "changes says less about its length.",
)
@model_option
@click.option(
    "--codec",
    type=click.Choice(["auto", "latent"]),
    default="auto",
    show_default=True,
    help="Advanced: auto refuses a secret that the model paints badly, latent does not.",
)
@click.option(
    "--cost",
    type=click.Choice(["hill", "suniward", "wow", "mipod"]),
    default="hill",
    show_default=True,
    help="Advanced: the function that says where changes are hard to detect.",
)
@click.option(
    "--preview", metavar="PATH", help="Output: also write the face as the receiver will see it."
)
def embed(
    terminal: Terminal,
    secret: str,
    carrier: str,
    output: str,
    force: bool,
    sources: Sources,
    pad: bool,
    model: str | None,
    codec: str,
    cost: str,
    preview: str | None,
) -> None:
    """Hide a face in a photo and write the stego as PNG.

    No file appears before the face was extracted from the stego; a failure leaves none.
    """
    start = time.monotonic()
    _refuse_terminal(terminal, output)
    secrets = read_secrets(sources, confirm=True)
    import deephide

    if secrets.missing:
        terminal.warning("no passphrase is set: anyone who has the model can extract the face")
    with _destination(output) as path, terminal.progress(deephide.STAGES) as progress:
        result = deephide.embed_file(
            secret,
            carrier,
            path,
            secrets.passphrase,
            model,
            cost,
            codec,
            progress,
            preview=preview,
            force=force,
            key_file=secrets.key_file,
            recipients=secrets.recipients,
            pad=pad,
        )
        data = path.read_bytes() if output == "-" else b""
    if output == "-":
        terminal.binary(data)
    terminal.info(
        f"hid {result.payload_bits} bits in {result.elements} samples; "
        f"{result.changes} of them changed by one level ({result.psnr:.1f} dB)"
    )
    if output != "-":
        terminal.result(output, _embed_fields(terminal, result, output, start))


def _embed_fields(terminal: Terminal, result: Any, output: str, start: float) -> dict[str, Any]:
    return {
        "output": output,
        "payload_bits": result.payload_bits,
        "alpha": result.alpha,
        "change_rate": result.change_rate,
        "psnr": result.psnr,
        "secret_psnr": result.secret_psnr,
        "codec": result.codec,
        "model": result.model,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }


@command(
    app,
    examples=(
        "deephide extract stego.png -p",
        "deephide extract stego.png --passphrase-file key.txt -o face.png",
    ),
)
@click.argument("stego", metavar="STEGO")
@output_options("secret.png")
@key_options(sending=False)
@model_option
def extract(
    terminal: Terminal,
    stego: str,
    output: str,
    force: bool,
    sources: Sources,
    model: str | None,
) -> None:
    """Get a hidden face back and write it as PNG.

    Nothing hidden, a wrong passphrase and an altered picture give the same error and no file.
    """
    start = time.monotonic()
    _refuse_terminal(terminal, output)
    secrets = read_secrets(sources, confirm=False)
    import deephide

    with _destination(output) as path, terminal.progress(("extracting",)):
        found = deephide.extract_file(
            stego,
            path,
            secrets.passphrase,
            model,
            force=force,
            key_file=secrets.key_file,
            identity=secrets.identity,
        )
        data = path.read_bytes() if output == "-" else b""
    if output == "-":
        terminal.binary(data)
        return
    fields = {
        "output": output,
        "codec": found.info.codec,
        "model": found.info.model,
        "payload_bits": found.info.payload_bits,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }
    terminal.result(output, fields)


@command(
    app,
    examples=(
        "deephide capacity photo.png",
        "deephide capacity photo.png --json",
    ),
)
@click.argument("carrier", metavar="CARRIER")
def capacity(terminal: Terminal, carrier: str) -> None:
    """Say how many bits a photo can take, and how many are advisable.

    Both numbers count everything that is hidden, as the report of embed does; safe means that
    one sample in two hundred changes, which is a rule of thumb and not a promise.
    """
    import deephide

    found = deephide.capacity(carrier)
    for note in found.warnings:
        terminal.warning(note)
    text = (
        f"safe  {found.safe_bits} bits ({found.safe_bytes} bytes)\n"
        f"hard  {found.hard_bits} bits ({found.hard_bytes} bytes)"
    )
    fields = {
        "carrier": carrier,
        "elements": found.elements,
        "dry_elements": found.dry_elements,
        "safe_bits": found.safe_bits,
        "hard_bits": found.hard_bits,
        "warnings": terminal.warnings,
    }
    terminal.result(text, fields)


@command(
    app,
    examples=(
        "deephide models",
        "deephide models --json",
    ),
)
def models(terminal: Terminal) -> None:
    """List the models that are installed, with their fingerprints.

    Sender and receiver need the same model; equal fingerprints say that they have it.
    """
    import e2style
    from deephide.models import load_model

    rows, lines = [], []
    for name in e2style.names():
        row: dict[str, Any] = {"name": name, "fingerprint": None, "description": None}
        try:
            model = load_model(name)
            card = getattr(model, "card", None)
            row["fingerprint"] = model.fingerprint.hex()
            row["description"] = card.description if card else "no card"
        except DeephideError as error:
            terminal.warning(str(error))
        rows.append(row)
        prefix = row["fingerprint"][:16] if row["fingerprint"] else "unusable"
        lines.append(f"{name}  {prefix}  {row['description'] or ''}".rstrip())
    terminal.result("\n".join(lines), {"models": rows, "warnings": terminal.warnings})


@command(
    app,
    examples=(
        "deephide keygen",
        "deephide keygen -o identity.txt --json",
    ),
)
@click.option(
    "-o",
    "--output",
    default="identity.txt",
    show_default=True,
    metavar="PATH",
    help="Output: the identity file to write; it is never replaced.",
)
def keygen(terminal: Terminal, output: str) -> None:
    """Make a key pair: write the identity, print the public key.

    Whoever has the public key can hide a face for the owner of the identity file, which only
    its owner can read (mode 0600) and which opens everything that was hidden for it.
    """
    import deephide

    public = deephide.keygen(output)
    terminal.info(f"the identity is in {click.format_filename(output)}: keep it secret")
    terminal.result(public, {"output": output, "public_key": public})


def _refuse_terminal(terminal: Terminal, output: str) -> None:
    if output != "-":
        return
    if terminal.as_json:
        raise click.UsageError("--json and -o - both write to stdout")
    if sys.stdout.isatty():
        raise OutputError(
            "a picture is not written to a terminal", hint="redirect stdout, or use -o with a path"
        )


@contextmanager
def _destination(output: str) -> Iterator[Path]:
    """Yield the file to write; for stdout, one that vanishes afterwards."""
    if output != "-":
        yield Path(output)
        return
    with tempfile.TemporaryDirectory(prefix="deephide-") as folder:
        yield Path(folder) / "output.png"


def main() -> None:
    """Run the command; the entry point of the installed script."""
    exit_on_termination()
    app.main(prog_name="deephide")
