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
    hygiene_options,
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
@click.option(
    "--secret",
    required=True,
    metavar="PATH",
    help="Input: the picture of the face, another picture, or with --codec file any file.",
)
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
    type=click.Choice(["auto", "latent", "image", "file", "paper"]),
    default="auto",
    show_default=True,
    help="Input: how the secret travels. latent: a face, as the code of the model; image: any "
    "picture, small; file: any bytes, without the name; auto: latent for a square picture of a "
    "face that the model paints closely and that is safe in the carrier, else image; paper: nine "
    "bits per integer, for the figures of the paper.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="BYTES",
    help="Input: what a picture of the image codec, or with --codec auto a face, may take.  "
    "[default: what is safe in the carrier, for a picture 200 to 4096]",
)
@click.option(
    "--rounding",
    type=click.Choice(["nearest", "floor"]),
    default="nearest",
    show_default=True,
    help="Advanced: how --codec paper rounds.",
)
@click.option(
    "--cost",
    type=click.Choice(["hill", "suniward", "wow", "mipod"]),
    default="hill",
    show_default=True,
    help="Advanced: the function that says where changes are hard to detect.",
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
    secret: str,
    carrier: str,
    output: str,
    force: bool,
    sources: Sources,
    pad: bool,
    model: str | None,
    codec: str,
    budget: int | None,
    rounding: str,
    cost: str,
    preview: str | None,
    dry_run: bool,
    hygiene: dict[str, Any],
) -> None:
    """Hide a face, picture or file in a photo and write the stego as PNG.

    No file appears before the secret was extracted from the stego; a failure leaves none.
    """
    start = time.monotonic()
    if preview and codec == "file":
        raise click.UsageError("--preview shows a picture, and --codec file has none")
    if dry_run and output == "-":
        raise click.UsageError("--dry-run writes nothing, not to stdout either")
    _refuse_terminal(terminal, output)
    secrets = read_secrets(sources, confirm=True)
    import deephide

    if secrets.missing:
        terminal.warning("no passphrase is set: anyone who has the model can extract the face")
    if not deephide.is_compiled():
        terminal.info("compiling the coder, once on this machine: this takes some seconds")
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
            budget=budget,
            rounding=rounding,
            dry_run=dry_run,
            **hygiene,
        )
        data = path.read_bytes() if output == "-" else b""
    if output == "-":
        terminal.binary(data)
    if codec != "auto" or result.codec != "latent" or terminal.verbose:
        terminal.info(result.reason)
    done = (
        f"hid {result.payload_bits} bits in {result.elements} samples; "
        f"{result.changes} of them changed by one level ({result.psnr:.1f} dB)"
    )
    if not dry_run:
        terminal.info(done)
    fields = _embed_fields(terminal, result, None if dry_run else output, start)
    if dry_run:
        terminal.result(_forecast(result), fields)
    elif output != "-":
        terminal.result(output, fields)


def _forecast(result: Any) -> str:
    return (
        f"codec   {result.codec}\n"
        f"bits    {result.payload_bits} (safe: {result.safe_bits})\n"
        f"rate    {100 * result.change_rate:.3f} % of {result.elements} samples change\n"
        f"error   {100 * result.detector_error:.1f} % for the best detector (50 % is chance)"
    )


def _embed_fields(
    terminal: Terminal, result: Any, output: str | None, start: float
) -> dict[str, Any]:
    return {
        "output": output,
        "payload_bits": result.payload_bits,
        "alpha": result.alpha,
        "change_rate": result.change_rate,
        "psnr": result.psnr,
        "secret_psnr": result.secret_psnr,
        "codec": result.codec,
        "reason": result.reason,
        "model": result.model,
        "safe_bits": result.safe_bits,
        "detector_error": result.detector_error,
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
@output_options(None, "secret.png, or secret.bin for a file")
@key_options(sending=False)
@model_option
def extract(
    terminal: Terminal,
    stego: str,
    output: str | None,
    force: bool,
    sources: Sources,
    model: str | None,
) -> None:
    """Get back what is hidden and write it: a picture as PNG, a file as is.

    Nothing hidden, a wrong passphrase and an altered picture give the same error and no file.
    """
    start = time.monotonic()
    _refuse_terminal(terminal, output)
    secrets = read_secrets(sources, confirm=False)
    import deephide

    keys = {"key_file": secrets.key_file, "identity": secrets.identity}
    with terminal.progress(("extracting",)):
        if output == "-":  # what was secret never reaches a disk
            found = deephide.extract(stego, secrets.passphrase, model, **keys)
        else:
            path = Path(output) if output else None
            found = deephide.extract_file(
                stego, path, secrets.passphrase, model, force=force, **keys
            )
    if output == "-":
        terminal.binary(found.file)
        return
    fields = {
        "output": str(found.path),
        "codec": found.info.codec,
        "model": found.info.model,
        "payload_bits": found.info.payload_bits,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }
    terminal.result(str(found.path), fields)


_FACES = {"all": "yes", "most": "most faces", "none": "not safely", "unknown": "unknown"}


@command(
    app,
    examples=(
        "deephide capacity photo.png",
        "deephide capacity photo.png --json",
    ),
)
@click.argument("carrier", metavar="CARRIER")
@model_option
def capacity(terminal: Terminal, carrier: str, model: str | None) -> None:
    """Say how much a photo holds safely, what fits in that, and its limit.

    All bits count everything that is hidden, as the report of embed does. Safe is an estimate from
    the prices and the noise of this very photo, not a promise: see docs/capacity.md.
    """
    import deephide

    found = deephide.capacity(carrier, model=model)
    for note in found.warnings:
        terminal.warning(note)
    fit = found.fit
    face = _FACES[fit.latent]
    if fit.latent_bytes is not None:
        face += f" (usually {fit.latent_bytes} bytes, at most {fit.latent_most})"
    picture = f"about {fit.image_side} pixels wide, {fit.image_psnr:.0f} dB"
    text = (
        f"safe  {found.safe_bits} bits ({found.safe_bytes} bytes): "
        f"{100 * found.safe_change_rate:.3f} % change, the best detector errs in "
        f"{100 * found.detector_error:.0f} % of cases\n"
        f"      a face    {face}\n"
        f"      a picture {picture if fit.image_side else 'not safely'}\n"
        f"      a file    {fit.file_bytes} bytes, compressed\n"
        f"hard  {found.hard_bits} bits ({found.hard_bytes} bytes)"
    )
    fields = {
        "carrier": carrier,
        "elements": found.elements,
        "dry_elements": found.dry_elements,
        "safe_bits": found.safe_bits,
        "hard_bits": found.hard_bits,
        "safe_change_rate": found.safe_change_rate,
        "detector_error": found.detector_error,
        "fits": {
            "latent": fit.latent,
            "latent_bytes": fit.latent_bytes,
            "latent_most": fit.latent_most,
            "image_side": fit.image_side,
            "image_psnr": fit.image_psnr,
            "file_bytes": fit.file_bytes,
        },
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


def _refuse_terminal(terminal: Terminal, output: str | None) -> None:
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
