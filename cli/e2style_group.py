"""Group that the commands of `e2style` belong to."""

from __future__ import annotations

import click

from cli.program import App
from deephide import __version__

__all__ = ["app"]


@click.group(
    "e2style",
    cls=App,
    examples=(
        "e2style edit photo.jpg --direction smile -o smiling.png",
        "e2style train --data faces.zip --features weights --run runs/1",
        "e2style export runs/2 -o face256.safetensors",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="e2style", message="%(prog)s %(version)s")
def app() -> None:
    """Invert, edit and restore faces; train and evaluate the networks that do."""
