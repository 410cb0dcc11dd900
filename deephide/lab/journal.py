"""Features of every image under every condition, kept in files so that a run can go on."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import stc
from deephide.errors import DeephideError, MissingExtraError, OutputError
from deephide.lab.attacks import ATTACKS
from deephide.lab.conditions import FACE, NETWORKS, Condition, Scene, hide
from deephide.lab.covers import ImageSet
from deephide.lab.features import RICH_SIZE, SPAM_SIZE, rich, spam
from deephide.output import png_bytes, write_atomically

__all__ = ["COLUMNS", "Experiment", "collect", "load", "spread"]

_VERSION = 1  # raised when features change
_FACTS = ("samples", "bits", "change_rate", "squared_error")
# Where each number or block of numbers stands in the vector of an image.
COLUMNS = {name: slice(k, k + 1) for k, name in enumerate((*_FACTS, *ATTACKS))}
COLUMNS["spam"] = slice(len(COLUMNS), len(COLUMNS) + SPAM_SIZE)
COLUMNS["rich"] = slice(COLUMNS["spam"].stop, COLUMNS["spam"].stop + RICH_SIZE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Experiment:
    """What is measured where; the same experiment gives the same features on any machine.

    Parameters
    ----------
    covers : folder or zip of images
    folder : where the features go, and where a stopped run left them
    conditions : rows
    seed : of everything random
    colour : use all channels; otherwise the luma alone
    secrets : folder or zip of faces, for the schemes that hide images
    networks : files of "udh" and "ddh"
    stegos : keep covers and stegos themselves too, as PNG files, for detectors that look at them
    """

    covers: Path
    folder: Path
    conditions: tuple[Condition, ...]
    seed: int = 1
    colour: bool = False
    secrets: Path | None = None
    networks: dict[str, Path] = field(default_factory=dict)
    stegos: bool = False

    def image(self, condition: Condition, name: str) -> Path:
        """Where what a condition makes of a cover is kept; there is none where it did not fit."""
        return self.folder / "stegos" / condition.name / (name.replace("/", "--") + ".png")

    def missing(self, condition: Condition, name: str) -> bool:
        """Whether something that is to be kept is not there yet."""
        image = self.stegos and not self.image(condition, name).exists()
        return image or not self.file(condition, name).exists()

    def file(self, condition: Condition, name: str) -> Path:
        """Where the features of a cover under a condition are kept."""
        return self.folder / "features" / condition.name / (name.replace("/", "--") + ".npy")


def collect(
    experiment: Experiment,
    names: Sequence[str],
    jobs: int,
    progress: Callable[[int, int], None],
    *,
    cluster: bool = False,
) -> None:
    """Make all stegos and keep their features; what an earlier run kept is not made again.

    Parameters
    ----------
    experiment : what to measure
    names : of the covers to use
    jobs : processes
    progress : called with (covers done, covers in all)
    cluster : spread the covers over the machines of a Ray cluster instead, or where RAY_ADDRESS
        names none, over the cores of this one; covers, secrets, networks and folder must lie at
        the same paths everywhere

    Raises
    ------
    OutputError : the folder holds another experiment
    DeephideError : there is no Ray to spread with
    """
    for condition in experiment.conditions:
        _claim(experiment, condition)
    waiting = [
        name
        for name in names
        if any(experiment.missing(each, name) for each in experiment.conditions)
    ]
    done = len(names) - len(waiting)
    progress(done, len(names))
    found = (
        _on_cluster(experiment, waiting) if cluster else spread(_measure, experiment, waiting, jobs)
    )
    for _ in found:
        done += 1
        progress(done, len(names))


def spread(
    work: Callable[[Experiment, str], None],
    experiment: Experiment,
    names: Sequence[str],
    jobs: int,
) -> Iterator[None]:
    """Work on covers in processes of this machine; yields behind each.

    Parameters
    ----------
    work : given the experiment and the name of a cover; a function that can be pickled
    experiment, names, jobs : as in `collect`
    """
    if jobs == 1:
        for name in names:
            work(experiment, name)
            yield
        return
    # Threads of numerical libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for future in as_completed([pool.submit(work, experiment, n) for n in names]):
            yield future.result()


def _on_cluster(experiment: Experiment, waiting: Sequence[str]) -> Iterator[None]:
    """Measure covers on a Ray cluster, one core each; yields behind each."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("a cluster", "Ray", "cluster") from error
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False)
    try:
        measure = ray.remote(_measure)
        pending = [measure.remote(experiment, name) for name in waiting]
        while pending:
            (ready,), pending = ray.wait(pending)
            yield ray.get(ready)
    finally:
        ray.shutdown()


