"""Lists of work: CSV with a header (comma, semicolon or tab) or JSON Lines, one row a photo.

Columns of other names are for whoever keeps the list, and are not looked at.

Names in a list are looked up from the folder that the list is in.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

__all__ = ["EMBED", "EXTRACT", "Columns", "Row", "read_manifest"]

MAX_BYTES = 64 << 20
_ALIKE = 0.8  # of two names of columns, one of which is a slip


@dataclass(frozen=True)
class Columns:
    """Columns of a list; all but `recipients` are files.

    Parameters
    ----------
    inputs : read, and never written
    keys : may be left out; a row that has one of them has keys of its own
    """

    inputs: tuple[str, ...]
    keys: tuple[str, ...]
    output: str = "output"

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns without which there is no row."""
        return (*self.inputs, self.output)


EMBED = Columns(("secret", "carrier"), ("passphrase_file", "key_file", "recipients"))
EXTRACT = Columns(("stego",), ("passphrase_file", "key_file", "identity"))


@dataclass(frozen=True)
class Row:
    """One row: its number, counted from 1 without the header, its files, and the public keys."""

    number: int
    files: dict[str, str]
    recipients: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """The file to write."""
        return self.files["output"]

    @property
    def has_keys(self) -> bool:
        """Whether the row says itself who can extract."""
        return bool(self.recipients) or bool(
            {"passphrase_file", "key_file", "identity"} & {*self.files}
        )


def read_manifest(path: str, columns: Columns) -> list[Row]:
    """Return the rows of a list that can be worked off in any order.

    Parameters
    ----------
    path : ends in .csv, .jsonl or .ndjson
    columns : what the rows may say

    Raises
    ------
    click.UsageError : names the list, the row and what is wrong with it
    """
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise _wrong(path, f"its name must end in one of {', '.join(readers)}")
    rows = []
    for number, raw in reader(path, _text(path)):
        rows.append(_row(path, number, raw, columns))
    if not rows:
        raise _wrong(path, "it has no rows")
    _check_files(path, rows, columns)
    return rows


def _wrong(path: str, what: str, number: int | None = None) -> click.UsageError:
    place = (
        f"{click.format_filename(path)}, row {number}" if number else click.format_filename(path)
    )
    return click.UsageError(f"{place}: {what}")


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(
            path, f"cannot be read: {(error.strerror or 'unknown reason').lower()}"
        ) from error
    if len(raw) > MAX_BYTES:
        raise _wrong(path, f"it has more than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(path, "it is not UTF-8 text") from None
    if "\0" in text:
        raise _wrong(path, "it is not text: it has zero bytes")
    return text


def _csv_rows(path: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # A first line for spreadsheets alone: "sep=;" says what they are to separate cells by.
    said = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)
    separator = said[1] if said else _separator(text)
    text = text[said.end() :] if said else text
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        named = [cell for cell in header if cell]
        if len({*named}) != len(named):
            raise _wrong(path, "two columns of its header have the same name")
        filled = (cells for cells in reader if cells)
        for number, cells in enumerate(filled, 1):
            while len(cells) > len(header) and not cells[-1].strip():  # spreadsheets add them
                del cells[-1]
            if len(cells) != len(header):
                raise _wrong(path, f"{len(cells)} cells, the header has {len(header)}", number)
            pairs = zip(header, cells, strict=True)
            yield number, {name: cell for name, cell in pairs if cell and name}
    except csv.Error as error:
        raise _wrong(path, f"line {reader.line_num} is no CSV: {error}") from error


def _separator(text: str) -> str:
    """Return what stands most often between the names of a header: a comma, as a rule."""
    header = text.lstrip().partition("\n")[0]
    return max(",;\t", key=header.count)


def _json_rows(path: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = (line for line in text.splitlines() if line.strip())
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise _wrong(path, "not a JSON object on one line", number)
        yield number, found


def _row(path: str, number: int, raw: dict[str, Any], columns: Columns) -> Row:
    raw = _known(path, number, raw, columns)
    for name in columns.needed:
        if not raw.get(name):
            raise _wrong(path, f"there is no {name}", number)
    given = raw.get("recipients") or []
    recipients = given.split() if isinstance(given, str) else given
    if not (isinstance(recipients, list) and all(isinstance(key, str) for key in recipients)):
        raise _wrong(path, "recipients: allowed are a text or a list of texts", number)
    files = {name: value for name, value in raw.items() if name != "recipients" and value}
    for name, value in files.items():
        if not isinstance(value, str) or "\0" in value:
            raise _wrong(path, f"{name}: {value!r} is no file name", number)
    folder = Path(path).parent
    return Row(
        number, {name: str(folder / each) for name, each in files.items()}, tuple(recipients)
    )


def _known(path: str, number: int, raw: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """Return what a row says in known columns; others are not looked at, unless it is misspelt."""
    known = (*columns.needed, *columns.keys)
    found: dict[str, Any] = {}
    for name, value in raw.items():
        plain = re.sub(r"[\s-]+", "_", name.strip().lower())
        if plain in known:
            if plain in found:
                raise _wrong(path, f"column {name!r} is there twice", number)
            found[plain] = value
        elif close := difflib.get_close_matches(plain, known, 1, _ALIKE):
            # A key that is overlooked would leave the row to whoever has the others' key.
            raise _wrong(path, f"column {name!r}: is it meant to be {close[0]!r}?", number)
    return found


def _check_files(path: str, rows: list[Row], columns: Columns) -> None:
    """Reject a list in which one row writes what another one reads or writes."""
    read = {_same(path): "the list itself"}
    for row in rows:
        for name, file in row.files.items():
            if name != columns.output:
                read[_same(file)] = f"the {name} of row {row.number}"
    written: dict[str, int] = {}
    for row in rows:
        place = _same(row.output)
        if place in read:
            raise _wrong(path, f"its output {row.output} is {read[place]}", row.number)
        if place in written:
            what = f"its output {row.output} is that of row {written[place]}, too"
            raise _wrong(path, what, row.number)
        written[place] = row.number


def _same(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))
