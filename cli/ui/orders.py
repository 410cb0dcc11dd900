"""Requests of the page, as they come in JSON; files by their names in `Files`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deephide.errors import InputImageError, PassphraseError

if TYPE_CHECKING:
    from cli.ui.files import Files
    from deephide.codecs.squares import Square

__all__ = ["EmbedOrder", "ExtractOrder", "PreviewOrder", "keys_of", "square_of"]


@dataclass(frozen=True)
class PreviewOrder:
    """Request to show what the receiver would see.

    `square` is what of the secret is cut out: x and y of its middle, its side and degrees, as
    numbers with spaces between; empty means the whole picture.  `safe_bytes` are those of the
    carrier, `step` is a number from 1, or 0 for the usual one.
    """

    secret: str
    square: str = ""
    codec: str = "auto"
    safe_bytes: int = 0
    step: int = 0


@dataclass(frozen=True)
class EmbedOrder:
    """Request to hide something.

    `name` is the secret's on the user's disk, and travels with a file.  `carrier` are one or
    several names with spaces between; of several, `needed` are to be enough, 0 means all.
    `quality` and `budget` are those of a preview, 0 leaves them to the program.  `recipients` are
    public keys with spaces between.
    """

    secret: str
    carrier: str
    passphrase: str = field(default="", repr=False)
    again: str = field(default="", repr=False)
    key_file: str = ""
    recipients: str = ""
    name: str = ""
    square: str = ""
    codec: str = "auto"
    quality: int = 0
    budget: int = 0
    channel: str = ""
    needed: int = 0
    pad: bool = False
    strip_metadata: bool = False


@dataclass(frozen=True)
class ExtractOrder:
    """Request to extract what is hidden, in one stego or in several that share it."""

    stego: str
    passphrase: str = field(default="", repr=False)
    key_file: str = ""
    identity: str = ""


def square_of(text: str) -> Square | None:
    """Return the square that an order names, or None for the whole picture.

    Raises
    ------
    InputImageError : not four finite numbers
    """
    from deephide.codecs.squares import Square

    if not text:
        return None
    try:
        numbers = [float(each) for each in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise InputImageError("the square to cut out is not four numbers")
    return Square(*numbers)


def keys_of(order: EmbedOrder, files: Files) -> dict[str, Any]:
    """Return the options of `deephide.embed` that say who can extract.

    Raises
    ------
    PassphraseError : the two passphrases differ
    DeephideError : the key file was dropped
    """
    if order.passphrase != order.again:
        raise PassphraseError("the two passphrases differ", hint="try again")
    return {
        "passphrase": order.passphrase or None,
        "key_file": files.get(order.key_file).data if order.key_file else None,
        "recipients": tuple(order.recipients.split()),
    }
