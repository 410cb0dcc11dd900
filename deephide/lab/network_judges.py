"""Verdicts of networks: one training for each condition, from the highest payload down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.errors import InputImageError
from deephide.lab.conditions import COVER, Condition
from deephide.lab.covers import groups_of
from deephide.lab.journal import COLUMNS, Experiment, load
from deephide.lab.neural.architectures import ARCHITECTURES
from deephide.lab.neural.training import Pairs, Plane, Training, device_of, fit, scores
from deephide.lab.protocol import Verdict, judge_no_scores, judge_scores, splits

__all__ = ["NETWORKS", "judge_networks"]

NETWORKS = tuple(ARCHITECTURES)
_CHECKED = 0.2  # of the photos on the side that is learnt from
_LEAST_PHOTOS = 4

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _KeptPairs(Sequence[tuple[Plane, Plane]]):
    """Covers and stegos of a condition, read when they are needed."""

    experiment: Experiment
    condition: Condition
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> tuple[Plane, Plane]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[Plane, Plane]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> tuple[Plane, Plane] | Sequence[tuple[Plane, Plane]]:
        if isinstance(index, slice):
            return _KeptPairs(self.experiment, self.condition, self.names[index])
        name = self.names[index]
        return self._read(Condition(COVER), name), self._read(self.condition, name)

    def _read(self, condition: Condition, name: str) -> Plane:
        with Image.open(self.experiment.image(condition, name)) as image:
            return np.asarray(image)


def judge_networks(
    experiment: Experiment,
    names: Sequence[str],
    detectors: Sequence[str],
    training: Training,
    progress: Callable[[int, int], None],
) -> dict[str, dict[Condition, Verdict]]:
    """Train networks for every condition of an experiment whose stegos are all there.

    Photos are split as for the first split of the other detectors; a fifth of those that are
    learnt from decides which state of a network is kept.  Among the payloads of one scheme the
    highest comes first, and each network starts from the one before.

    Parameters
    ----------
    experiment : what `journal.collect` was given, with its stegos kept, of luma alone
    names : of the covers
    detectors : of NETWORKS
    training : how long and where
    progress : called with (steps done, steps in all)

    Returns
    -------
    verdicts : for each detector and condition

    Raises
    ------
    CheckpointError : weights or a snapshot cannot be used
    InputImageError : the covers are of too few photos
    OutputError : a snapshot is of another training
    ValueError : an experiment in colour
    """
    if not detectors:
        return {}
    if experiment.colour:
        raise ValueError("colour: networks see luma alone")
    groups = groups_of(names)
    parts = _parts(groups, experiment.seed)
    total = len(detectors) * (len(experiment.conditions) - 1) * training.steps
    before = 0
    found: dict[str, dict[Condition, Verdict]] = {}
    device = device_of(training.device)
    for detector in detectors:
        verdicts: dict[Condition, Verdict] = {}
        for _, payloads in groupby(_ordered(experiment, names), key=lambda each: each.scheme):
            network = None
            for condition in payloads:
                kept = np.isfinite(load(experiment, condition, names)[:, 0])
                learnt, checked, tested = (_pairs(experiment, condition, names, kept & part)
                                           for part in parts)  # fmt: skip
                network = fit(
                    detector,
                    learnt,
                    checked,
                    training,
                    experiment.seed,
                    experiment.folder / "networks" / detector / f"{condition.name}.pt",
                    start=network,
                    progress=_after(before, total, progress),
                )
                before += training.steps
                covers, stegos = (
                    scores(network, side, device) for side in zip(*tested, strict=True)
                )
                photos = groups[kept & parts[2]]
                verdicts[condition] = judge_scores(covers, stegos, photos, experiment.seed)
                # What no network can tell apart shows what the best of all thresholds is worth.
                verdicts.setdefault(Condition(COVER), judge_no_scores(covers, experiment.seed))
        found[detector] = verdicts
    return found


def _after(
    before: int, total: int, progress: Callable[[int, int], None]
) -> Callable[[int, int], None]:
    return lambda done, _: progress(before + done, total)


def _parts(groups: NDArray[np.intp], seed: int) -> tuple[Mask, Mask, Mask]:
    """Return masks of the covers to learn from, to check and to test, each photo in one."""
    photos = len(np.unique(groups))
    if photos < _LEAST_PHOTOS:
        raise InputImageError(
            f"networks need covers of at least {_LEAST_PHOTOS} photos: got {photos}",
            hint="parts of one photo lie in one folder, others each in their own or in none",
        )
    rng = np.random.default_rng(seed)
    learnt = next(splits(groups, rng))
    inside = rng.permutation(np.unique(groups[learnt]))
    checked = np.isin(groups, inside[: max(round(_CHECKED * inside.size), 1)])
    return learnt & ~checked, checked, ~learnt


def _ordered(experiment: Experiment, names: Sequence[str]) -> list[Condition]:
    """Return the conditions by scheme, and of each the largest payload first."""
    schemes = [each.scheme for each in experiment.conditions]

    def key(condition: Condition) -> tuple[int, float]:
        bits = load(experiment, condition, names)[:, COLUMNS["bits"]]
        return schemes.index(condition.scheme), -float(np.nan_to_num(bits).max())

    stegos = [each for each in experiment.conditions if each.scheme != COVER]
    return sorted(stegos, key=key)


def _pairs(experiment: Experiment, condition: Condition, names: Sequence[str], part: Mask) -> Pairs:
    used = [name for name, inside in zip(names, part, strict=True) if inside]
    if not used:
        raise InputImageError(f"{condition.name}: too few covers can hold the payload")
    return _KeptPairs(experiment, condition, used)
