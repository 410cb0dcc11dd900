"""Manifest of an experiment: hashes and settings by which others can run it again.

`manifest.json` holds the SHA-256 of every cover, secret and file of weights, the versions of the
programs, all settings that decide the results, and the SHA-256 of the results.  The same inputs
under the same settings and versions give the same results, on one kind of processor to the byte.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from deephide.errors import InputImageError, OutputError
from deephide.lab.conditions import FACE, NETWORKS, Payload, conditions_of
from deephide.lab.covers import ImageSet
from deephide.lab.journal import Experiment
from deephide.output import write_atomically

__all__ = ["NAME", "Verified", "verify", "write"]

NAME = "manifest.json"
_VERSION = 1
_PROGRAMS = ("numpy", "scipy", "numba", "pillow", "torch")
_RESULTS = ("results.json", "table.md")


@dataclass(frozen=True)
class Verified:
    """What was found to be that of a manifest.

    `covers` and `rows` are counts; `programs` has each program whose version is another now, with
    the version then and now; `command` runs the experiment again, or is None where its conditions
    are not those of a command.
    """

    covers: int
    rows: int
    programs: dict[str, tuple[str | None, str | None]]
    command: str | None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _images(path: Path, names: Iterable[str] | None = None) -> dict[str, Any]:
    files = ImageSet(path)
    used = files.names if names is None else names
    return {"name": path.name, "images": {name: _sha256(files.raw(name)) for name in used}}


def _file(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": _sha256(path.read_bytes())}


def _versions() -> dict[str, str | None]:
    from deephide import __version__

    found: dict[str, str | None] = {"deephide": __version__, "python": platform.python_version()}
    for name in _PROGRAMS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def write(
    experiment: Experiment,
    names: Sequence[str],
    settings: Mapping[str, Any],
    weights: Path | None = None,
) -> None:
    """Write the manifest of an experiment whose results are there.

    Parameters
    ----------
    experiment : what was measured
    names : of the covers that were used
    settings : what decides the results besides: detectors, and limit and training if any
    weights : file that networks started from
    """
    conditions = [
        [each.scheme, None if each.payload is None else str(each.payload)]
        for each in experiment.conditions
    ]
    inputs: dict[str, Any] = {"covers": _images(experiment.covers, names)}
    if experiment.secrets is not None:
        inputs["secrets"] = _images(experiment.secrets)
    for kind, path in experiment.networks.items():
        inputs[kind] = _file(path)
    if weights is not None:
        inputs["weights"] = _file(weights)
    manifest = {
        "version": _VERSION,
        "programs": _versions(),
        "system": f"{platform.system()} {platform.machine()}, {sys.byteorder} endian",
        "settings": {
            "conditions": conditions,
            "seed": experiment.seed,
            "colour": experiment.colour,
            **settings,
        },
        "inputs": inputs,
        "results": {
            name: _sha256((experiment.folder / name).read_bytes())
            for name in _RESULTS
            if (experiment.folder / name).exists()
        },
    }
    data = json.dumps(manifest, indent=1).encode()
    write_atomically(experiment.folder / NAME, data, force=True)


def verify(folder: Path, files: Mapping[str, Path]) -> Verified:
    """Compare results and inputs with the manifest of a folder.

    Parameters
    ----------
    folder : of the results
    files : "covers", and where the experiment had them "secrets", "udh", "ddh" and "weights"

    Returns
    -------
    Verified

    Raises
    ------
    InputImageError : a cover or secret is missing or another one
    OutputError : there is no manifest, or a result or a file of networks is another one
    """
    try:
        manifest = json.loads((folder / NAME).read_text(encoding="utf-8"))
        inputs, settings = manifest["inputs"], manifest["settings"]
        results, programs = manifest["results"], manifest["programs"]
        count = len(inputs["covers"]["images"])
        rows = len(settings["conditions"])
    except OSError as error:
        raise OutputError(f"the folder {folder} holds no {NAME}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(f"the file {folder / NAME} is no manifest") from error
    for name, known in results.items():
        path = folder / Path(name).name
        if not path.exists() or _sha256(path.read_bytes()) != known:
            raise OutputError(f"{name} is not that of the manifest: changed, or of another run")
    for kind, known in inputs.items():
        if kind not in files:
            raise OutputError(
                f"the experiment had {kind}, which must be given too",
                hint=f"add --{kind} {known['name']}",
            )
        if "images" in known:
            _compare(kind, known["images"], ImageSet(files[kind]))
        elif _sha256(files[kind].read_bytes()) != known["sha256"]:
            raise OutputError(f"{kind}: {files[kind].name} is not the file of the manifest")
    now = _versions()
    changed = {
        name: (programs.get(name), now.get(name))
        for name in {**programs, **now}
        if programs.get(name) != now.get(name)
    }
    return Verified(count, rows, changed, _command(settings, files))


def _compare(kind: str, known: Mapping[str, str], images: ImageSet) -> None:
    there = set(images.names)
    wrong = [n for n, digest in known.items() if n not in there or _sha256(images.raw(n)) != digest]
    if wrong:
        raise InputImageError(
            f"{kind}: {len(wrong)} of {len(known)} images are not those of the manifest, "
            f"first {wrong[0]}"
        )


def _command(settings: Mapping[str, Any], files: Mapping[str, Path]) -> str | None:
    """Return the command with these settings, or None if no command has these conditions."""
    conditions = [tuple(each) for each in settings["conditions"]]
    schemes = list(dict.fromkeys(scheme for scheme, _ in conditions[1:]))
    payloads = list(dict.fromkeys(payload for _, payload in conditions if payload is not None))
    try:
        again = conditions_of(schemes, map(Payload.parse, payloads), NETWORKS, FACE in schemes)
    except ValueError:
        return None
    if conditions != [(c.scheme, None if c.payload is None else str(c.payload)) for c in again]:
        return None
    words = ["deephide", "lab", str(files["covers"])]
    for option, values in (
        ("scheme", schemes),
        ("payload", payloads),
        ("detector", settings.get("detectors", ())),
    ):
        words += [word for value in values for word in (f"--{option}", str(value))]
    for kind, path in files.items():
        if kind != "covers":
            words += [f"--{kind}", str(path)]
    training = settings.get("training") or {}
    for option, value in (
        ("limit", settings.get("limit")),
        ("seed", settings["seed"]),
        ("steps", training.get("steps")),
        ("crop", training.get("crop")),
    ):
        if value is not None:
            words += [f"--{option}", str(value)]
    if settings["colour"]:
        words.append("--colour")
    return shlex.join(words)
