"""Keys as text and as files: identities, public keys, key files.

::

    identity file    # made by deephide keygen        lines that begin with # are comments
                     # public key: deephide-pub-...
                     DEEPHIDE-KEY-...                 exactly one

    the text         prefix, then base32 of 32 bytes of key and 3 bytes of checksum
    a key file       32 bytes to 1 MiB, any content that nobody can guess
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from deephide.container import crypto, elligator
from deephide.errors import OutputError, PassphraseError
from deephide.formats.names import refusal
from deephide.output import write_atomically

__all__ = [
    "KeySource",
    "format_identity",
    "format_public_key",
    "keygen",
    "load_identity",
    "load_key_file",
    "parse_public_key",
    "warn_of_readers",
]

KEY_BYTES = 32
CHECKSUM_BYTES = 3
MIN_KEY_FILE = 32
MAX_KEY_FILE = 1 << 20
MIN_DISTINCT = 8  # different byte values in a key file; 32 random bytes have about 30
MAX_IDENTITY_FILE = 1 << 16

PUBLIC_PREFIX = "deephide-pub-"
PRIVATE_PREFIX = "DEEPHIDE-KEY-"

_log = logging.getLogger(__name__)

PathSource: TypeAlias = "str | os.PathLike[str]"
KeySource: TypeAlias = "PathSource | bytes | None"


def format_identity(private: bytes) -> str:
    """Return the line of an identity file for a private key of 32 bytes."""
    return PRIVATE_PREFIX + _to_text(private, PRIVATE_PREFIX)


def format_public_key(public: bytes) -> str:
    """Return the text of a public key of 32 bytes."""
    return PUBLIC_PREFIX + _to_text(public, PUBLIC_PREFIX).lower()


def parse_public_key(text: str) -> bytes:
    """Return the 32 bytes of a public key.

    Parameters
    ----------
    text : as `keygen` returned it

    Raises
    ------
    PassphraseError : not such a text, damaged, or a key with which nothing can be kept secret
    """
    # Nothing but what `format_public_key` writes: two texts of one key would be two recipients.
    lower = text.isascii() and text == text.lower()
    key = _from_text(text.strip(), PUBLIC_PREFIX, str.upper) if lower else None
    if key is None:
        raise PassphraseError(
            "a recipient is not a public key, or was copied wrongly",
            hint=f"it begins with {PUBLIC_PREFIX} and is what deephide keygen prints",
        )
    # Any private key will do to find the keys of low order.
    if int.from_bytes(key, "little") >= elligator.P or crypto.x25519(bytes(32), key) is None:
        raise PassphraseError("a recipient's public key cannot be used: nobody owns it")
    return key


def keygen(path: PathSource) -> str:
    """Write a new identity to a file that only its owner may read, and return its public key.

    Parameters
    ----------
    path : the file; it must not exist

    Returns
    -------
    str, the public key, to be given to those who want to hide something for its owner

    Raises
    ------
    OutputError : the file exists or cannot be written
    """
    reason = refusal(path)
    if reason is not None:
        raise OutputError(f"the output {path} cannot be written: {reason}")
    if os.path.lexists(path):
        raise OutputError(
            f"the output {path} exists", hint="choose another name; identities are not replaced"
        )
    private = os.urandom(KEY_BYTES)
    public = format_public_key(crypto.x25519_public(private))
    text = f"# made by deephide keygen\n# public key: {public}\n{format_identity(private)}\n"
    write_atomically(Path(path), text.encode("ascii"), private=True)
    return public


def load_identity(source: PathSource | bytes) -> bytes:
    """Return the 32 bytes of the private key in an identity file.

    Parameters
    ----------
    source : a file that `keygen` wrote, or its content

    Raises
    ------
    PassphraseError : unreadable, or not such a file
    """
    if not isinstance(source, bytes):
        source = _read(source, MAX_IDENTITY_FILE, "identity file")
    lines = [line.strip() for line in source.decode("utf-8-sig", "replace").splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    key = _from_text(found[0], PRIVATE_PREFIX, str) if len(found) == 1 else None
    if key is None:
        raise PassphraseError(
            "the identity file does not hold exactly one undamaged key",
            hint="make one with deephide keygen",
        )
    return key


def load_key_file(source: KeySource) -> bytes | None:
    """Return the content of a key file; None stays None.

    Parameters
    ----------
    source : path, or the content itself

    Raises
    ------
    PassphraseError : unreadable, shorter than 32 bytes, longer than 1 MiB, or nearly constant
    """
    if source is None:
        return None
    data = source if isinstance(source, bytes) else _read(source, MAX_KEY_FILE, "key file")
    if len(data) < MIN_KEY_FILE:
        problem = "empty" if not data else f"only {len(data)} bytes long"
    elif len(data) > MAX_KEY_FILE:
        problem = f"longer than {MAX_KEY_FILE} bytes"
    elif len(set(data)) < MIN_DISTINCT:
        problem = "nearly constant"
    else:
        return data
    raise PassphraseError(
        f"the key file is {problem}",
        hint=f"use at least {MIN_KEY_FILE} random bytes, such as head -c 64 /dev/urandom gives",
    )


def _read(path: PathSource, limit: int, what: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(limit + 1)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise PassphraseError(f"the {what} cannot be read: {reason}") from error
    if len(data) > limit:
        raise PassphraseError(f"the {what} is longer than {limit} bytes")
    warn_of_readers(mode, what, path)
    return data


def warn_of_readers(mode: int, what: str, path: PathSource) -> None:
    """Log a warning about a secret in a file that its owner is not alone to read.

    Parameters
    ----------
    mode : of the file, as `os.fstat` tells it
    what, path : the file, as messages call it
    """
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o044:
        _log.warning("the %s %s can be read by others: chmod 600 keeps it to its owner", what, path)


def _checksum(key: bytes, prefix: str) -> bytes:
    return hashlib.sha256(prefix.encode("ascii") + key).digest()[:CHECKSUM_BYTES]


def _to_text(key: bytes, prefix: str) -> str:
    return base64.b32encode(key + _checksum(key, prefix)).decode("ascii")


def _from_text(text: str, prefix: str, fold: Callable[[str], str]) -> bytes | None:
    """Return the key, or None if prefix, alphabet, length or checksum are not right."""
    if not text.startswith(prefix):
        return None
    try:
        data = base64.b32decode(fold(text[len(prefix) :]).encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        return None
    key, checksum = data[:KEY_BYTES], data[KEY_BYTES:]
    return key if len(key) == KEY_BYTES and checksum == _checksum(key, prefix) else None
