"""Everything that a run needs to go on exactly where it stopped; the only caller of torch.save."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from e2style.errors import CheckpointError

log = logging.getLogger(__name__)


class TrainingState:
    """Named modules and optimisers with one counter, saved and restored together.

    Randomness is not stored: the loop seeds every step from (seed, images seen).

    Parameters
    ----------
    folder : run folder; snapshots are `state-<images>.pt` in it
    parts : anything with state_dict and load_state_dict, by name
    keep : snapshots that stay
    """

    def __init__(self, folder: Path, parts: dict[str, Any], keep: int = 2) -> None:
        self.folder = folder
        self.parts = parts
        self.keep = keep
        self.images = 0

    def save(self) -> Path:
        """Write a snapshot under a temporary name, rename it, drop the oldest."""
        path = self.folder / f"state-{self.images:09d}.pt"
        partial = path.with_suffix(".partial")
        state = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save({"images": self.images, "parts": state}, partial)
        os.replace(partial, path)
        for old in self.snapshots(self.folder)[: -self.keep]:
            old.unlink()
        return path

    def resume(self) -> bool:
        """Load the newest snapshot of the run folder; False where there is none."""
        found = self.snapshots(self.folder)
        if not found:
            return False
        self.load(found[-1])
        return True

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
        except (OSError, RuntimeError, KeyError, ValueError, EOFError) as error:
            raise CheckpointError(f"training state {path}: {error}") from error
        self.images = int(stored["images"])
        log.info("resumed from %s", path)

    @staticmethod
    def snapshots(folder: Path) -> list[Path]:
        """Snapshots of a run folder, oldest first."""
        return sorted(folder.glob("state-*.pt"))


def load_weights(module: nn.Module, run: Path, part: str = "average") -> None:
    """Fill a module from the newest snapshot of another run folder.

    Raises
    ------
    CheckpointError : no snapshot, or of another shape
    """
    found = TrainingState.snapshots(run)
    if not found:
        raise CheckpointError(f"init {run}: no state-*.pt in this folder")
    TrainingState(run, {part: module}).load(found[-1])
