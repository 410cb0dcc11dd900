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
        "deephide embed face.png photo.png -p",
        "deephide extract photo-1.png -p",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="deephide", message="%(prog)s %(version)s")
def app() -> None:
    """Hide a picture of a face inside an ordinary photo, and get it back."""
