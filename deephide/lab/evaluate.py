"""Verdicts from kept features, and tables of verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from deephide.lab.attacks import ATTACKS
from deephide.lab.conditions import COVER, Condition
from deephide.lab.covers import groups_of
from deephide.lab.journal import COLUMNS, Experiment, load
from deephide.lab.protocol import Verdict, judge_attack, judge_features, judge_nothing
from deephide.psnr import psnr

__all__ = ["DETECTORS", "Row", "as_fields", "as_table", "evaluate"]

# Features per learner; none for an attack.
DETECTORS: dict[str, int | None] = {**dict.fromkeys(ATTACKS), "spam": 200, "rich": 250}


@dataclass(frozen=True, eq=False)
class Row:
    """What all detectors make of one condition.

    `samples` is the size of a cover, `bits` the mean payload, `change_rate` the mean share of
    changed samples, `psnr` that of all stegos together in dB; `skipped` covers could not take the
    payload and are left out.
    """

    condition: Condition
    covers: int
    skipped: int
    samples: int
    bits: float
    change_rate: float
    psnr: float
    verdicts: dict[str, Verdict]

    @property
    def alpha(self) -> float:
        """Bits per sample."""
        return self.bits / self.samples


def evaluate(
    experiment: Experiment,
    names: Sequence[str],
    detectors: Sequence[str],
    progress: Callable[[int, int], None],
    judged: Mapping[str, Mapping[Condition, Verdict]] | None = None,
) -> list[Row]:
    """Judge every condition of an experiment whose features are all there.

    Parameters
    ----------
    experiment : what `journal.collect` was given
    names : of the covers
    detectors : of DETECTORS
    progress : called with (conditions done, conditions in all)
    judged : verdicts of detectors that do not judge features

    Returns
    -------
    rows : the null row first
    """
    covers = load(experiment, Condition(COVER), names)
    groups = groups_of(names)
    rows = []
    for done, condition in enumerate(experiment.conditions):
        progress(done, len(experiment.conditions))
        stegos = load(experiment, condition, names)
        kept = np.isfinite(stegos[:, 0])
        pair, photos = (covers[kept], stegos[kept]), groups[kept]
        verdicts = {}
        for detector in detectors:
            column, dimension = COLUMNS[detector], DETECTORS[detector]
            before, after = (side[:, column] for side in pair)
            if dimension is None:
                before, after = before[:, 0], after[:, 0]
            if condition.scheme == COVER:
                verdict = judge_nothing(before, photos, experiment.seed, dimension)
            elif dimension is None:
                verdict = judge_attack(before, after, experiment.seed)
            else:
                verdict = judge_features(before, after, photos, experiment.seed, dimension)
            verdicts[detector] = verdict
        for detector, found in (judged or {}).items():
            verdicts[detector] = found[condition]
        samples, bits, rate, error = (
            float(pair[1][:, COLUMNS[name]].mean())
            for name in ("samples", "bits", "change_rate", "squared_error")
        )
        ratio = psnr(error)
        skipped = int(np.count_nonzero(~kept))
        facts = (round(samples), bits, rate, ratio)
        rows.append(Row(condition, len(names) - skipped, skipped, *facts, verdicts))
    progress(len(experiment.conditions), len(experiment.conditions))
    return rows


def as_table(rows: Sequence[Row]) -> str:
    """Return a Markdown table; behind each trained detector stands what chance looks like there."""
    detectors = list(rows[0].verdicts)
    heads = ["scheme", "payload", "covers", "bits", "change rate", "PSNR"]
    for detector in detectors:
        heads += [detector, "chance", "trained"] if _is_trained(detector) else [detector]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in rows:
        payload = "" if row.condition.payload is None else str(row.condition.payload)
        decibels = f"{row.psnr:.1f}" if np.isfinite(row.psnr) else ""
        cells = [row.condition.scheme, payload, f"{row.covers}"]
        cells += [f"{row.bits:.0f}", f"{row.change_rate:.4f}", decibels]
        for detector, verdict in row.verdicts.items():
            cells.append(_spread(verdict.errors) + _between(verdict.interval))
            if _is_trained(detector):
                cells += [_spread(verdict.chance), _spread(verdict.trained_errors)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _is_trained(detector: str) -> bool:
    """Networks stand in no table of features."""
    return DETECTORS.get(detector, 0) is not None


def _between(interval: tuple[float, float] | None) -> str:
    return f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{fmean(values):.3f}" + (f" ± {pstdev(values):.3f}" if len(values) > 1 else "")


def as_fields(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as what JSON can hold."""
    return [
        {
            "scheme": row.condition.scheme,
            "payload": None if row.condition.payload is None else str(row.condition.payload),
            "covers": row.covers,
            "skipped": row.skipped,
            "samples": row.samples,
            "bits": row.bits,
            "change_rate": row.change_rate,
            "psnr": row.psnr if np.isfinite(row.psnr) else None,
            "detectors": {
                name: {
                    "p_e": fmean(verdict.errors),
                    "errors": list(verdict.errors),
                    "chance": list(verdict.chance),
                    "trained_errors": list(verdict.trained_errors),
                    "interval": list(verdict.interval) if verdict.interval else None,
                }
                for name, verdict in row.verdicts.items()
            },
        }
        for row in rows
    ]
