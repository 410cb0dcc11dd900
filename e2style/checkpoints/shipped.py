"""Which models ship with the package, and what a model file says, without loading torch."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from e2style.checkpoints.user_models import added_models
from e2style.errors import CheckpointError

__all__ = [
    "DEFAULT",
    "RESTORER",
    "RESTORERS",
    "SHIPPED",
    "SKETCHES",
    "TYPICAL_BYTES",
    "fingerprint_of",
    "header_of",
    "kind_of_file",
    "locate",
    "names",
]

DEFAULT = "face256"
# Files inside the package, with the SHA-256 that they must have.
SHIPPED = {
    "face256": (
        "face256.safetensors",
        "e74d9c525959e12c33d3a1f195e9f613fceebb9b466e9d5fc8518e288891aa57",
    ),
}

# Encoders of other tasks than hiding, in the same form; their files name the generator that they
# share with a model above.
RESTORER = "face256_restoration"
RESTORERS = {
    RESTORER: (
        "face256_restoration.safetensors",
        "fb69e167ae2638622bfbb85bad016a4dd9447fb273e5c36662e3b8bfc1a67756",
    ),
}

# Bytes of an entropy-coded face by fingerprint: the median and the 95th percentile, rounded up, of
# the 272 faces of `val.zip`, which no training saw.
TYPICAL_BYTES = {
    "296bf76320265e641d9435dc840c4f7eee2c469d81d3f40fd6a76e86a89f7231": (221, 318),
}

# What a model paints of its mean code, as `verification.load_and_sketch` gives it, by fingerprint;
# both hexadecimal.
SKETCHES = {
    "296bf76320265e641d9435dc840c4f7eee2c469d81d3f40fd6a76e86a89f7231": (
        "9971709889a4a48998b4b49795a09f9595616095807d7d7f"
        "8b85858b8d7b7b8d8f56558f786a6a778272728286686886"
    ),
}

_MAX_HEADER_BYTES = 1 << 24
# What a fingerprint covers, without a quantizer and with one: see `models.fingerprint`.
_GENERATOR = ("network.generator.",)
_ALL = ("network.generator.", "network.w_avg", "quantizer.")
# What torch calls the types of safetensors.
_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "U32": "uint32",
    "U8": "uint8",
    "BOOL": "bool",
}


def names() -> list[str]:
    """Names of the models that ship with the package and can hide a face."""
    return sorted(SHIPPED)


def locate(path_or_name: str | os.PathLike[str] | None = None) -> tuple[Path, str | None]:
    """Return the file of a model, and the SHA-256 that it must have if it goes by name.

    Parameters
    ----------
    path_or_name : name of a shipped or added model, a file, or a file name in
        DEEPHIDE_MODEL_DIR; None means the default model

    Raises
    ------
    CheckpointError : no such file
    """
    name = DEFAULT if path_or_name is None else os.fspath(path_or_name)
    built_in = SHIPPED | RESTORERS
    if name in built_in:
        file, digest = built_in[name]
        return Path(str(resources.files("e2style.weights") / file)), digest
    added = added_models()
    for each in added:
        if each.name == name:
            return each.path, each.sha256
    path = Path(name)
    folder = os.environ.get("DEEPHIDE_MODEL_DIR")
    if not path.exists() and folder:
        path = Path(folder) / name
    if not path.exists():
        known = ", ".join([*sorted(built_in), *(each.name for each in added)])
        raise CheckpointError(f"model {name!r}: no such file, and there are {known}")
    return path, None


def kind_of_file(path: str | os.PathLike[str]) -> Literal["safetensors", "torch", "numpy"]:
    """Say from its first bytes what wrote a file of tensors; its name does not count.

    Returns
    -------
    "safetensors", what this program writes; "torch", what `torch.save` writes, of any age;
    "numpy", an `.npz`

    Raises
    ------
    CheckpointError : none of them, or it cannot be read
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            first = file.read(16)
        size = path.stat().st_size
        if first[8:9] == b"{" and int.from_bytes(first[:8], "little") <= size - 8:
            return "safetensors"
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            return "numpy" if names and all(n.endswith(".npy") for n in names) else "torch"
    except OSError as error:
        raise CheckpointError(f"model {path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged archive can raise nearly anything
        raise CheckpointError(f"model {path}: its archive is damaged") from error
    if first[:1] == b"\x80" and first[1:2] <= b"\x05":  # a pickle, as before torch 1.6
        return "torch"
    raise CheckpointError(
        f"model {path}: not a model file of this program, and no file of torch or numpy"
    )


def fingerprint_of(path_or_name: str | os.PathLike[str] | None = None) -> bytes:
    """Return the fingerprint that `load` would give, in a fraction of its time for whole models.

    Parameters
    ----------
    path_or_name : as in `load`

    Raises
    ------
    CheckpointError : missing, another hash than it must have, or no model file of this program
    """
    path, digest = locate(path_or_name)
    if kind_of_file(path) != "safetensors" or "generator" in header_of(path):
        from e2style.checkpoints.loading import load_model

        return load_model(path_or_name).fingerprint
    return _fingerprint(path, digest, path.stat().st_mtime_ns)


def header_of(path_or_name: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Return the metadata in the header of a model file; empty for the files of others.

    Raises
    ------
    CheckpointError : missing or damaged
    """
    path, _ = locate(path_or_name)
    if kind_of_file(path) != "safetensors":
        return {}
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > _MAX_HEADER_BYTES:
            raise CheckpointError(f"model {path}: not a model file of this program")
        found = _parse(path, file.read(size)).get("__metadata__", {})
    texts = isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
    if not texts:
        raise CheckpointError(f"model {path}: its header is damaged")
    return dict(found)


@functools.lru_cache(maxsize=4)
def _fingerprint(path: Path, digest: str | None, _changed: int) -> bytes:
    data = path.read_bytes()
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise CheckpointError(f"model {path}: its hash differs from {digest[:12]}…")
    size = int.from_bytes(data[:8], "little")
    header = _parse(path, data[8 : 8 + min(size, _MAX_HEADER_BYTES)])
    found = hashlib.sha256()
    view = memoryview(data)[8 + size :]
    parts = _ALL if any(key.startswith("quantizer.") for key in header) else _GENERATOR
    try:
        for key in sorted(header):
            if key.startswith(parts):
                entry = header[key]
                kind, shape = _TYPES[entry["dtype"]], tuple(entry["shape"])
                first, last = entry["data_offsets"]
                found.update(f"{key}|torch.{kind}|{shape}|".encode())
                found.update(view[first:last])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"model {path}: its header is damaged") from error
    return found.digest()


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"model {path}: not a model file of this program") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"model {path}: not a model file of this program")
    return header
