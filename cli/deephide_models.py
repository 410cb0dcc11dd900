"""Commands of `deephide` about models."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from cli.deephide_group import app
from cli.exit_codes import ExitCode
from cli.program import Family, command
from cli.render import Terminal, problem
from e2style.errors import E2StyleError

__all__ = ["models"]


@app.group(
    "models",
    cls=Family,
    default="list",
    examples=("deephide models", "deephide models add celebs.safetensors"),
)
def models() -> None:
    """List, describe, add and verify models.

    Sender and receiver need the same model; equal fingerprints say that they have it. Without a
    word behind it, the command lists.
    """


@command(models, examples=("deephide models list", "deephide models --json"), name="list")
def show_all(terminal: Terminal) -> None:
    """List the models that are here, with their fingerprints."""
    import e2style
    from deephide.models import short_fingerprint

    rows, lines = [], []
    added = e2style.added_models()
    for name in [*e2style.names(), *(each.name for each in added)]:
        row: dict[str, Any] = {
            "name": name,
            "built_in": name in e2style.names(),
            "fingerprint": None,
            "description": None,
        }
        try:
            row["fingerprint"] = e2style.fingerprint_of(name).hex()
            row["description"] = _card(e2style.header_of(name)).get("description", "no card")
        except E2StyleError as error:
            terminal.warning(str(error))
        rows.append(row)
        prefix = short_fingerprint(row["fingerprint"]) if row["fingerprint"] else "unusable"
        lines.append(f"{name}  {prefix}  {row['description'] or ''}".rstrip())
    terminal.result("\n".join(lines), {"models": rows, "warnings": terminal.warnings})


@command(models, examples=("deephide models info", "deephide models info face256 --json"))
@click.argument("model", metavar="[NAME|PATH]", required=False)
def info(terminal: Terminal, model: str | None) -> None:
    """Describe a model: card, shapes, sizes, hash and licence.

    Without a name it is the built-in one.
    """
    import e2style
    from e2style.checkpoints.verification import sha256_of

    path, _ = e2style.locate(model)
    loaded = e2style.load_for_inference(model)
    counts = (
        loaded.parameters
        if isinstance(loaded, e2style.GraphModel)
        else e2style.count_parameters(loaded.config)
    )
    card = asdict(loaded.card) if loaded.card else None
    fields: dict[str, Any] = {
        "name": loaded.name,
        "path": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "fingerprint": loaded.fingerprint.hex(),
        "stages": loaded.config.stages,
        "code_shape": [loaded.n_codes, loaded.config.generator.style_dim],
        "input_side": loaded.image_size,
        "output_side": loaded.output_size,
        "generator_parameters": counts["generator"],
        "encoder_parameters": counts["encoder"],
        "quantizer": loaded.quantizer is not None,
        "accept_psnr": loaded.accept_psnr,
        "accept_likeness": loaded.accept_likeness,
        "accept_face": loaded.accept_face,
        "accept_bits": loaded.accept_bits,
        "card": card,
    }
    flat = {key: value for key, value in fields.items() if key != "card"} | (card or {})
    metrics = flat.pop("metrics", {})
    rows = {**flat, "code_shape": " x ".join(map(str, fields["code_shape"])), **metrics}
    width = max(len(key) for key in rows)
    lines = [f"{key.replace('_', ' '):{width}}  {_shown(value)}" for key, value in rows.items()]
    terminal.result("\n".join(lines), fields)


@command(
    models,
    examples=(
        "deephide models add celebs.safetensors",
        "deephide models add runs/7.safetensors --name celebs",
    ),
)
@click.argument("model", metavar="PATH")
@click.option("--name", metavar="NAME", help="Input: what to call it.  [default: its file's name]")
@click.option("--force", is_flag=True, help="Output: replace an added model of that name.")
def add(terminal: Terminal, model: str, name: str | None, force: bool) -> None:
    """Copy a model file to where --model NAME finds it, after checking it.

    From then on extract takes it by itself for what was hidden with it. The copy lies in the user's
    folder for data, or in the folder that the variable DEEPHIDE_MODEL_DIR names, under its
    fingerprint, and must keep its hash.
    """
    import e2style
    from deephide.models import short_fingerprint

    added = e2style.add_model(model, name, force=force)
    terminal.info(f"{click.format_filename(model)} is now in {added.path}")
    terminal.result(
        f"{added.name}  {short_fingerprint(added.fingerprint)}",
        {
            "name": added.name,
            "fingerprint": added.fingerprint,
            "sha256": added.sha256,
            "path": str(added.path),
        },
    )


@command(models, examples=("deephide models remove celebs", "deephide models remove celebs --json"))
@click.argument("name", metavar="NAME")
def remove(terminal: Terminal, name: str) -> None:
    """Remove an added model.

    What was hidden with it cannot be shown without it; those that are built in stay.
    """
    import e2style

    removed = e2style.remove_model(name)
    terminal.result(name, {"name": name, "path": str(removed.path)})


@command(models, examples=("deephide models verify", "deephide models verify face256 --json"))
@click.argument("model", metavar="[NAME|PATH]...", nargs=-1)
def verify(terminal: Terminal, model: tuple[str, ...]) -> ExitCode:
    """Check models: file hash, strict reading, fingerprint, one image.

    Without a name all that are here are checked, and the other files that ship. The image that the
    model generates of its mean code is compared with the one that is known of it.
    """
    import e2style
    from deephide.models import short_fingerprint
    from e2style.checkpoints.shipped import OTHERS, RESTORERS

    rows, lines, found = [], [], None
    added = [each.name for each in e2style.added_models()]
    for name in model or [*e2style.names(), *RESTORERS, *OTHERS, *added]:
        row: dict[str, Any] = {"model": name, "sound": False, "problem": None}
        try:
            verdict = e2style.verify(name)
            row |= {"sound": True, **asdict(verdict), "path": str(verdict.path)}
            hashed = "the hash is right" if verdict.known_hash else "no hash is known"
            compared = "no generated image is known"
            if verdict.deviation is not None:
                compared = f"the generated image is {verdict.deviation} levels off"
            if verdict.fingerprint is None:
                lines.append(f"{name}  {verdict.sha256[:16]}  sound: {hashed}")
                continue
            prefix = short_fingerprint(verdict.fingerprint)
            lines.append(f"{name}  {prefix}  sound: {hashed}, {compared}")
        except E2StyleError as error:
            found = found or problem(error)
            row["problem"] = str(error)
            lines.append(f"{name}  {error}")
        finally:
            rows.append(row)
    return terminal.outcome("\n".join(lines), {"models": rows}, found)


def _card(header: dict[str, str]) -> dict[str, Any]:
    """Return the card in the header of a model file; an unreadable one counts as none."""
    try:
        card = json.loads(header.get("card") or "{}")
    except ValueError:
        return {}
    return card if isinstance(card, dict) else {}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
