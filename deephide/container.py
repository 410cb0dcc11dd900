"""The byte layout of a container: who sits where, and nothing about keys or pictures.

::

    all n elements ─┬─ salt zone     public order, fixed size      16 bytes, random
                    └─ the rest, in the keyed order
                         ├─ length zone   fixed size                4 bytes, masked
                         └─ body zone     everything else           sealed( header | payload )

    header: version (1) | codec (1) | first 8 bytes of the model's fingerprint (8)

Overhead: 16 + 4 + 10 + 16 (the seal's tag) = 46 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide.errors import ExtractionError, FormatVersionError

__all__ = [
    "Header",
    "Zones",
    "associated_data",
    "mask_length",
    "pack",
    "to_bits",
    "to_bytes",
    "unmask_length",
    "unpack",
]

VERSION = 1
CODEC_LATENT = 1

SALT_BYTES = 16
LENGTH_BYTES = 4
PREFIX_BYTES = 8
HEADER_BYTES = 2 + PREFIX_BYTES
TAG_BYTES = 16
MIN_BODY_BYTES = HEADER_BYTES + TAG_BYTES
OVERHEAD_BYTES = SALT_BYTES + LENGTH_BYTES + MIN_BODY_BYTES

MIN_ELEMENTS = 4096


@dataclass(frozen=True)
class Zones:
    """How many of the n elements belong to each zone; a function of n alone.

    The two small zones get a share that keeps their rate (2048 / n bits per element) near the
    rate of a typical body, so that no zone stands out by its density of changes.
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < MIN_ELEMENTS:
            raise ValueError(f"n: got {self.n} elements, at least {MIN_ELEMENTS} are needed")

    @property
    def salt(self) -> int:
        """Elements of the salt zone."""
        return min(max(self.n // 16, 1024), 1 << 18)

    @property
    def length(self) -> int:
        """Elements of the length zone."""
        return min(max(self.n // 64, 256), 1 << 16)

    @property
    def body(self) -> int:
        """Elements of the body zone."""
        return self.n - self.salt - self.length

    @property
    def max_body_bytes(self) -> int:
        """Longest sealed body: half a bit per element of its zone."""
        return self.body // 16


@dataclass(frozen=True)
class Header:
    """What the inside of the seal says about the payload."""

    codec: int
    fingerprint_prefix: bytes
    version: int = VERSION


def pack(header: Header, payload: bytes) -> bytes:
    """Return the plaintext that gets sealed."""
    if len(header.fingerprint_prefix) != PREFIX_BYTES:
        raise ValueError(
            f"fingerprint_prefix: got {len(header.fingerprint_prefix)} bytes, "
            f"expected {PREFIX_BYTES}"
        )
    return bytes((header.version, header.codec)) + header.fingerprint_prefix + payload


def unpack(plaintext: bytes) -> tuple[Header, bytes]:
    """Split an authenticated plaintext.

    Raises
    ------
    FormatVersionError : the version is not one that this program knows
    """
    if len(plaintext) < HEADER_BYTES:
        raise ExtractionError
    version = plaintext[0]
    if version != VERSION:
        raise FormatVersionError(
            f"the hidden container has format version {version}, "
            f"this program reads version {VERSION}",
            hint="install a newer deephide",
        )
    prefix = plaintext[2:HEADER_BYTES]
    return Header(plaintext[1], prefix, version), plaintext[HEADER_BYTES:]


def mask_length(body_bytes: int, pad: bytes, zones: Zones) -> bytes:
    """Return the 4 bytes of the length zone for a sealed body of `body_bytes`."""
    if not MIN_BODY_BYTES <= body_bytes <= zones.max_body_bytes:
        raise ValueError(
            f"body_bytes: got {body_bytes}, allowed {MIN_BODY_BYTES}..{zones.max_body_bytes}"
        )
    value = body_bytes - MIN_BODY_BYTES
    return (value ^ int.from_bytes(pad, "little")).to_bytes(LENGTH_BYTES, "little")


def unmask_length(masked: bytes, pad: bytes, zones: Zones) -> tuple[int, bool]:
    """Return a body length that is possible whatever the key, and whether it was canonical.

    With a wrong key the value is random; reducing it modulo the number of possible lengths
    lets the receiver do the same work as with the right one before it fails.
    """
    value = int.from_bytes(masked, "little") ^ int.from_bytes(pad, "little")
    choices = zones.max_body_bytes - MIN_BODY_BYTES + 1
    return MIN_BODY_BYTES + value % choices, value < choices


def associated_data(width: int, height: int, channels: int) -> bytes:
    """Return what the seal authenticates besides the body: the shape of the picture."""
    return b"deephide/1 picture\x00" + b"".join(
        value.to_bytes(4, "little") for value in (width, height, channels)
    )


def to_bits(data: bytes) -> NDArray[np.uint8]:
    """Return the bits of `data`, the least significant bit of each byte first."""
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")


def to_bytes(bits: NDArray[np.uint8]) -> bytes:
    """Invert `to_bits`; the number of bits must be a multiple of eight."""
    if bits.size % 8:
        raise ExtractionError
    return np.packbits(bits, bitorder="little").tobytes()
