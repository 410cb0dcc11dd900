"""Self-test of the installation: one finding for each thing that can be missing or broken."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import stc
from deephide.errors import DeephideError
from stc import precompiled
from stc.jit import has_compiler

__all__ = ["CHECKS", "Finding", "examine"]

# Pixels on each side of the photo of the round trip, which is made of noise.
_SIDE = 512
_SEED = 20100901


@dataclass(frozen=True)
class Finding:
    """State of one thing.

    `state` is "ok", "warning" (it works, but not at its best) or "broken"; `text` is a line for
    people, `details` are the same things for programs, and `error` is what was raised if broken.
    """

    name: str
    state: str
    text: str
    details: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = field(default=None, repr=False)


def examine(progress: Callable[[int, int], None] | None = None) -> Iterator[Finding]:
    """Yield the findings, one for each of CHECKS; what one check raises does not stop the others.

    Parameters
    ----------
    progress : called with (checks done, checks in all)
    """
    for number, (name, check) in enumerate(CHECKS.items()):
        if progress is not None:
            progress(number, len(CHECKS))
        try:
            yield check()
        except Exception as error:  # whatever an installation can be damaged by
            text = " ".join(str(error).split()) or type(error).__name__
            yield Finding(name, "broken", text, {}, error)


def _versions() -> Finding:
    from deephide import __version__

    found = {"deephide": __version__, "python": platform.python_version()}
    missing = []
    for package in _requirements(None):
        version = _version(package)
        found[package] = version or "missing"
        if version is None:
            missing.append(package)
    if missing:
        raise DeephideError(
            f"missing: {', '.join(missing)}", hint="install deephide again, with pip"
        )
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    return Finding("versions", "ok", text, found)


def _machine() -> Finding:
    from deephide import inference

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    backend, devices = inference.describe_devices()
    details = {
        "system": platform.platform(),
        "cores": cores,
        "backend": backend,
        "devices": devices,
    }
    text = (
        f"{details['system']}, {cores} cores; models run on {backend}; devices: "
        f"{', '.join(devices)}, of which embed uses the cpu"
    )
    return Finding("machine", "ok", text, details)


def _models() -> Finding:
    import e2style
    from deephide.models import short_fingerprint

    names = [*e2style.names(), *(each.name for each in e2style.added_models())]
    found = {name: e2style.verify(name).fingerprint or "" for name in names}
    text = ", ".join(f"{name} ({short_fingerprint(each)})" for name, each in found.items())
    return Finding("models", "ok", f"{text}: hashes and generated images are right", found)


def _cache() -> Finding:
    folder = stc.cache_folder()
    compiled = stc.is_compiled()
    details = {"folder": None if folder is None else str(folder), "compiled": compiled}
    if folder is None and not has_compiler():
        return Finding(
            "cache",
            "warning",
            "the coder is not there compiled for this processor, and numba, which compiles it, is "
            "not installed: pip install 'deephide[kernels]'",
            details,
        )
    if folder is None:
        return Finding(
            "cache",
            "warning",
            "the coder is compiled anew in every process: set NUMBA_CACHE_DIR to a folder that "
            "can be written",
            details,
        )
    if folder == precompiled.FOLDER:
        return Finding("cache", "ok", "the coder came compiled for this processor", details)
    trouble = _trouble_with(folder)
    if trouble is not None:
        return Finding(
            "cache",
            "warning",
            f"{folder} cannot be written ({trouble}), so what is not compiled yet is compiled in "
            "every process: make room there, or set NUMBA_CACHE_DIR to another folder",
            details,
        )
    state = "compiled" if compiled else "not compiled yet: the first embedding takes some seconds"
    return Finding("cache", "ok", f"{folder}: {state}", details)


def _trouble_with(folder: Path) -> str | None:
    """Return why nothing can be written into a folder, or None if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 16))
            file.flush()
    except OSError as error:
        return (error.strerror or "unknown reason").lower()
    return None


def _extras() -> Finding:
    details = {}
    for extra in _distribution().metadata.get_all("Provides-Extra") or []:
        absent = [name for name in _requirements(extra) if _version(name) is None]
        details[extra] = absent
    parts = [
        f"{extra}: {'without ' + ', '.join(absent) if absent else 'there'}"
        for extra, absent in details.items()
    ]
    return Finding("extras", "ok", "; ".join(parts) or "none are known", details)


def _round_trip() -> Finding:
    """Hide the mean face of the model in noise, and get it back."""
    import deephide
    from deephide import inference, models

    start = time.monotonic()
    model = models.load_model(None)
    face = inference.generate(model, models.quantizer_of(model).w_avg)
    noise = np.random.default_rng(_SEED).integers(1, 255, (_SIDE, _SIDE, 3), dtype=np.uint8)
    carrier = Image.fromarray(noise)
    sent = deephide.embed(face, carrier, "self-test", model, codec="latent", face=None)
    found = deephide.extract(sent.stego, "self-test", model)
    if found.image is None or sent.preview is None:
        raise DeephideError("a face was hidden, and something else came back")
    if found.image.tobytes() != sent.preview.tobytes():
        raise DeephideError("the face that came back is not the one that was hidden")
    seconds = time.monotonic() - start
    text = f"a face came back from {sent.payload_bits} bits after {seconds:.1f} s"
    details = {"payload_bits": sent.payload_bits, "elapsed_s": round(seconds, 3)}
    return Finding("round trip", "ok", text, details)


CHECKS: dict[str, Callable[[], Finding]] = {
    "versions": _versions,
    "machine": _machine,
    "cache": _cache,
    "extras": _extras,
    "models": _models,
    "round trip": _round_trip,
}


def _distribution() -> metadata.Distribution:
    try:
        return metadata.distribution("deephide")
    except metadata.PackageNotFoundError:
        raise DeephideError(
            "the package is not installed, only its source is here", hint="pip install ."
        ) from None


def _requirements(extra: str | None) -> list[str]:
    """Return the packages that an extra needs, or for None those that every machine needs.

    numba, which some machines need, is looked for with the compiled coder.
    """
    found = []
    for line in _distribution().requires or []:
        marker = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if marker.group(1) == extra if marker else extra is None and ";" not in line:
            found.append(re.split(r"[^\w.-]", line, maxsplit=1)[0])
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
