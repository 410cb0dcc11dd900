"""Faces of several archives, drawn set by set in shares that are stated."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2style.data.faces import FaceSet
from e2style.errors import ConfigError, DataError


class FaceMix:
    """Aligned faces of one or several folders and zips, as one set.

    Parameters
    ----------
    paths : folders and zips, separated like entries of PATH
    side : images are resized to (side, side)
    shares : of the sets, as in "ffhq=0.6 studio=0.4"; sets that are not named are never drawn.
        Empty: every group by the square root of its size
    left_out : names of images that are left out

    Attributes
    ----------
    sets : (N,) name of the set of each image
    probabilities : (N,) float64, of drawing each image

    Raises
    ------
    DataError : no image can be read
    ConfigError : shares that cannot be read, or of a set that is not there
    """

    def __init__(
        self, paths: str, side: int, *, shares: str = "", left_out: Sequence[str] = ()
    ) -> None:
        self.parts = [FaceSet(path, side) for path in paths.split(os.pathsep) if path]
        if not self.parts:
            raise DataError("data: no folder or zip is given")
        self.skipped = [name for part in self.parts for name in part.skipped]
        self._gather()
        drawn = ~np.isin(self.names, list(left_out))
        self.probabilities = torch.from_numpy(_probabilities(self.sets, self.groups, drawn, shares))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def images(self) -> NDArray[np.uint8]:
        """(N, side, side, 3) uint8, a copy."""
        return np.concatenate([part.images for part in self.parts])

    def sample(self, count: int) -> FaceMix:
        """At most `count` different images, drawn by `probabilities` from a fixed seed."""
        possible = int((self.probabilities > 0).sum())
        source = torch.Generator().manual_seed(0)
        chosen = torch.multinomial(
            self.probabilities, min(count, possible), generator=source
        ).sort()[0]
        found = copy.copy(self)
        found.parts = []
        for part, start, end in zip(self.parts, self._starts, self._starts[1:], strict=False):
            mine = chosen[(chosen >= start) & (chosen < end)].numpy() - start
            taken = copy.copy(part)
            taken.images = part.images[mine]
            taken.names = [part.names[k] for k in mine]
            taken.groups = [part.groups[k] for k in mine]
            found.parts.append(taken)
        found._gather()
        found.probabilities = torch.full((len(found),), 1 / len(found), dtype=torch.float64)
        return found

    def _gather(self) -> None:
        self.names = [name for part in self.parts for name in part.names]
        self.groups = [group for part in self.parts for group in part.groups]
        self.sets = np.array([group.partition("/")[0] for group in self.groups])
        self._starts = np.cumsum([0, *map(len, self.parts)])

    def batch(self, indices: Tensor, flips: Tensor | None = None) -> Tensor:
        """Images by index -> B 3 side side float in [-1, 1], channels_last."""
        places = indices.numpy()
        part = np.searchsorted(self._starts, places, side="right") - 1
        stack = np.stack(
            [self.parts[p].images[k - self._starts[p]] for p, k in zip(part, places, strict=True)]
        )
        x = torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 127.5 - 1
        if flips is not None:
            x = torch.where(flips[:, None, None, None], x.flip(3), x)
        return x.contiguous(memory_format=torch.channels_last)


def names_in(path: str) -> list[str]:
    """Lines of a file of names; an empty path has none.

    Raises
    ------
    ConfigError : the file cannot be read
    """
    if not path:
        return []
    try:
        return Path(path).read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise ConfigError(f"held_out {path}: {error}") from error


def _probabilities(
    sets: NDArray[np.str_], groups: list[str], drawn: NDArray[np.bool_], shares: str
) -> NDArray[np.float64]:
    """Sets by their shares, and in a set its groups by the square root of their size."""
    sizes = Counter(group for group, taken in zip(groups, drawn, strict=True) if taken)
    found = np.array([sizes[g] ** -0.5 if t else 0.0 for g, t in zip(groups, drawn, strict=True)])
    if not found.any():
        raise DataError("data: every image is left out")
    if not shares:
        return _normalised(found)
    scaled = np.zeros_like(found)
    for name, share in _shares(shares).items():
        members = np.where(sets == name, found, 0.0)
        if not members.any():
            raise ConfigError(f"shares: no image of the set {name!r} can be drawn")
        scaled += share * members / members.sum()
    return _normalised(scaled)


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    summing: NDArray[np.float64] = weights / weights.sum()
    return summing


def _shares(text: str) -> dict[str, float]:
    try:
        found = {name: float(share) for name, share in (e.split("=") for e in text.split())}
    except ValueError:
        found = {}
    if not found or not all(0 < share < float("inf") for share in found.values()):
        raise ConfigError(
            f"shares: got {text!r}, needs sets and shares as in 'ffhq=0.6 studio=0.4'"
        )
    return found
