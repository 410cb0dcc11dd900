"""Aligned images from a folder or a zip, decoded once and kept small in memory."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2style.data.archive import UNREADABLE, Archive, decode, why
from e2style.errors import DataError

log = logging.getLogger(__name__)


class FaceSet:
    """All images of a source as one uint8 array.

    Parameters
    ----------
    path : folder or zip
    side : images are resized to (side, side)
    every : take every n-th member only
    hold_out : > 0 leaves out every n-th of these, which `every=n` takes
    limit : take at most so many of these, evenly spread; None means all
    fit : of images that are not square; see `e2style.data.archive.decode`

    Attributes
    ----------
    images : (N, side, side, 3) uint8, RGB
    names : N member names
    groups : N group labels, from an `index.csv` beside the source (columns file, set,
        folder), else the parent folder
    skipped : names of members that could not be decoded

    Raises
    ------
    DataError : neither folder nor zip, or no image in it can be read
    """

    def __init__(
        self,
        path: str | Path,
        side: int,
        *,
        every: int = 1,
        hold_out: int = 0,
        limit: int | None = None,
        fit: str = "stretch",
    ) -> None:
        self.names: list[str] = []
        self.skipped: list[str] = []
        decoded = []
        archive = Archive(path)
        names = archive.names[::every]
        if hold_out:
            names = [name for k, name in enumerate(names) if k % hold_out]
        count = len(names) if limit is None else min(limit, len(names))
        for name in (names[k] for k in evenly(len(names), count)):
            try:
                decoded.append(decode(archive.read(name), side, fit=fit))
            except UNREADABLE as error:
                log.warning("%s is skipped: %s", name, why(error))
                self.skipped.append(name)
                continue
            self.names.append(name)
        archive.close()
        if not decoded:
            raise DataError(f"data {path}: no image could be read")
        self.images = np.stack(decoded)
        self.groups = groups_of(Path(path), self.names)

    def __len__(self) -> int:
        return len(self.names)

    def weights(self, *, balance: bool) -> Tensor:
        """(N,) sampling weights; `balance` draws groups by the square root of their size."""
        if not balance:
            return torch.ones(len(self), dtype=torch.float64)
        return group_weights(self.groups)

    def batch(self, indices: Tensor, flips: Tensor | None = None) -> Tensor:
        """Images by index -> B 3 side side float in [-1, 1], channels_last."""
        chosen = torch.from_numpy(self.images[indices.numpy()]).permute(0, 3, 1, 2)
        x = chosen.float() / 127.5 - 1
        if flips is not None:
            x = torch.where(flips[:, None, None, None], x.flip(3), x)
        return x.contiguous(memory_format=torch.channels_last)


def evenly(total: int, count: int) -> NDArray[np.int64]:
    """Return `count` different places out of `total`, evenly spread, first and last among them."""
    return np.linspace(0, total - 1, count).astype(np.int64)


def group_weights(groups: list[str]) -> Tensor:
    """(N,) float64 weights that draw groups by the square root of their size."""
    sizes = Counter(groups)
    return torch.tensor([sizes[g] ** -0.5 for g in groups], dtype=torch.float64)


def groups_of(path: Path, names: list[str]) -> list[str]:
    """Group of each name: from an `index.csv` beside the source, else the parent folder."""
    index = path.parent / "index.csv"
    known: dict[str, str] = {}
    if path.is_file() and index.is_file():
        with index.open(newline="", encoding="utf-8") as file:
            known = {row["file"]: f"{row['set']}/{row['folder']}" for row in csv.DictReader(file)}
    return [known.get(Path(name).name, str(Path(name).parent)) for name in names]
