"""Journal of a list of work, by which the same command resumes where it stopped.

The journal lies beside its list, one JSON object a line, and only its owner can read it.  It holds
neither passphrases nor a hash of a secret.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli.manifest import Row
from deephide.errors import OutputError

__all__ = ["Journal", "digest", "state"]


class Journal:
    """The finished rows of one list.

    Parameters
    ----------
    manifest : the list; the journal's name is its name with ".journal" behind
    settings : everything that the results depend on besides the files of a row
    recognise : returns what identifies the content of an output, `digest` or `state`
    forget : begin anew

    Raises
    ------
    OutputError : it cannot be read or written
    """

    def __init__(
        self,
        manifest: str,
        settings: dict[str, Any],
        recognise: Callable[[str], Any],
        *,
        forget: bool = False,
    ) -> None:
        self.path = Path(f"{manifest}.journal")
        self._settings = settings
        self._recognise = recognise
        flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if forget else 0)
        try:
            with open(os.open(self.path, flags, 0o600), encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self._torn = lines[-1] != ""
        self._begun: set[str] = set()
        self._done: dict[str, dict[str, Any]] = {}
        for line in lines:
            self._recall(line)

    def finished(self, row: Row) -> dict[str, Any] | None:
        """Return what was noted of a row, if its inputs and its output are as they were then."""
        note = self._done.get(self._key(row))
        if note is None or note["output"] != self._recognise(row.output):
            return None
        report: dict[str, Any] = note["report"]
        return report

    def begin(self, row: Row) -> bool:
        """Note that a row is begun; return whether its output was left by an interrupted run.

        A run can be interrupted between the writing of a file and its entry in the journal.  Such a
        file may be replaced; one that was there before the row was begun may not.

        Raises
        ------
        OutputError : it cannot be written
        """
        key = self._key(row)
        if os.path.lexists(row.output):
            return key in self._begun
        self._write({"key": key, "event": "begun"})
        return False

    def end(self, row: Row, report: dict[str, Any] | None) -> None:
        """Note that a row is done, or without a report that it failed; on the disk on return.

        Raises
        ------
        OutputError : it cannot be written
        """
        note: dict[str, Any] = {"key": self._key(row), "event": "failed"}
        if report is not None:
            note |= {"event": "done", "output": self._recognise(row.output), "report": report}
        self._write(note)

    def _write(self, note: dict[str, Any]) -> None:
        # A line that a power cut has torn must not swallow the next one.
        text = ("\n" if self._torn else "") + json.dumps(note) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error
        self._torn = False

    def _recall(self, line: str) -> None:
        try:
            note = json.loads(line)
            key, event = str(note["key"]), note["event"]
            if event == "done":
                self._done[key] = {"output": note["output"], "report": dict(note["report"])}
        except (ValueError, KeyError, TypeError, RecursionError):
            return  # torn by a power cut
        if event == "begun":
            self._begun.add(key)
        else:
            self._begun.discard(key)

    def _key(self, row: Row) -> str:
        """Return a key of the row that changes with everything its result depends on."""
        inputs = {name: state(path) for name, path in row.files.items() if name != "output"}
        parts = [row.files, row.recipients, inputs, self._settings]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _unwritable(self, error: OSError) -> OutputError:
        reason = (error.strerror or "unknown reason").lower()
        return OutputError(
            f"the journal {self.path} cannot be written: {reason}",
            hint="put the list into a folder of your own",
        )


def state(path: str) -> list[int] | None:
    """Return size and time of change in nanoseconds, as `make` would look at a file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def digest(path: str) -> str | None:
    """Return the SHA-256 of a file; not to be used for a secret, which a hash would confirm."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
