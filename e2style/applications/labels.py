"""Labels of images from any CSV: one column names the files, another says what they show."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from e2style.errors import DataError
from e2style.files import in_words

__all__ = ["read_labels", "sides"]

FILES = ("file", "filename", "image", "image_id", "name", "path", "id")
YES = {"1", "true", "yes", "y"}
NO = {"0", "-1", "false", "no", "n"}


def read_labels(path: str | Path, column: str) -> dict[str, float]:
    """Numbers of a column by the name of the file, without folder and suffix.

    Lists like CelebA's work, as do plain numbers (an age, an angle) and yes or no. Rows without a
    value are left out. The column of files is the first of the usual names, else the first one.

    Raises
    ------
    DataError : unreadable, no such column, or a value that is no number
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = list(rows.fieldnames or ())
            if column not in columns:
                there = ", ".join(columns[:40]) or "none"
                raise DataError(f"labels {path}: no column {column!r}; there are {there}")
            lower = {name.lower(): name for name in reversed(columns)}
            key = next((lower[name] for name in FILES if name in lower), columns[0])
            found = {}
            for row in rows:
                text = (row[column] or "").strip()
                if text and row[key]:
                    found[Path(row[key]).stem] = _number(text, path, column)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"labels {path}: {in_words(error)}") from error
    if not found:
        raise DataError(f"labels {path}: the column {column!r} is empty")
    return found


def _number(text: str, path: str | Path, column: str) -> float:
    if text.lower() in YES | NO:
        return float(text.lower() in YES)
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"labels {path}: {text!r} in the column {column!r} is no number") from error


def sides(labels: dict[str, float], names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names with an attribute, and names without it.

    Of two values the higher one; of numbers the highest third and the lowest third.

    Parameters
    ----------
    labels : of `read_labels`
    names : of images; those without a label are left out

    Raises
    ------
    DataError : fewer than two images on a side
    """
    known = sorted((labels[Path(name).stem], name) for name in names if Path(name).stem in labels)
    values = [value for value, _ in known]
    if len(set(values)) == 2:
        low, high = min(values), max(values)
    else:
        third = (len(values) - 1) // 3
        low, high = (values[third], values[-1 - third]) if values else (0.0, 0.0)
    positive = [name for value, name in known if value >= high]
    negative = [name for value, name in known if value <= low]
    if low == high or min(len(positive), len(negative)) < 2:
        raise DataError(
            f"labels: of {len(known)} images with a label {len(positive)} have the attribute and "
            f"{len(negative)} have not; two of each are needed"
        )
    return positive, negative
