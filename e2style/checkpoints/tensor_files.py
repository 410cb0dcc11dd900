"""Tensors of safetensors files as numpy arrays, each read when it is asked for.

Read without torch, and without mapping the file: pages of it that were looked at once would count
as memory of the process to its end.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2style.checkpoints.headers import check_digest, covered, digest_of, read_header, texts_of
from e2style.checkpoints.shipped import FINGERPRINTS
from e2style.errors import CheckpointError

__all__ = ["TensorFile", "file_fingerprint"]

# Types of safetensors: what torch calls them, and numpy's; numpy has none for bfloat16.
_TYPES: dict[str, tuple[str, type[np.generic] | None]] = {
    "F64": ("float64", np.float64),
    "F32": ("float32", np.float32),
    "F16": ("float16", np.float16),
    "BF16": ("bfloat16", None),
    "I64": ("int64", np.int64),
    "I32": ("int32", np.int32),
    "U32": ("uint32", np.uint32),
    "U8": ("uint8", np.uint8),
    "BOOL": ("bool", np.bool_),
}
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U32": 4, "U8": 1, "BOOL": 1}

_BLOCK = 1 << 18  # numbers that are converted at a time


class TensorFile:
    """A safetensors file.

    Parameters
    ----------
    path : of the file

    Attributes
    ----------
    metadata : texts of its header

    Raises
    ------
    CheckpointError : it is damaged, or cannot be read
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        header, self._start = read_header(path)
        self.metadata = texts_of(path, header)
        header.pop("__metadata__", None)
        size = path.stat().st_size - self._start
        self._entries = {key: self._checked(entry, size) for key, entry in header.items()}

    def keys(self) -> list[str]:
        """Names of the tensors."""
        return list(self._entries)

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return self._entries[key][1]

    def read(self, key: str) -> NDArray[Any]:
        """Tensor of a name, of the type that it is stored in.

        Raises
        ------
        CheckpointError : there is none, or none that numpy has a type for
        """
        kind, shape, first, last = self._place(key)
        dtype = _TYPES[kind][1]
        if dtype is None:
            raise CheckpointError(f"model {self.path}: tensor {key[:80]!r} is bfloat16")
        found = np.empty(shape, dtype)
        with self.path.open("rb") as file:
            file.seek(self._start + first)
            if file.readinto(found.reshape(-1).view(np.uint8).data) != last - first:
                raise CheckpointError(f"model {self.path}: cannot be read: it is cut off")
        return found

    def read_single(self, key: str) -> NDArray[Any]:
        """Tensor of a name, half precision as single; never is all of it there in both."""
        kind, shape, first, _ = self._place(key)
        if kind != "F16":
            return self.read(key)
        found = np.empty(shape, np.float32)
        flat = found.reshape(-1)
        with self.path.open("rb") as file:
            file.seek(self._start + first)
            for start in range(0, flat.size, _BLOCK):
                part = np.frombuffer(file.read(2 * min(_BLOCK, flat.size - start)), "<f2")
                flat[start : start + _BLOCK] = part
        return found

    def _place(self, key: str) -> tuple[str, tuple[int, ...], int, int]:
        if key not in self._entries:
            raise CheckpointError(f"model {self.path}: tensor {key[:80]!r} is missing")
        return self._entries[key]

    def fingerprint(self) -> bytes:
        """Fingerprint of what the receiver needs: see `headers.covered`."""
        return digest_of(self._stored(covered(self._entries)))

    def generator_fingerprint(self) -> bytes:
        """Fingerprint of the generator alone."""
        keys = [key for key in self._entries if not key.startswith("quantizer.")]
        return digest_of(self._stored(covered(keys)))

    def _stored(self, keys: list[str]) -> Iterator[tuple[str, str, tuple[int, ...], bytes]]:
        with self.path.open("rb") as file:
            for key in keys:
                kind, shape, first, last = self._entries[key]
                file.seek(self._start + first)
                yield key, _TYPES[kind][0], shape, file.read(last - first)

    def _checked(self, entry: Any, size: int) -> tuple[str, tuple[int, ...], int, int]:
        """Type, shape and place of a tensor, which must agree and lie in the file."""
        try:
            kind, shape = entry["dtype"], tuple(entry["shape"])
            first, last = entry["data_offsets"]
            if type(last) is int and last > size:
                raise CheckpointError(f"model {self.path}: cannot be read: it is cut off")
            whole = all(type(n) is int and n >= 0 for n in (*shape, first, last))
            count = functools.reduce(lambda a, b: a * b, shape, _BYTES[kind])
            if not (whole and len(shape) <= 8 and first <= last <= size and last - first == count):
                raise ValueError
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"model {self.path}: its header is damaged") from error
        return kind, shape, first, last


@functools.lru_cache(maxsize=4)
def file_fingerprint(path: Path, digest: str | None, changed: int) -> bytes:
    """Fingerprint of a model file of this program.

    Parameters
    ----------
    path : safetensors file
    digest : SHA-256 that it must have, hexadecimal; None means any
    changed : time of its last change, under which the fingerprint is remembered

    Raises
    ------
    CheckpointError : another hash, or a damaged header
    """
    check_digest(path, digest)
    known = FINGERPRINTS.get(digest or "")
    return TensorFile(path).fingerprint() if known is None else bytes.fromhex(known)