def load(experiment: Experiment, condition: Condition, names: Sequence[str]) -> NDArray[np.float64]:
    """Return (n, columns) kept features; a row of NaN where the payload did not fit the cover."""
    return np.stack([np.load(experiment.file(condition, name)) for name in names]).astype(float)


def _claim(experiment: Experiment, condition: Condition) -> None:
    """Write down what the features of a condition come from, or check that they come from this."""
    settings = {
        "version": _VERSION,
        "covers": experiment.covers.name,
        "seed": experiment.seed,
        "colour": experiment.colour,
    }
    if condition.scheme in (FACE, *NETWORKS) and experiment.secrets is not None:
        settings["secrets"] = experiment.secrets.name
    if condition.scheme in NETWORKS:
        networks = experiment.networks[condition.scheme].read_bytes()
        settings["networks"] = hashlib.sha256(networks).hexdigest()
    path = experiment.folder / "features" / condition.name / "settings.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(settings, indent=1).encode())
    elif (found := json.loads(path.read_text(encoding="utf-8"))) != settings:
        other = ", ".join(key for key in settings if found.get(key) != settings[key])
        raise OutputError(
            f"the folder {path.parent} holds features made with other settings: {other}",
            hint="choose another folder with -o, or the same settings",
        )


@functools.cache
def _images(path: Path) -> ImageSet:
    return ImageSet(path)


def _measure(experiment: Experiment, name: str) -> None:
    """Make what is missing of one cover; the unit of work of a process."""
    scene = Scene(
        name,
        _images(experiment.covers),
        _images(experiment.secrets) if experiment.secrets else None,
        experiment.networks,
        "RGB" if experiment.colour else "L",
    )
    cover = scene.samples()
    for condition in experiment.conditions:
        if not experiment.missing(condition, name):
            continue
        path = experiment.file(condition, name)
        try:
            stego, bits = hide(condition, scene, experiment.seed)
            if experiment.stegos:
                _keep_image(stego, experiment.image(condition, name))
            if path.exists():
                continue
            vector = _vector(cover, stego, bits)
        except (stc.StcError, DeephideError) as error:
            _log.warning("%s leaves out %s: %s", condition.name, name, error)
            vector = np.full(COLUMNS["rich"].stop, np.nan)
        buffer = io.BytesIO()
        np.save(buffer, vector.astype(np.float32))
        write_atomically(path, buffer.getvalue(), force=True)


def _keep_image(samples: NDArray[np.uint8], path: Path) -> None:
    image = Image.fromarray(samples if samples.shape[2] == 3 else samples[:, :, 0])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, png_bytes(image), force=True)


def _vector(cover: NDArray[np.uint8], stego: NDArray[np.uint8], bits: int) -> NDArray[np.float64]:
    """Return facts, attacks and features, those of several channels averaged."""
    error = stego.astype(np.int16) - cover
    rate, squared = np.count_nonzero(error) / error.size, np.mean(error.astype(np.float64) ** 2)
    facts = [error.size, bits, rate, squared]
    planes = [np.ascontiguousarray(stego[:, :, c]) for c in range(stego.shape[2])]
    found = [
        np.concatenate([[attack(plane) for attack in ATTACKS.values()], spam(plane), rich(plane)])
        for plane in planes
    ]
    return np.concatenate([facts, np.mean(found, axis=0)])
