"""Rich models whole, 34,671 features and those of colour, as sealwatch computes them."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.errors import InputImageError, MissingExtraError
from deephide.lab.conditions import COVER, Condition
from deephide.lab.covers import groups_of
from deephide.lab.journal import Experiment, load, spread
from deephide.lab.protocol import Verdict, judge_features, judge_nothing
from deephide.output import write_atomically

__all__ = ["MODELS", "SIZES", "check_models", "collect_models", "judge_models", "whole_model"]

# Submodels of Fridrich and Kodovský 2012, and of Goljan, Fridrich and Cogranne 2014: those of one
# quantisation of each channel, and those across channels.
SIZES = {"srm": 34_671, "colour-srm": 18_157}
MODELS = tuple(SIZES)
_ACROSS_LIMIT = 3  # of residuals across channels, as the paper truncates them
_DIMENSION = 600  # features per learner, where there are as many pairs

Matrix = NDArray[np.float64]


def check_models() -> None:
    """Raise MissingExtraError unless sealwatch is there."""
    if find_spec("sealwatch") is None:
        raise MissingExtraError("a whole rich model", "sealwatch", "judges")


def whole_model(name: str, samples: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the features of an image in sealwatch's order.

    Parameters
    ----------
    name : "srm", the mean over channels, or "colour-srm"
    samples : (H, W, C) uint8; three channels for "colour-srm"

    Returns
    -------
    features : (SIZES[name],) float64
    """
    planes = [np.ascontiguousarray(samples[:, :, c]) for c in range(samples.shape[2])]
    if name == "srm":
        from sealwatch import srm

        return np.asarray(np.mean([_joined(srm.extract(plane)) for plane in planes], axis=0))
    from sealwatch.srm import crm, srmq1

    alone = np.mean([_joined(srmq1.extract(plane)) for plane in planes], axis=0)
    return np.concatenate([alone, _joined(crm.extract(samples, Tc=_ACROSS_LIMIT))])


def _joined(found: dict[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(each) for each in found.values()]).astype(float)


def collect_models(
    experiment: Experiment,
    names: Sequence[str],
    models: Sequence[str],
    jobs: int,
    progress: Callable[[int, int], None],
) -> None:
    """Compute the models of all kept stegos; what an earlier run kept is not computed again.

    Parameters
    ----------
    experiment : what `journal.collect` was given, with its stegos kept
    names : of the covers
    models : of MODELS
    jobs : processes
    progress : called with (covers done, covers in all)

    Raises
    ------
    MissingExtraError : there is no sealwatch
    ValueError : the colour model of an experiment without colour
    """
    if not models:
        return
    check_models()
    if "colour-srm" in models and not experiment.colour:
        raise ValueError("colour-srm: needs colour")
    work = functools.partial(_compute, models=tuple(models))
    for done, _ in enumerate(spread(work, experiment, names, jobs)):
        progress(done + 1, len(names))


def _compute(experiment: Experiment, name: str, models: tuple[str, ...]) -> None:
    for condition in experiment.conditions:
        source = experiment.image(condition, name)
        for model in models:
            path = experiment.file(condition, name).with_suffix(f".{model}.npy")
            if path.exists() or not source.exists():
                continue
            with Image.open(source) as image:
                samples = np.atleast_3d(np.asarray(image))
            buffer = io.BytesIO()
            np.save(buffer, whole_model(model, samples).astype(np.float32))
            write_atomically(path, buffer.getvalue(), force=True)


def judge_models(
    experiment: Experiment, names: Sequence[str], models: Sequence[str]
) -> dict[str, dict[Condition, Verdict]]:
    """Judge every condition by the models that `collect_models` kept.

    Parameters
    ----------
    experiment, names, models : as in `collect_models`

    Returns
    -------
    verdicts : for each model and condition
    """
    groups = groups_of(names)
    found: dict[str, dict[Condition, Verdict]] = {model: {} for model in models}
    for condition in experiment.conditions if models else ():
        kept = np.isfinite(load(experiment, condition, names)[:, 0])
        used = [name for name, there in zip(names, kept, strict=True) if there]
        if not used:
            raise InputImageError(f"{condition.name}: no cover can hold the payload")
        for model in models:
            covers, stegos = (
                np.stack([_read(experiment, each, name, model) for name in used])
                for each in (Condition(COVER), condition)
            )
            arguments = (groups[kept], experiment.seed, _DIMENSION)
            found[model][condition] = (
                judge_nothing(covers, *arguments)
                if condition.scheme == COVER
                else judge_features(covers, stegos, *arguments)
            )
    return found


def _read(experiment: Experiment, condition: Condition, name: str, model: str) -> Matrix:
    path = experiment.file(condition, name).with_suffix(f".{model}.npy")
    return np.asarray(np.load(path), dtype=float)
