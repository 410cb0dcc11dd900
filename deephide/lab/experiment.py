"""Experiments from covers to files: features, verdicts, table, plots."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from deephide.lab import manifest
from deephide.lab.covers import ImageSet
from deephide.lab.evaluate import DETECTORS, Row, as_fields, as_table, evaluate
from deephide.lab.journal import Experiment, collect
from deephide.lab.network_judges import NETWORKS, judge_networks
from deephide.lab.neural.training import Training
from deephide.lab.plots import check_plots, draw_errors, draw_roc
from deephide.lab.report import as_page
from deephide.lab.whole_models import MODELS, check_models, collect_models, judge_models
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
    training: Training | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Measure what is not measured yet, judge everything, and write the results.

    The folder of the experiment gets `report.html`, `table.md`, `results.json`, `manifest.json`
    with the hashes of the last two and of the inputs and, with plots, `errors.png` and `roc.png`,
    which the report holds too.

    Parameters
    ----------
    experiment : covers, folder and conditions
    detectors : of DETECTORS, of NETWORKS, which are trained first, or of MODELS, by sealwatch
    limit : use so many covers, drawn at random, instead of all; fewer are among the more
    jobs : processes
    cluster : spread the covers over a Ray cluster instead, as in `collect`
    plots : draw, which needs matplotlib
    training : of networks, how long and where
    progress : called with (steps done, steps in all); a cover is one, and a condition

    Returns
    -------
    rows : the null row first

    Raises
    ------
    OutputError : the folder holds another experiment
    DeephideError : there is no matplotlib to draw with, no Ray to spread with, or no sealwatch
    """
    if plots:
        check_plots()
    names = list(ImageSet(experiment.covers).names)
    if limit is not None and limit < len(names):
        random.Random(experiment.seed).shuffle(names)
        names = sorted(names[:limit])
    networks = [each for each in detectors if each in NETWORKS]
    models = [each for each in detectors if each in MODELS]
    if models:
        check_models()
    training = training or Training()
    trainings = len(networks) * (len(experiment.conditions) - 1) * training.steps
    modelling = len(names) if models else 0
    steps = len(names) + modelling + trainings + len(experiment.conditions)

    def advance(before: int) -> Callable[[int, int], None]:
        return lambda done, _: progress(before + done, steps) if progress else None

    experiment = replace(experiment, stegos=experiment.stegos or bool(networks or models))
    collect(experiment, names, jobs, advance(0), cluster=cluster)
    before = len(names)
    collect_models(experiment, names, models, jobs, advance(before))
    before += modelling
    judged = judge_networks(experiment, names, networks, training, advance(before))
    judged |= judge_models(experiment, names, models)
    others = [each for each in detectors if each not in (*NETWORKS, *MODELS)]
    rows = evaluate(experiment, names, others, advance(before + trainings), judged)
    folder = experiment.folder
    write_atomically(folder / "table.md", as_table(rows).encode(), force=True)
    fields = {"covers": len(names), "seed": experiment.seed, "rows": as_fields(rows)}
    write_atomically(folder / "results.json", json.dumps(fields, indent=1).encode(), force=True)
    settings: dict[str, Any] = {"detectors": list(detectors), "limit": limit}
    if networks:
        settings["training"] = {
            "steps": training.steps,
            "pairs": training.pairs,
            "crop": training.crop,
        }
    manifest.write(experiment, names, settings, training.weights)
    if plots:
        draw_errors(rows, folder / "errors.png")
        draw_roc(rows, folder / "roc.png")
    drawn = {each: (folder / f"{each}.png").read_bytes() for each in ("errors", "roc") if plots}
    write_atomically(folder / "report.html", as_page(rows, drawn).encode(), force=True)
    return rows
