"""Header and body zones of a robust container: elements in the keyed order, and what they carry.

::

    n elements of a reading, keyed order ─┬─ header zone   length and plan, with parity
                                          └─ body zone     nonce | sealed, with parity

The salt is the picture's own brightness (`lattice.salt_of`), so that no element is public.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

import stc
from deephide.channels import coding
from deephide.channels.coding import Plan
from deephide.channels.lattice import Luma
from deephide.channels.profiles import Reading
from deephide.container import crypto
from deephide.container import layout as container
from deephide.container.crypto import ChannelKeys
from deephide.container.keystream import Order
from deephide.errors import ExtractionError
from deephide.formats.limits import MAX_ROBUST_PIXELS

__all__ = [
    "HEIGHT",
    "MIN_BODY_BYTES",
    "MIN_ELEMENTS",
    "NONCE_BYTES",
    "Zones",
    "associated_data",
    "is_too_large",
    "lock",
    "longest_body",
    "read_body",
    "read_streams",
    "unlock",
]

HEIGHT = 12
NONCE_BYTES = 16
_FRAME_BYTES = NONCE_BYTES + container.COMMITMENT_BYTES
MIN_BODY_BYTES = _FRAME_BYTES + container.MIN_BODY_BYTES
MIN_ELEMENTS = 4096
_MOST_BODY_BYTES = 1024
_MOST_HEADER = 8192  # elements
_DOUBT = 0.2  # elements nearer than that to being another one, which is 0, are doubtful


@dataclass(frozen=True, eq=False)
class Zones:
    """The places of a reading's n elements, in the keyed order."""

    order: Order = field(repr=False)

    @property
    def _split(self) -> int:
        return min(self.order.n // 16, _MOST_HEADER)

    @property
    def header(self) -> NDArray[np.uint32]:
        """Places of the header zone."""
        return self.order.places(0, self._split)

    def body_size(self, plan: Plan) -> int:
        """Return the number of elements that carry the body of a plan."""
        return plan.elements(self.order.n - self._split)

    def body(self, plan: Plan) -> NDArray[np.uint32]:
        """Return the places of the elements that carry the body of a plan."""
        return self.order.places(self._split, self._split + self.body_size(plan))


def longest_body(n: int) -> int:
    """Return the most bytes of body that n elements may carry, MIN_BODY_BYTES at least."""
    return max(MIN_BODY_BYTES, min(n // 64, _MOST_BODY_BYTES))


def is_too_large(width: int, height: int) -> bool:
    """Tell whether a picture is larger than robust stegos are."""
    return width * height > MAX_ROBUST_PIXELS


def associated_data(luma: Luma, reading: Reading) -> bytes:
    """Return what the seal authenticates besides the body: shape and reading."""
    rows, columns = luma.values.shape[:2]
    numbers = (columns, rows, reading.number)
    return b"deephide/2 channel\x00" + b"".join(each.to_bytes(4, "little") for each in numbers)


def lock(keys: ChannelKeys, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return the body: nonce, commitment, and what is sealed; NEVER with the same nonce twice."""
    own = crypto.derive_body_keys(keys, nonce)
    return nonce + own.commitment + crypto.seal(own, plaintext, associated)


def unlock(keys: ChannelKeys, body: bytes, associated: bytes) -> bytes:
    """Return the plaintext of a body; raises ExtractionError if it is not authentic."""
    nonce, commitment = body[:NONCE_BYTES], body[NONCE_BYTES:_FRAME_BYTES]
    own = crypto.derive_body_keys(keys, nonce)
    plaintext = crypto.open_sealed(own, body[_FRAME_BYTES:], associated)
    if commitment != own.commitment:
        raise ExtractionError
    return plaintext


def read_streams(bits: NDArray[np.uint8], zones: Zones, plan: Plan) -> tuple[bytes, bytes]:
    """Return the streams of header and body as they are, before anything is put right."""
    header = _syndrome(bits[zones.header], coding.HEADER_STREAM)
    return header, _syndrome(bits[zones.body(plan)], plan.framing.stream_bytes)


def read_body(
    bits: NDArray[np.uint8], edges: NDArray[np.float64], zones: Zones, keys: ChannelKeys
) -> tuple[bytes, int]:
    """Return the body as error correction gives it, and the bytes it put right."""
    stream = _syndrome(bits[zones.header], coding.HEADER_STREAM)
    plan, _ = coding.unpack_plan(stream, MIN_BODY_BYTES, longest_body(bits.size), keys.header_pad)
    places = zones.body(plan)
    size = plan.framing.stream_bytes
    doubtful = coding.doubtful_bytes(edges[places], size, HEIGHT, _DOUBT)
    return plan.framing.decode(_syndrome(bits[places], size), doubtful)


def _syndrome(bits: NDArray[np.uint8], n_bytes: int) -> bytes:
    if 8 * n_bytes > bits.size:
        return bytes(n_bytes)
    return container.to_bytes(stc.extract(bits, 8 * n_bytes, height=HEIGHT))
