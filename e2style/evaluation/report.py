"""An evaluation as files: JSON, CSV, Markdown and a page of HTML with images."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2style.errors import ConfigError, OutputError
from e2style.evaluation.histograms import histograms
from e2style.evaluation.measure import TITLES, Evaluation
from e2style.files import in_words
from e2style.metrics.spread import ROUNDS, Mean

__all__ = ["as_json", "as_markdown", "as_rows", "as_text", "write_report"]

FILES = ("evaluation.json", "pictures.csv", "evaluation.md", "evaluation.html")


def as_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """One row per metric of TITLES: its mean, interval and count, or why it is missing."""
    rows = []
    for key, title in TITLES.items():
        row = {"title": title, "mean": "", "interval": "", "count": "", "missing": ""}
        if key in evaluation.means:
            found = evaluation.means[key]
            row |= {
                "mean": _number(found.mean),
                "interval": _interval(found),
                "count": str(found.count),
            }
        else:
            row["missing"] = evaluation.missing.get(key, "")
        rows.append(row)
    return rows


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values, ready for JSON; what is not finite is null."""
    return {
        "about": evaluation.about,
        "means": {key: _plain(mean) for key, mean in evaluation.means.items()},
        "not_measured": evaluation.missing,
        "groups": {
            group: {key: _plain(mean) for key, mean in means.items()}
            for group, means in evaluation.groups.items()
        },
        "skipped": evaluation.skipped,
    }


def as_text(evaluation: Evaluation) -> str:
    """Table of means for a terminal."""
    rows = as_rows(evaluation)
    width = max(len(row["title"]) for row in rows)
    lines = [f"{key:{width}}  {value}" for key, value in evaluation.about.items()]
    for row in rows:
        value = f"{row['mean']:>7}  {row['interval']}"
        if row["missing"]:
            value = f"not measured: {row['missing']}"
        lines.append(f"{row['title']:{width}}  {value}".rstrip())
    return "\n".join(lines)


def as_markdown(evaluation: Evaluation) -> str:
    """Tables of means and of groups."""
    about = ", ".join(f"{key} {value}" for key, value in evaluation.about.items())
    lines = [about, "", "| metric | mean | 95 % interval | images |", "|---|---|---|---|"]
    for row in as_rows(evaluation):
        cells = (row["mean"], row["interval"], row["count"])
        if row["missing"]:
            cells = (f"not measured: {row['missing']}", "", "")
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    if evaluation.groups:
        keys = list(next(iter(evaluation.groups.values())))
        lines += ["", f"| group | images | {' | '.join(TITLES[key] for key in keys)} |"]
        lines.append("|---" * (len(keys) + 2) + "|")
        for group in _groups(evaluation):
            lines.append(f"| {group['name']} | {group['count']} | {' | '.join(group['cells'])} |")
    return "\n".join(lines) + "\n"


def write_report(evaluation: Evaluation, folder: str | Path) -> list[Path]:
    """Write the four files of FILES into a folder, which is made.

    Returns
    -------
    their paths

    Raises
    ------
    ConfigError : Jinja2 is not installed
    OutputError : the folder cannot be written to
    """
    texts = (
        json.dumps(as_json(evaluation), indent=1, allow_nan=False) + "\n",
        _csv(evaluation.rows),
        as_markdown(evaluation),
        _html(evaluation),
    )
    paths = [Path(folder) / name for name in FILES]
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the output {folder} cannot be written: {in_words(error)}") from error
    return paths


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _html(evaluation: Evaluation) -> str:
    try:
        import jinja2
    except ImportError as error:
        raise ConfigError(
            "a report needs Jinja2; install the extra: pip install 'deephide[train]'"
        ) from error
    source = (resources.files("e2style.templates") / "evaluation.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(source)
    keys = list(next(iter(evaluation.groups.values()), {}))
    grid = {
        kind: [
            {
                "name": shown.name,
                "original": _data_url(shown.original),
                "generated": _data_url(shown.generated),
                "caption": _caption(shown.values),
            }
            for shown in images
        ]
        for kind, images in evaluation.grid.items()
    }
    return template.render(
        about=evaluation.about,
        table=as_rows(evaluation),
        groups=_groups(evaluation),
        group_titles=[TITLES[key] for key in keys],
        grid=grid,
        skipped=evaluation.skipped,
        plots=[
            {"title": title, "text": text, "svg": svg}
            for title, text, svg in histograms(evaluation.rows)
        ],
        rounds=f"{ROUNDS:,}",
    )


def _groups(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "count": next(iter(means.values())).count,
            "cells": [_number(mean.mean) for mean in means.values()],
        }
        for name, means in evaluation.groups.items()
    ]


def _caption(values: dict[str, float]) -> str:
    """Values beside an image: the most telling ones."""
    first = {"psnr": "PSNR", "ssim": "SSIM", "lpips": "LPIPS", "ids": "IDS", "ids_dlib": "dlib"}
    known = ((name, values[key]) for key, name in first.items() if key in values)
    return ", ".join(f"{name} {_number(value)}" for name, value in known)


def _data_url(image: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _plain(mean: Mean) -> dict[str, float | None]:
    values = dataclasses.asdict(mean)
    return {key: v if math.isfinite(v) else None for key, v in values.items()}


def _number(value: float) -> str:
    """Three digits behind the point, fewer where the number is large."""
    if not math.isfinite(value):
        return "–"
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 0
    return f"{value:.{digits}f}"


def _interval(found: Mean) -> str:
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return ""
    return f"{_number(found.low)} to {_number(found.high)}"
