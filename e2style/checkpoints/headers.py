"""First bytes, headers and fingerprints of files of tensors, read without torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from e2style.errors import CheckpointError
from e2style.files import in_words

__all__ = [
    "check_digest",
    "covered",
    "digest_of",
    "kind_of_file",
    "metadata_of",
    "read_header",
    "texts_of",
]

_MAX_HEADER_BYTES = 1 << 24
_LEGACY_TORCH = b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little")[:9]
# Tensors that a fingerprint covers, without a quantizer and with one.
_GENERATOR = ("network.generator.",)
_ALL = ("network.generator.", "network.w_avg", "quantizer.")


def kind_of_file(
    path: str | os.PathLike[str],
) -> Literal["safetensors", "torch", "numpy", "pickle"]:
    """Program that wrote a file of tensors, from its first bytes; its name does not count.

    Returns
    -------
    "safetensors", what this program writes; "torch", what `torch.save` writes, of any age;
    "numpy", an `.npz`; "pickle", what `pickle.dump` writes

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
        import zipfile  # and three compressors, which files of this program do not need

        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            return "numpy" if names and all(n.endswith(".npy") for n in names) else "torch"
    except OSError as error:
        raise CheckpointError(f"model {path}: cannot be read: {in_words(error)}") from error
    except Exception as error:  # a damaged archive can raise nearly anything
        raise CheckpointError(f"model {path}: its archive is damaged") from error
    if first[:1] == b"\x80" and first[1:2] <= b"\x05":
        # Before torch 1.6 a file was a row of pickles, of which the first is this number.
        return "torch" if first[2:13] == _LEGACY_TORCH else "pickle"
    raise CheckpointError(
        f"model {path}: not a model file of this program, and no file of torch or numpy"
    )


def metadata_of(path: Path) -> dict[str, str]:
    """Metadata in the header of a safetensors file.

    Raises
    ------
    CheckpointError : damaged
    """
    return texts_of(path, read_header(path)[0])


def texts_of(path: Path, header: dict[str, Any]) -> dict[str, str]:
    """Metadata of a header, which are texts; errors as in `metadata_of`."""
    found = header.get("__metadata__", {})
    texts = isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
    if not texts:
        raise CheckpointError(f"model {path}: its header is damaged")
    return dict(found)


def covered(keys: Iterable[str]) -> list[str]:
    """Tensors that a fingerprint covers, sorted: what the receiver needs.

    These are generator, centre and quantizer. A model without a quantizer has no centre that the
    receiver needs, and its mean code may be an estimate whose last bit depends on the machine.
    """
    keys = sorted(keys)
    parts = _ALL if any(key.startswith("quantizer.") for key in keys) else _GENERATOR
    return [key for key in keys if key.startswith(parts)]


def digest_of(tensors: Iterable[tuple[str, str, tuple[int, ...], bytes | memoryview]]) -> bytes:
    """SHA-256 over `name|torch.dtype|shape|` and the little-endian bytes of each tensor."""
    found = hashlib.sha256()
    for key, kind, shape, content in tensors:
        found.update(f"{key}|torch.{kind}|{shape}|".encode())
        found.update(content)
    return found.digest()


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Header of a safetensors file as JSON gives it, and where the tensors begin.

    Raises
    ------
    CheckpointError : damaged
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _MAX_HEADER_BYTES:
                raise CheckpointError(f"model {path}: not a model file of this program")
            raw = file.read(size)
    except OSError as error:
        raise CheckpointError(f"model {path}: cannot be read: {error.strerror}") from error
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"model {path}: not a model file of this program") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"model {path}: not a model file of this program")
    return header, 8 + size


def check_digest(path: Path, digest: str | None) -> None:
    """Reject a file that has another SHA-256, hexadecimal, than it must have; None means any.

    Raises
    ------
    CheckpointError : it has, or it cannot be read
    """
    if digest is None:
        return
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"model {path}: cannot be read: {error.strerror}") from error
    if found != digest:
        raise CheckpointError(f"model {path}: hash {found[:12]}… differs from {digest[:12]}…")
