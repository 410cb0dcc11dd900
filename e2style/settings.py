"""Reading and writing the config dataclasses: plain values, JSON, and presets in TOML."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from e2style.config import TrainConfig
from e2style.errors import ConfigError
from e2style.files import in_words

T = TypeVar("T")


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Build a (nested) config dataclass from plain values.

    Raises
    ------
    ConfigError : an unknown key, named with the keys that are allowed; a value of another type,
        or out of range
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{kind.__name__}: must be a table of settings")
    fields: dict[str, Any] = {f.name: f for f in dataclasses.fields(cast(Any, kind))}
    unknown = sorted(map(str, set(values) - set(fields)))
    if unknown:
        allowed = ", ".join(sorted(fields))
        raise ConfigError(f"{kind.__name__}: unknown key {unknown[0]!r}, allowed are {allowed}")
    built: dict[str, Any] = {}
    for key, value in values.items():
        default = fields[key].default
        if dataclasses.is_dataclass(default):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{kind.__name__}.{key}: got {value!r}, must be a table")
            built[key] = from_dict(cast(type[Any], type(default)), value)
        else:
            built[key] = _typed(f"{kind.__name__}.{key}", value, default)
    return kind(**built)


def _typed(name: str, value: Any, default: Any) -> Any:
    """Value of the type of a default; whole numbers may be written as 2e6."""
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{name}: got {value!r}, must be a list of integers")
        return tuple(_typed(name, entry, 0) for entry in value)
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{name}: got {value!r}, allowed are true and false")
    if isinstance(default, str):
        if isinstance(value, str):
            return value
        raise ConfigError(f"{name}: got {value!r}, must be a text")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ConfigError(f"{name}: got {value!r}, must be a finite number")
    if isinstance(default, int):
        if value != int(value):
            raise ConfigError(f"{name}: got {value!r}, must be an integer")
        return int(value)
    return float(value)


def to_dict(config: Any) -> dict[str, Any]:
    """Plain values of a config, ready for JSON."""
    return dataclasses.asdict(config)


def to_json(config: Any) -> str:
    """JSON text of a config, keys in the order of the dataclass."""
    return json.dumps(to_dict(config))


def load_toml(path: str | Path, changes: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a training preset.

    A preset may name another one in its folder as `base`, and state only what differs.

    Parameters
    ----------
    path : TOML file
    changes : values by dotted key, as in "loss.rate"; the last word, all at once

    Raises
    ------
    ConfigError : unreadable TOML, a key that no field has, or a value out of range
    """
    values = _values(Path(path), ())
    for key, value in (changes or {}).items():
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        values = _merged(values, nested)
    return from_dict(TrainConfig, values)


def _values(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path in above:
        raise ConfigError(f"preset {path}: builds on itself")
    try:
        import tomllib  # presets alone need it

        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # not there, not UTF-8, or not TOML
        raise ConfigError(f"preset {path}: {in_words(error)}") from error
    base = values.pop("base", "")
    if not isinstance(base, str):
        raise ConfigError(f"preset {path}: base: got {base!r}, must be the name of a preset")
    if not base:
        return values
    return _merged(_values(path.with_name(f"{base}.toml"), (*above, path)), values)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged
