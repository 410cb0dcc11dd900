"""Names that Windows keeps for devices or cannot store, to be rejected in one sentence."""

from __future__ import annotations

import os
from pathlib import PureWindowsPath

__all__ = ["refusal"]

WINDOWS = os.name == "nt"

_NUMBERS = "0123456789¹²³"
_DEVICES = {
    *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
    *(f"{port}{number}" for port in ("COM", "LPT") for number in _NUMBERS),
}
_FORBIDDEN = frozenset('<>:"|?*')


def refusal(path: str | os.PathLike[str]) -> str | None:
    """Say what is wrong with a path on the system at hand; None if nothing is.

    Without this, to read from CON would wait for the keyboard, to write to NUL would lose the
    result, and what follows a colon would land in a stream that no program shows.

    Microsoft, "Naming Files, Paths, and Namespaces".
    """
    if not WINDOWS:
        return None
    found = PureWindowsPath(path)
    for part in found.parts[1:] if found.anchor else found.parts:
        if part.split(".")[0].rstrip(" ").upper() in _DEVICES:
            return f"Windows keeps the name {part} for a device"
        wrong = next((char for char in part if char in _FORBIDDEN or ord(char) < 32), None)
        if wrong is not None:
            return f"Windows allows no {wrong!r} in the name {part}"
        if part != ".." and part[-1] in " .":
            return f"Windows drops the end of the name {part}"
    return None
