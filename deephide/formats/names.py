"""Names of files: those that Windows cannot store, and those that travel with a hidden file."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PureWindowsPath

__all__ = ["MAX_NAME_BYTES", "is_portable", "portable", "refusal"]

MAX_NAME_BYTES = 128

WINDOWS = os.name == "nt"

_NUMBERS = "0123456789¹²³"
_DEVICES = {
    *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
    *(f"{port}{number}" for port in ("COM", "LPT") for number in _NUMBERS),
}
_FORBIDDEN = frozenset('<>:"|?*')
# Of a name that travels: what is a path to some system, moves a cursor, or turns text around.
_UNPORTABLE = re.compile(
    r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
)
_FIRST, _LAST = ".- ~", ". "


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
        if _is_device(part):
            return f"Windows keeps the name {part} for a device"
        wrong = next((char for char in part if char in _FORBIDDEN or ord(char) < 32), None)
        if wrong is not None:
            return f"Windows allows no {wrong!r} in the name {part}"
        if part != ".." and part[-1] in " .":
            return f"Windows drops the end of the name {part}"
    return None


def is_portable(name: str) -> bool:
    """Say whether every system can store a name, and none takes it for anything but a name.

    This is what docs/format.md, section 9.3, demands of the name of a hidden file.

    Examples
    --------
    >>> [is_portable(name) for name in ("report.pdf", "../report.pdf", ".bashrc", "con.txt")]
    [True, False, False, False]
    """
    if not name or _UNPORTABLE.search(name) or name[0] in _FIRST or name[-1] in _LAST:
        return False
    return len(name.encode()) <= MAX_NAME_BYTES and not _is_device(name)


def portable(name: str) -> str:
    """Return a name with all that is not portable left out or replaced; "" if nothing is left.

    Examples
    --------
    >>> portable("/home/jo/.bash: history?")
    'bash_ history_'
    >>> portable("con.txt"), portable("..")
    ('_con.txt', '')
    """
    last = re.split(r"[/\\]", name)[-1]
    clean = _UNPORTABLE.sub("_", unicodedata.normalize("NFC", last))
    clean = clean.lstrip(_FIRST).rstrip(_LAST)
    if _is_device(clean):
        clean = f"_{clean}"
    stem, dot, suffix = clean.rpartition(".")
    if not stem or len(suffix.encode()) > MAX_NAME_BYTES // 4:
        stem, dot, suffix = clean, "", ""
    room = MAX_NAME_BYTES - len((dot + suffix).encode())
    cut = stem.encode()[:room].decode(errors="ignore")
    return f"{cut}{dot}{suffix}".rstrip(_LAST)


def _is_device(name: str) -> bool:
    return name.split(".", maxsplit=1)[0].rstrip(" ").upper() in _DEVICES
