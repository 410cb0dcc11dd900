"""State of a training run, saved and resumed exactly; the only caller of torch.save."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from e2style.errors import CheckpointError
from e2style.files import in_words, replacing

log = logging.getLogger(__name__)


class TrainingState:
    """Named modules and optimisers with one counter, saved and restored together.

    Randomness is not stored: the loop seeds every step from (seed, images seen).

    Parameters
    ----------
    folder : run folder; snapshots are `state-<images>.pt` in it
    parts : anything with state_dict and load_state_dict, by name
    keep : snapshots that stay

    Attributes
    ----------
    images : images seen in this run
    inherited : images that the runs before it saw, along the chain of `init`
    skipped : names of images that could not be decoded
    """

    def __init__(self, folder: Path, parts: dict[str, Any], keep: int = 2) -> None:
        self.folder = folder
        self.parts = parts
        self.keep = keep
        self.images = 0
        self.inherited = 0
        self.skipped: set[str] = set()

    @property
    def path(self) -> Path:
        """File of a snapshot taken now."""
        return self.folder / f"state-{self.images:09d}.pt"

    def save(self) -> Path:
        """Write a snapshot under a temporary name, rename it, drop the oldest."""
        path = self.path
        state = {name: part.state_dict() for name, part in self.parts.items()}
        content = {
            "images": self.images,
            "inherited": self.inherited,
            "skipped": sorted(self.skipped),
            "parts": state,
        }
        with replacing(path) as partial, partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        for old in self.snapshots(self.folder)[: -self.keep]:
            old.unlink()
        return path

    def resume(self) -> bool:
        """Load the newest snapshot that is whole; False where there is none.

        Raises
        ------
        CheckpointError : there are snapshots, and none can be loaded
        """
        failure: CheckpointError | None = None
        for path in reversed(self.snapshots(self.folder)):
            try:
                self.load(path)
            except CheckpointError as error:
                log.warning("%s", error)
                failure = error
            else:
                return True
        if failure is not None:
            raise failure
        return False

    def load(self, path: Path) -> None:
        """Load one snapshot.

        Raises
        ------
        CheckpointError : the snapshot is damaged or of another model
        """
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(stored["parts"][name])
            self.images = int(stored["images"])
            self.inherited = int(stored.get("inherited", 0))
            self.skipped = set(map(str, stored.get("skipped", ())))
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise CheckpointError(f"training state {path}: {in_words(error)}") from error
        log.info("resumed from %s", path)

    @staticmethod
    def snapshots(folder: Path) -> list[Path]:
        """Snapshots of a run folder, oldest first."""
        return sorted(folder.glob("state-*.pt"))


def load_weights(module: nn.Module, run: Path, part: str = "average") -> int:
    """Fill a module from the newest snapshot of another run folder.

    Returns
    -------
    Images that were seen up to it, along the chain of runs.

    Raises
    ------
    CheckpointError : no snapshot, or of another shape
    """
    state = TrainingState(run, {part: module})
    if not state.resume():
        raise CheckpointError(f"run {run}: no state-*.pt in this folder")
    return state.images + state.inherited
