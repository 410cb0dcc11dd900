"""Models that a user added with `deephide models add`: their folder and their notes.

The folder holds, for each of them, the file `FINGERPRINT.safetensors` and the note
`FINGERPRINT.json` with its name, its SHA-256 and a sketch of the image that it generates.
Reading the notes loads no torch.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Added", "added_models", "folder"]

NOTE = ".json"
FILE = ".safetensors"

_HASH = re.compile(r"[0-9a-f]{64}")
_SKETCH = re.compile(r"[0-9a-f]{96}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Added:
    """One model of the user.

    `fingerprint` and `sha256` are hexadecimal, and so is `sketch`, which is what
    `e2style.checkpoints.verification.load_and_sketch` gave when it was added.
    """

    name: str
    fingerprint: str
    sha256: str
    sketch: str
    path: Path


def folder() -> Path:
    """Return where models are added: DEEPHIDE_MODEL_DIR, or else the user's folder for data."""
    named = os.environ.get("DEEPHIDE_MODEL_DIR")
    if named:
        return Path(named)
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "deephide" / "models"


def added_models() -> list[Added]:
    """Return what the notes in the folder say, by name; a damaged note is logged and left out."""
    try:
        notes = [path for path in folder().iterdir() if path.suffix == NOTE]
    except OSError:
        return []
    found = [_read(path) for path in notes if _HASH.fullmatch(path.stem)]
    return sorted((each for each in found if each is not None), key=lambda each: each.name)


def _read(note: Path) -> Added | None:
    try:
        fields: Any = json.loads(note.read_text(encoding="utf-8"))
        name, sha256, sketch = str(fields["name"]), fields["sha256"], fields["sketch"]
        if not (_HASH.fullmatch(sha256) and _SKETCH.fullmatch(sketch)):
            raise ValueError("not as it was written")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        _log.warning("the note %s is damaged; its model is left out", note)
        return None
    return Added(name, note.stem, sha256, sketch, note.with_suffix(FILE))
