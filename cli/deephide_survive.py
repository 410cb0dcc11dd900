"""Command of `deephide` that tries which channels a stego survives."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli.deephide_group import app
from cli.options import key_options, model_option
from cli.passphrase import Sources, read_secrets
from cli.program import command
from cli.render import Terminal

__all__ = ["survive"]


@command(
    app,
    examples=(
        "deephide survive stego.jpg -p",
        "deephide survive stego.jpg --passphrase-file key.txt --report page.html",
    ),
)
@click.argument("stego", metavar="STEGO")
@click.option("--report", metavar="PATH", help="Output: also write the answers as an HTML page.")
@click.option("--force", is_flag=True, help="Output: replace an existing report.")
@key_options(sending=False)
@model_option
def survive(
    terminal: Terminal,
    stego: str,
    report: str | None,
    force: bool,
    sources: Sources,
    model: str | None,
) -> None:
    """Try which channels what is hidden in a stego survives.

    Recompresses a copy in memory, one way after the other, and extracts from what comes out; no
    real service is asked. Libvips and mozjpeg are tried where the extra robust is installed.
    """
    from deephide import output
    from deephide.channels import survival

    if report is not None:
        output.check_output(
            Path(report), [Path(stego)], force=force, suffixes=(".html",), any_kind=True
        )
    secrets = read_secrets(sources, confirm=False)
    with terminal.progress(("trying",)):
        found = list(
            survival.survivals(stego, secrets.passphrase, model, secrets.key_file, secrets.identity)
        )
    if report is not None:
        page = survival.page(Path(stego).name, found)
        output.write_atomically(Path(report), page.encode(), force=force)
    width = max(len(each.channel) for each in found)
    lines = [f"{each.channel:{width}}  {'survives' if each.survived else 'lost'}" for each in found]
    fields = {
        "stego": stego,
        "report": report,
        "channels": [asdict(each) for each in found],
        "warnings": terminal.warnings,
    }
    terminal.result("\n".join(lines), fields)
