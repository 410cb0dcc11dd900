"""Settings of a training on the command line: presets by name, and single changes."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import click

from e2style.errors import ConfigError

__all__ = ["change", "preset_path"]


def preset_path(name: str) -> Path:
    """Return the path of a preset: one of the package by name, else a file.

    Raises
    ------
    ConfigError : there is none
    """
    shipped = Path(str(resources.files("e2style.presets")))
    for path in (shipped / f"{name}.toml", Path(name)):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in shipped.glob("*.toml")))
    raise ConfigError(f"preset {name}: no such file, and the presets are {known}")


def change(text: str) -> tuple[str, Any]:
    """Return key and value of one KEY=VALUE, where KEY may be dotted."""
    from e2style.config import TrainConfig
    from e2style.settings import to_dict

    key, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"--set {text}: expected KEY=VALUE")
    place: Any = to_dict(TrainConfig())
    for part in key.split("."):
        if not isinstance(place, dict) or part not in place:
            raise click.UsageError(f"--set {key}: there is no setting {part!r}")
        place = place[part]
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError:
        return key, value
    # A text need not be quoted, even if it is a number.
    return key, value if isinstance(place, str) and not isinstance(parsed, str) else parsed
