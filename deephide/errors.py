"""Errors that a caller of `deephide` can meet.

::

    DeephideError                        exit
    ├─ InputImageError   (ValueError)      3   lossy, wrong mode, too small, too large
    ├─ CapacityError     (ValueError)      4   .needed_bits .capacity_bits
    ├─ ExtractionError                     5   nothing hidden | wrong passphrase | altered
    ├─ FormatVersionError                  6   authenticated, but newer than this program
    ├─ CheckpointError                     7   missing | hash mismatch | incompatible
    ├─ OutputError       (OSError)         8   exists, same as input, not lossless
    ├─ MissingExtraError (ImportError)     2   an optional package is not installed
    ├─ PassphraseError                     9   passphrase or key: two sources, mismatch, empty
    └─ IncompleteError                    10   authentic, but one of several photos that are needed

A message is one line without a capital or a full stop, so that a command can print it behind
its own name.  The hint, where there is one, says what to do next.  Neither ever contains a
passphrase or a key.
"""

from __future__ import annotations

__all__ = [
    "CapacityError",
    "CheckpointError",
    "DeephideError",
    "ExtractionError",
    "FormatVersionError",
    "IncompleteError",
    "InputImageError",
    "MissingExtraError",
    "OutputError",
    "PassphraseError",
]


class DeephideError(Exception):
    """The root of the tree; caught by callers who treat all failures alike.

    Parameters
    ----------
    message : one line, lower case, no full stop
    hint : what the user can do about it, or None
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InputImageError(DeephideError, ValueError):
    """An image given as secret, cover or stego cannot be used."""

    exit_code = 3


class CapacityError(DeephideError, ValueError):
    """The cover cannot take the payload.

    Parameters
    ----------
    message, hint : see DeephideError
    needed_bits : everything to be hidden, container included, as `EmbedResult.payload_bits`
    capacity_bits : the most the cover can take, counted alike, as `Capacity.hard_bits`
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        needed_bits: int,
        capacity_bits: int,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.needed_bits = needed_bits
        self.capacity_bits = capacity_bits


class ExtractionError(DeephideError):
    """Nothing hidden, wrong passphrase, altered image: deliberately one and the same."""

    exit_code = 5

    def __init__(self) -> None:
        super().__init__(
            "no hidden image found: nothing is hidden here, the passphrase, key or model "
            "is not the one used, or the image was altered",
            hint="use the file exactly as it was written; services that recompress or "
            "resize images destroy what is hidden in them",
        )


class FormatVersionError(DeephideError):
    """The container is authentic, but this program does not know its version or codec."""

    exit_code = 6


class CheckpointError(DeephideError):
    """The model is missing, damaged, or not the one the container was made with."""

    exit_code = 7


class OutputError(DeephideError, OSError):
    """The result cannot be written where it was asked for."""

    exit_code = 8


class MissingExtraError(DeephideError, ImportError):
    """What was asked for needs a package that only an extra installs.

    Parameters
    ----------
    what : that needs it, in the singular
    package : as people call it
    extra : of deephide
    """

    exit_code = 2

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}", hint=f"install the extra: pip install 'deephide[{extra}]'"
        )


class PassphraseError(DeephideError):
    """No usable passphrase or key: two sources at once, empty, damaged, or typed differently."""

    exit_code = 9


class IncompleteError(DeephideError):
    """The containers are authentic, but too few of the photos that share a secret are here."""

    exit_code = 10
