"""Log of a run, numbers and images: stats.jsonl, samples, TensorBoard where it is installed."""

from __future__ import annotations

import importlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from e2style.images import to_uint8

log = logging.getLogger(__name__)


class RunLog:
    """Collects means between reports and writes them.

    Parameters
    ----------
    folder : run folder; an existing stats.jsonl is cut back to `images` and continued
    images : images seen when the run starts or resumes
    """

    def __init__(self, folder: Path, images: int) -> None:
        self.path = folder / "stats.jsonl"
        self.folder = folder
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._waiting: list[tuple[list[str], Tensor]] = []
        if self.path.exists():
            rows = [_row(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
            kept = [json.dumps(row) for row in rows if row and row["images"] <= images]
            self.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        self._board = _tensorboard(folder)

    def add(self, names: list[str], values: Tensor) -> None:
        """Add one observation of each named number; they stay on their device until a report."""
        self._waiting.append((names, values.detach()))

    def _collect(self) -> None:
        """Fetch what was added since the last report, at once."""
        if not self._waiting:
            return
        rows = torch.stack([values for _, values in self._waiting]).tolist()
        for (names, _), row in zip(self._waiting, rows, strict=True):
            for name, value in zip(names, row, strict=True):
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1
        self._waiting.clear()

    def report(self, images: int, **extra: float) -> dict[str, float]:
        """Write the means since the last report as one JSON line."""
        self._collect()
        row: dict[str, float] = {"images": images}
        row |= {name: self._sums[name] / self._counts[name] for name in self._sums} | extra
        self._sums.clear()
        self._counts.clear()
        self._write(row, "")
        return row

    def validation(self, images: int, values: dict[str, float]) -> dict[str, float]:
        """Write losses of the validation set as one JSON line; names gain `validation_`."""
        row = {"images": images} | {f"validation_{name}": v for name, v in values.items()}
        self._write(row, "validation/")
        return row

    def _write(self, row: dict[str, float], folder: str) -> None:
        log.info("%s", row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 6) for k, v in row.items()}) + "\n")
        if self._board is not None:
            for name, value in row.items():
                tag = folder + name.removeprefix("validation_")
                self._board.add_scalar(tag, value, row["images"])

    def close(self) -> None:
        """Write what TensorBoard still holds back."""
        if self._board is not None:
            self._board.close()

    def grid(self, images: int, *columns: Tensor) -> None:
        """Save images B 3 S S in [-1, 1], one row a sample, one column an argument."""
        rows = [
            np.concatenate(list(row), axis=1) for row in zip(*map(to_uint8, columns), strict=True)
        ]
        image = np.concatenate(rows, axis=0)
        Image.fromarray(image).save(self.folder / f"samples-{images:09d}.png")
        if self._board is not None:
            self._board.add_image("samples", image, images, dataformats="HWC")


def last_row(folder: Path) -> dict[str, float]:
    """Latest report of the training losses in a run folder; empty where there is none."""
    path = folder / "stats.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = (_row(line) for line in reversed(lines))
    return next((row for row in rows if row and "total" in row), {})


def _row(line: str) -> dict[str, float] | None:
    """One line of the log, or None for one that was cut off in the middle."""
    try:
        row: dict[str, float] = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row


def _tensorboard(folder: Path) -> Any:
    """A SummaryWriter, or None where tensorboard is not installed."""
    try:
        module = importlib.import_module("torch.utils.tensorboard")
    except ImportError:
        log.info("tensorboard is not installed; numbers go to stats.jsonl only")
        return None
    return module.SummaryWriter(str(folder))
