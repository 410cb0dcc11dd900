"""Commands of `deephide` that deal with models."""

from __future__ import annotations

from typing import Any

from cli.deephide_group import app
from cli.options import command
from cli.render import Terminal
from deephide.errors import DeephideError

__all__ = ["models"]


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
