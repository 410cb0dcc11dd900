"""Experiments from covers to files: features, verdicts, table, plots."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from deephide.lab.covers import ImageSet
from deephide.lab.evaluate import DETECTORS, Row, as_fields, as_table, evaluate
from deephide.lab.journal import Experiment, collect
from deephide.lab.plots import check_plots, draw_errors, draw_roc
from deephide.output import write_atomically

__all__ = ["run"]


def run(
    experiment: Experiment,
    *,
    detectors: Sequence[str] = tuple(DETECTORS),
    limit: int | None = None,
    jobs: int = 1,
    cluster: bool = False,
    plots: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Measure what is not measured yet, judge everything, and write the results.

    The folder of the experiment gets `table.md`, `results.json` and, with plots, `errors.png` and
    `roc.png`.

    Parameters
    ----------
    experiment : covers, folder and conditions
    detectors : of DETECTORS
    limit : use so many covers, drawn at random, instead of all; fewer are among the more
    jobs : processes
    cluster : spread the covers over a Ray cluster instead, as in `collect`
    plots : draw, which needs matplotlib
    progress : called with (steps done, steps in all); a cover is one, and a condition

    Returns
    -------
    rows : the null row first

    Raises
    ------
    OutputError : the folder holds another experiment
    DeephideError : there is no matplotlib to draw with, or no Ray to spread with
    """
    if plots:
        check_plots()
    names = list(ImageSet(experiment.covers).names)
    if limit is not None and limit < len(names):
        random.Random(experiment.seed).shuffle(names)
        names = sorted(names[:limit])
    steps = len(names) + len(experiment.conditions)

    def advance(before: int) -> Callable[[int, int], None]:
        return lambda done, _: progress(before + done, steps) if progress else None

    collect(experiment, names, jobs, advance(0), cluster=cluster)
    rows = evaluate(experiment, names, detectors, advance(len(names)))
    folder = experiment.folder
    write_atomically(folder / "table.md", as_table(rows).encode(), force=True)
    fields = {"covers": len(names), "seed": experiment.seed, "rows": as_fields(rows)}
    write_atomically(folder / "results.json", json.dumps(fields, indent=1).encode(), force=True)
    if plots:
        draw_errors(rows, folder / "errors.png")
        draw_roc(rows, folder / "roc.png")
    return rows
