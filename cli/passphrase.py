"""Sources of a passphrase or key, of which only one may be given."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import click

from deephide.errors import PassphraseError

__all__ = [
    "VARIABLE",
    "WEAK",
    "Secrets",
    "Sources",
    "read_passphrase",
    "read_passphrase_file",
    "read_secrets",
]

VARIABLE = "DEEPHIDE_PASSPHRASE"
_MAX_BYTES = 65536
_MARK = "\ufeff"  # the byte order mark
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")  # the same in UTF-16, as PowerShell writes files
# A dozen letters that nobody would guess hold 56 bits; a word of a dictionary holds 17.
SHORT = 12
WEAK = (
    f"the passphrase is short (fewer than {SHORT} characters, or few different ones) and can be "
    "guessed from the stego: deephide passphrase makes a good one"
)


@dataclass(frozen=True)
class Sources:
    """Sources of passphrase and keys on the command line; never a secret itself."""

    file: str | None = None
    descriptor: int | None = None
    prompt: bool = False
    key_file: str | None = None
    recipients: tuple[str, ...] = ()
    identity: str | None = None


@dataclass(frozen=True)
class Secrets:
    """The passphrase, if there is one, and where the keys are."""

    passphrase: str | None = field(repr=False)
    key_file: str | None
    recipients: tuple[str, ...] = ()
    identity: str | None = None

    @property
    def weak(self) -> bool:
        """Whether a passphrase alone opens the container, and is one that can be guessed."""
        if self.passphrase is None or self.key_file:
            return False
        return len(self.passphrase) < SHORT or len({*self.passphrase}) < SHORT // 2

    @property
    def missing(self) -> bool:
        """Whether there is neither passphrase nor key, so that the model is the key."""
        return self.passphrase is None and not (self.key_file or self.recipients or self.identity)


def read_secrets(sources: Sources, *, confirm: bool) -> Secrets:
    """Return what opens or closes a container; see `read_passphrase`.

    Parameters
    ----------
    sources : from the command line; the environment is looked at too
    confirm : ask twice when prompting

    Raises
    ------
    PassphraseError : as there, or a public-key option beside a shared secret
    """
    public = "--recipient" if sources.recipients else "--identity" if sources.identity else None
    shared = _given(sources) + (["--key-file"] if sources.key_file is not None else [])
    if public and shared:
        raise PassphraseError(
            f"the key has two sources: {public} and {shared[0]}", hint=_keep_one(shared)
        )
    passphrase = read_passphrase(sources, confirm=confirm)
    return Secrets(passphrase, sources.key_file, sources.recipients, sources.identity)


def read_passphrase(sources: Sources, *, confirm: bool) -> str | None:
    """Return the passphrase from its only source, or None if there is no source.

    Parameters
    ----------
    sources : from the command line; the environment is looked at too
    confirm : ask twice when prompting

    Raises
    ------
    PassphraseError : two sources, empty, unreadable, or different the second time
    """
    variable = os.environ.get(VARIABLE)
    given = _given(sources)
    if len(given) > 1:
        raise PassphraseError(
            f"the passphrase has two sources: {' and '.join(given)}", hint=_keep_one(given)
        )
    if not given:
        return None
    if variable is not None:
        text = variable
    elif sources.prompt:
        text = _ask(confirm)
    else:
        text = _decode(_read(sources))
    return _not_empty(text, given[0])


def read_passphrase_file(path: str) -> str:
    """Return the passphrase in a file, whatever the environment says.

    Raises
    ------
    PassphraseError : empty, unreadable, or more than one line
    """
    return _not_empty(_decode(_read(Sources(path))), click.format_filename(path))


def _not_empty(text: str, source: str) -> str:
    text = text.removeprefix(_MARK)  # editors of Windows begin a file of UTF-8 with it
    if not text:
        raise PassphraseError(
            f"the passphrase from {source} is empty", hint="use a passphrase of several words"
        )
    return text


def _given(sources: Sources) -> list[str]:
    named = {
        "--passphrase-file": sources.file is not None,
        "--passphrase-fd": sources.descriptor is not None,
        "--passphrase": sources.prompt,
        VARIABLE: VARIABLE in os.environ,
    }
    return [name for name, is_given in named.items() if is_given]


def _keep_one(given: list[str]) -> str:
    if VARIABLE in given:
        return f"keep one of them; unset {VARIABLE} removes the variable"
    return "keep one of them"


def _ask(confirm: bool) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise PassphraseError(
            "there is no terminal to ask for a passphrase",
            hint=f"use --passphrase-file, --passphrase-fd or {VARIABLE}",
        )
    first = _prompt("Passphrase")
    if confirm and first and _prompt("Passphrase again") != first:
        raise PassphraseError("the two passphrases differ", hint="try again")
    return first


def _prompt(text: str) -> str:
    try:
        answer = click.prompt(text, hide_input=True, default="", show_default=False, err=True)
    except click.Abort:
        raise KeyboardInterrupt from None
    return str(answer)


def _read(sources: Sources) -> bytes:
    try:
        if sources.descriptor is not None:
            with os.fdopen(sources.descriptor, "rb", closefd=False) as stream:
                return stream.read(_MAX_BYTES + 1)
        if sources.file == "-":
            if sys.stdin is None:
                raise PassphraseError("the passphrase cannot be read: stdin is closed")
            return sys.stdin.buffer.readline(_MAX_BYTES + 1)
        with Path(str(sources.file)).open("rb") as stream:
            raw, mode = stream.read(_MAX_BYTES + 1), os.fstat(stream.fileno()).st_mode
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise PassphraseError(f"the passphrase cannot be read: {reason}") from error
    from deephide.container.key_files import warn_of_readers

    warn_of_readers(mode, "passphrase file", click.format_filename(str(sources.file)))
    return raw


def _decode(raw: bytes) -> str:
    """Strip one line ending; what remains must be one line of UTF-8."""
    if len(raw) > _MAX_BYTES:
        raise PassphraseError(f"the passphrase is longer than {_MAX_BYTES} bytes")
    if raw.startswith(_WIDE_MARKS):
        raise PassphraseError(
            "the passphrase is not valid UTF-8 text but UTF-16", hint="save its file as UTF-8"
        )
    if raw.endswith(b"\n"):
        raw = raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
    if b"\n" in raw:
        raise PassphraseError(
            "the passphrase has more than one line", hint="put it on one line of its own file"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise PassphraseError("the passphrase is not valid UTF-8 text") from None
