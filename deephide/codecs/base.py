"""Codec protocol and registry, and what goes in and comes out of a codec.

::

    codec    number  secret          8 parameter bytes            payload
    latent        1  a face          fingerprint and quality      entropy-coded W+ integers
    image         2  any image       format and sizes             a small WebP or AVIF
    file          3  any bytes       method and sizes             name and bytes, by Zstandard
    paper         4  a face          the model's fingerprint      nine bits per W+ integer

A codec is a module of this folder that defines `CODEC`, and one line of NUMBERS.  It is loaded
when it is needed, so that hiding a file loads no entropy coder and the names cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from deephide.errors import CapacityError, FormatVersionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from deephide.formats.files import ImageSource
    from deephide.models import LazyModel
    from deephide.options import EmbedOptions

__all__ = [
    "CHOICES",
    "NUMBERS",
    "Codec",
    "Content",
    "Encoded",
    "Request",
    "Room",
    "decode",
    "load_codec",
    "over_budget",
]

# The number is what the header of a container says; the name is that of the module.
NUMBERS = {"latent": 1, "image": 2, "file": 3, "paper": 4}
CHOICES = ("auto", *NUMBERS)


class Room(Protocol):
    """Bytes of payload that a carrier has room for, and what they take with their container."""

    @property
    def limit(self) -> int:
        """The most that the format allows in this carrier."""

    def safe(self) -> int:
        """Return what is safe in this carrier."""

    def for_image(self) -> int:
        """Return what an image may take where no budget was given."""

    def hidden_bytes(self, payload: int) -> int:
        """Return everything that is hidden with so many bytes of payload."""

    def payload_within(self, hidden: int) -> int:
        """Return the longest payload with which so many bytes are hidden; 0 if there is none."""


@dataclass(frozen=True, eq=False)
class Request:
    """A secret to be encoded, the options, and the room there is.

    `options.budget`, where one was given, replaces both what is safe and what an image may take.
    """

    secret: ImageSource | bytes = field(repr=False)
    model: LazyModel
    options: EmbedOptions = field(repr=False)
    carrier: Room

    def allowed(self) -> int | None:
        """Return the bytes of payload that the budget allows, or None without a budget."""
        budget = self.options.budget
        return None if budget is None else self.carrier.payload_within(budget)

    def room(self) -> int:
        """Return the bytes beyond which "auto" takes no code of a face."""
        allowed = self.allowed()
        return self.carrier.safe() if allowed is None else allowed

    def budget(self) -> int:
        """Return the bytes that a payload of the image codec may have."""
        allowed = self.allowed()
        return self.carrier.for_image() if allowed is None else allowed


@dataclass(frozen=True, eq=False)
class Encoded:
    """A payload, and the image that the receiver will see.

    `preview` is None for a file, and otherwise stands for `shown`, the secret or the face in it;
    `secret_psnr` compares both, in dB; `reason` is a sentence that says what was chosen;
    `cut_out` says that only a part of the secret travels, which nobody asked for in so many words.
    """

    codec: str
    parameters: bytes
    payload: bytes = field(repr=False)
    reason: str
    preview: Image.Image | None = field(default=None, repr=False)
    shown: Image.Image | None = field(default=None, repr=False)
    secret_psnr: float | None = None
    model: str | None = None
    integers: NDArray[np.int32] | None = field(default=None, repr=False)
    cut_out: bool = False


@dataclass(frozen=True, eq=False)
class Content:
    """An image, or the bytes of a file and its name, as the receiver gets it back."""

    codec: str
    image: Image.Image | None = field(default=None, repr=False)
    data: bytes | None = field(default=None, repr=False)
    model: str | None = None
    name: str | None = None


class Codec(Protocol):
    """Content to bytes and back.

    Bytes are decoded only after they turned out to be authentic; they are distrusted all the same,
    because a sender may be an enemy too.
    """

    uses_model: bool

    def encode(self, request: Request) -> Encoded:
        """Return parameters and payload of a secret."""

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        """Return what was encoded; raises ExtractionError for bytes that `encode` never writes."""


def over_budget(what: str, payload: int, request: Request) -> CapacityError:
    """Return the error for a payload that is longer than the budget allows."""
    needed, budget = request.carrier.hidden_bytes(payload), request.options.budget or 0
    return CapacityError(
        f"{what} takes at least {needed} bytes, container included, and the budget allows {budget}",
        needed_bits=8 * needed,
        capacity_bits=8 * budget,
        hint=f"allow more with --budget {needed}",
    )


def load_codec(name: str) -> Codec:
    """Return a codec by its name, one of NUMBERS."""
    return cast(Codec, import_module(f"deephide.codecs.{name}").CODEC)


def decode(number: int, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
    """Decode an authentic payload.

    Parameters
    ----------
    number : of the codec, from the header
    parameters : 8 bytes, from the header
    payload : the rest
    model : loaded only if the codec needs it

    Raises
    ------
    FormatVersionError : an unknown codec, or an image format that is not supported here
    CheckpointError : made with another model
    ExtractionError : not what the sender's side of the codec writes
    """
    for name, known in NUMBERS.items():
        if number == known:
            return load_codec(name).decode(parameters, payload, model)
    raise FormatVersionError(
        f"the hidden container uses codec {number}, which this program does not know",
        hint="install a newer deephide",
    )
