"""Group that the commands of `deephide` belong to."""

from __future__ import annotations

import click

from cli.program import App
from deephide import __version__

__all__ = ["app"]


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
