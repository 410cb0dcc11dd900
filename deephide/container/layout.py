"""Byte layout of a container: zones, header, length and padding; nothing about keys or images.

::

    all n elements ─┬─ public zone   every few elements            24 or 40 bytes, random
                    └─ the rest, in the keyed order
                         ├─ length zone   fixed size                4 bytes, masked
                         └─ body zone     everything else           sealed( header | payload )

    header: version (1) | codec (1) | parameters of the codec (8)

The public zone carries the salt of a shared secret or, for recipients, the ephemeral key, and
beside it a commitment to the key that follows from it, so that no second key opens the same
elements.  Each recipient's stanza (16 bytes) lies in the first elements of an order of its own,
across the rest.

Overhead: 24 + 4 + 10 + 16 (the seal's tag) = 54 bytes, or 70 + 16 for each recipient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide.errors import ExtractionError, FormatVersionError

__all__ = [
    "Header",
    "Zones",
    "associated_data",
    "associated_jpeg",
    "mask_length",
    "pack",
    "pack_content",
    "padded_bytes",
    "to_bits",
    "to_bytes",
    "unmask_length",
    "unpack",
    "unpack_content",
]

VERSION = 2
CODEC_LATENT = 1
CODEC_SHARE = 5
PADDED = 0x80  # flag in the byte of the codec

SALT_BYTES = 16
EPHEMERAL_BYTES = 32
STANZA_BYTES = 16
COMMITMENT_BYTES = 8
LENGTH_BYTES = 4
PARAMETER_BYTES = 8
HEADER_BYTES = 2 + PARAMETER_BYTES
TAG_BYTES = 16
MIN_BODY_BYTES = HEADER_BYTES + TAG_BYTES
OVERHEAD_BYTES = SALT_BYTES + COMMITMENT_BYTES + LENGTH_BYTES + MIN_BODY_BYTES

MIN_ELEMENTS = 4096


@dataclass(frozen=True)
class Zones:
    """How many of the n elements belong to each zone; a function of n and of the kind of key.

    The small zones get elements by the byte of their messages, so that their rate, 2048 / n bits
    per element (4096 / n for a stanza), is that of a body of about 230 bytes.  The format cannot
    follow longer and shorter ones: docs/format.md says by how much their density of changes
    differs.

    `opening_bytes` is 16, the salt of a shared secret, or 32, the ephemeral key for recipients.
    """

    n: int
    opening_bytes: int = SALT_BYTES

    def __post_init__(self) -> None:
        if self.n < MIN_ELEMENTS:
            raise ValueError(f"n: got {self.n} elements, at least {MIN_ELEMENTS} are needed")

    @property
    def public_bytes(self) -> int:
        """Bytes of the message in the public zone: the opening, and the commitment to the key."""
        return self.opening_bytes + COMMITMENT_BYTES

    @property
    def public(self) -> int:
        """Elements of the public zone."""
        return self.public_bytes * max(self.n // 256, 32)

    @property
    def others(self) -> int:
        """Elements outside the public zone."""
        return self.n - self.public

    @property
    def stanza(self) -> int:
        """Elements of one recipient's stanza; they are elements of the other zones too."""
        return STANZA_BYTES * max(self.n // 512, 32)

    @property
    def length(self) -> int:
        """Elements of the length zone."""
        return LENGTH_BYTES * max(self.n // 256, 32)

    @property
    def body(self) -> int:
        """Elements of the body zone."""
        return self.others - self.length

    @property
    def max_body_bytes(self) -> int:
        """Longest sealed body: half a bit per element of its zone."""
        return self.body // 16

    def public_places(self, numbers: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the elements of the public zone, numbered from 0 by ascending index.

        One element of each of as many equal stretches, at an offset that takes turns: a fixed one
        would see a few columns or a few modes of the transform alone.
        """
        stretches = numbers.astype(np.int64)
        starts = self._start(stretches)
        return starts + self._offset(stretches, starts)

    def other_places(self, numbers: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the elements outside the public zone, numbered from 0 by ascending index."""
        places = numbers.astype(np.int64)
        products = (places * self.public).view(np.uint64)
        stretches = (products // np.uint64(self.others)).view(np.int64)
        starts = self._start(stretches)
        places += stretches
        places += places >= starts + self._offset(stretches, starts)
        return places

    def _start(self, stretches: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return ceil(stretch · n / public)."""
        products = stretches * self.n + (self.public - 1)
        # Unsigned division is vectorised, and below 2**53 nothing differs.
        return (products.view(np.uint64) // np.uint64(self.public)).view(np.int64)

    def _offset(self, stretches: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        # Multiples of the golden ratio modulo 1 are spread evenly (Knuth, TAOCP 3, Sec. 6.4).
        length = self._start(stretches + 1) - starts
        return ((stretches * 2654435769) & 0xFFFFFFFF) * length >> 32


@dataclass(frozen=True)
class Header:
    """Description of the payload inside the seal; `parameters` are 8 bytes of the codec."""

    codec: int
    parameters: bytes
    version: int = VERSION
    padded: bool = False


def padded_bytes(length: int) -> int:
    """Return the size class of `length` >= 1 bytes: PADMÉ of Nikitin et al. 2019, Sec. 4.

    A class has as many significant bits as the length of its binary logarithm has; the next class
    is at most 12 % above the length, and a class says O(log log length) bits about it.

    Examples
    --------
    >>> [padded_bytes(n) for n in (1, 9, 17, 300, 1000)]
    [1, 10, 18, 304, 1024]
    """
    exponent = length.bit_length() - 1
    dropped = max(exponent - exponent.bit_length(), 0)
    return -(-length >> dropped) << dropped


def pack(header: Header, payload: bytes) -> bytes:
    """Return the plaintext that gets sealed; the payload's codec must be below 128."""
    if len(header.parameters) != PARAMETER_BYTES:
        raise ValueError(
            f"parameters: got {len(header.parameters)} bytes, expected {PARAMETER_BYTES}"
        )
    if not 0 <= header.codec < PADDED:
        raise ValueError(f"codec: got {header.codec}, allowed 0..{PADDED - 1}")
    codec = header.codec
    if header.padded:
        codec |= PADDED
        payload += b"\x01"
        payload = payload.ljust(padded_bytes(len(payload)), b"\x00")
    return bytes((header.version, codec)) + header.parameters + payload


def unpack(plaintext: bytes) -> tuple[Header, bytes]:
    """Split an authenticated plaintext.

    Raises
    ------
    FormatVersionError : the version is not one that this program knows
    ExtractionError : too short, or padded in another way than `pack` does
    """
    if len(plaintext) < HEADER_BYTES:
        raise ExtractionError
    version = plaintext[0]
    if version != VERSION:
        newer = version > VERSION
        raise FormatVersionError(
            f"the hidden container has format version {version}, "
            f"this program reads version {VERSION}",
            hint=f"install {'a newer' if newer else 'an older'} deephide",
        )
    prefix, payload = plaintext[2:HEADER_BYTES], plaintext[HEADER_BYTES:]
    padded = bool(plaintext[1] & PADDED)
    if padded:
        marked = payload.rstrip(b"\x00")
        if not marked.endswith(b"\x01") or len(payload) != padded_bytes(len(marked)):
            raise ExtractionError
        payload = marked[:-1]
    return Header(plaintext[1] & PADDED - 1, prefix, version, padded), payload


def pack_content(header: Header, payload: bytes) -> bytes:
    """Return what shares are made of: the plaintext without version and padding."""
    return bytes((header.codec,)) + header.parameters + payload


def unpack_content(content: bytes) -> tuple[Header, bytes]:
    """Split what shares gave; raises ExtractionError where it is too short, or a share itself."""
    if len(content) < HEADER_BYTES - 1 or content[0] in (CODEC_SHARE, *range(PADDED, 256)):
        raise ExtractionError
    return Header(content[0], content[1 : HEADER_BYTES - 1]), content[HEADER_BYTES - 1 :]


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
    """Return what the seal authenticates besides the body: the shape of the image."""
    return b"deephide/2 picture\x00" + b"".join(
        value.to_bytes(4, "little") for value in (width, height, channels)
    )


def associated_jpeg(width: int, height: int, blocks: Sequence[tuple[int, int]]) -> bytes:
    """Return the same for a JPEG file; `blocks` are columns and rows of each component."""
    values = (width, height, len(blocks), *(value for pair in blocks for value in pair))
    return b"deephide/2 JPEG\x00" + b"".join(value.to_bytes(4, "little") for value in values)


def to_bits(data: bytes) -> NDArray[np.uint8]:
    """Return the bits of `data`, the least significant bit of each byte first."""
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")


def to_bytes(bits: NDArray[np.uint8]) -> bytes:
    """Invert `to_bits`; the number of bits must be a multiple of eight."""
    if bits.size % 8:
        raise ExtractionError
    return np.packbits(bits, bitorder="little").tobytes()
