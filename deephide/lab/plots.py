"""Plots of the results: errors against payload, and ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from deephide.errors import MissingExtraError
from deephide.lab.conditions import COVER
from deephide.lab.evaluate import Row
from deephide.lab.protocol import roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_plots", "draw_errors", "draw_roc"]

_COLUMNS = 3
_SIZE = (4.0, 3.2)  # inches per panel


def check_plots() -> None:
    """Raise MissingExtraError unless matplotlib is there."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("a plot", "matplotlib", "lab")


def _panels(detectors: Sequence[str]) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(detectors))
    lines = -(-len(detectors) // columns)
    figure = Figure(figsize=(_SIZE[0] * columns, _SIZE[1] * lines + 0.6), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for spare in axes[len(detectors) :]:
        spare.set_axis_off()
    return figure, list(axes)


def draw_errors(rows: Sequence[Row], path: Path) -> None:
    """Draw P_E against the hidden bits per sample, a panel per detector, and write a PNG file.

    Parameters
    ----------
    rows : what `evaluate` returned
    path : of the PNG file; an existing one is replaced
    """
    detectors = list(rows[0].verdicts)
    figure, axes = _panels(detectors)
    schemes = dict.fromkeys(r.condition.scheme for r in rows if r.condition.scheme != COVER)
    payloads = _apart([row.alpha for row in rows if row.condition.scheme != COVER])
    for detector, axis in zip(detectors, axes, strict=False):
        for scheme in schemes:
            used = [row for row in rows if row.condition.scheme == scheme]
            points = sorted((row.alpha, fmean(row.verdicts[detector].errors)) for row in used)
            axis.plot(*zip(*points, strict=True), marker=".", label=scheme)
        for row in rows:
            if row.condition.scheme == COVER:
                chance = fmean(row.verdicts[detector].errors)
                axis.axhline(chance, color="0.6", linestyle=":", label="nothing hidden")
        axis.axhline(0.5, color="0.4", linestyle="--", linewidth=0.8)
        axis.annotate(
            "0.5: guessing", (0.02, 0.505), xycoords=("axes fraction", "data"), fontsize=8
        )
        axis.set(title=detector, xscale="log", ylim=(0, 0.55))
        axis.set(xlabel="hidden bits per sample", ylabel="share of wrong answers")
        axis.set_xticks(payloads, [f"{each:.2g}" for each in payloads])
        axis.set_xticks([], minor=True)
    _finish(figure, axes[0], path)


def _apart(payloads: Sequence[float]) -> list[float]:
    """Return payloads, ascending, each so much larger than the last that both can be labelled."""
    kept: list[float] = []
    for each in sorted(payloads):
        if not kept or each >= 1.4 * kept[-1]:
            kept.append(each)
    return kept


def draw_roc(rows: Sequence[Row], path: Path) -> None:
    """Draw detections against false alarms, a panel per detector, and write a PNG file.

    Parameters
    ----------
    rows, path : as in `draw_errors`
    """
    detectors = list(rows[0].verdicts)
    figure, axes = _panels(detectors)
    for detector, axis in zip(detectors, axes, strict=False):
        for row in rows:
            verdict = row.verdicts[detector]
            axis.plot(*roc(verdict.covers, verdict.stegos), label=row.condition.name)
        axis.plot([0, 1], [0, 1], color="0.6", linestyle=":", label="guessing")
        axis.set(title=detector, xlabel="covers called stegos", ylabel="stegos found")
    _finish(figure, axes[0], path)


def _finish(figure: Figure, axis: Axes, path: Path) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(path, dpi=100)
