"""Shares of one content, of which any `needed` are enough: a Reed-Solomon code across photos.

The content, padded, is cut into `needed` rows; a column of bytes is what a polynomial over GF(256)
takes at the points 0 .. needed - 1, and share i has what it takes at i (Reed and Solomon 1960).  So
the first shares are the rows themselves.  A share says little about the content, but it is no
secret sharing: it stands inside a sealed container, and whoever has the key may read it.

`docs/format.md`, section 9.5, specifies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deephide.errors import ExtractionError, IncompleteError

__all__ = ["MAX_SHARES", "Share", "join", "split"]

MAX_SHARES = 64
_SET_BYTES = 4
_PARAMETERS = 8
_POLYNOMIAL = 0x11D  # as in `channels.coding`

Bytes = NDArray[np.uint8]


def _tables() -> tuple[Bytes, NDArray[np.int64]]:
    """Return the powers of 2, twice over, and their logarithms."""
    powers, logarithms = np.zeros(510, np.uint8), np.zeros(256, np.int64)
    value = 1
    for k in range(255):
        powers[k] = powers[k + 255] = value
        logarithms[value] = k
        value <<= 1
        if value > 255:
            value ^= _POLYNOMIAL
    return powers, logarithms


_POWERS, _LOGARITHMS = _tables()


@dataclass(frozen=True)
class Share:
    """One share: number `index` of `total`, of a set that `needed` of them open.

    `padding` zeros were appended to the content before it was cut; shares of one set have the same
    `set_id`, which is random.
    """

    set_id: bytes
    needed: int
    total: int
    index: int
    padding: int
    row: bytes = field(repr=False)

    @property
    def parameters(self) -> bytes:
        """The 8 bytes of the header."""
        return self.set_id + bytes((self.needed, self.total, self.index, self.padding))

    @classmethod
    def of(cls, parameters: bytes, payload: bytes) -> Share:
        """Return the share that a container holds.

        Raises
        ------
        ExtractionError : no sender writes this
        """
        needed, total, index, padding = parameters[_SET_BYTES:_PARAMETERS]
        fine = 1 <= needed <= total <= MAX_SHARES and index < total and padding < needed
        if not fine or not payload:
            raise ExtractionError
        return cls(parameters[:_SET_BYTES], needed, total, index, padding, payload)

    @property
    def kin(self) -> tuple[bytes, int, int, int, int]:
        """What is the same in all shares of a set."""
        return self.set_id, self.needed, self.total, self.padding, len(self.row)


def split(content: bytes, needed: int, total: int, set_id: bytes) -> list[Share]:
    """Return `total` shares of a content, any `needed` of which are enough.

    Parameters
    ----------
    content : at least one byte
    needed, total : 1 <= needed <= total <= MAX_SHARES
    set_id : 4 random bytes

    Raises
    ------
    ValueError : outside these
    """
    if not 1 <= needed <= total <= MAX_SHARES:
        raise ValueError(
            f"needed: got {needed} of {total} photos, allowed: 1 to all, {MAX_SHARES} at most"
        )
    padding = -len(content) % needed
    rows = np.frombuffer(content + bytes(padding), np.uint8).reshape(needed, -1)
    points = range(needed)
    return [
        Share(
            set_id, needed, total, k, padding, (rows[k] if k < needed else _at(k, points, rows)
            ).tobytes()
        )
        for k in range(total)
    ]  # fmt: skip


def join(shares: Iterable[Share]) -> bytes:
    """Return the content of the first set that is complete.

    Parameters
    ----------
    shares : in any order, of any sets; of equal ones one counts

    Raises
    ------
    IncompleteError : no set is complete
    ExtractionError : two shares have one number and differ, or padding is not zero
    """
    sets: dict[tuple[bytes, int, int, int, int], dict[int, Share]] = {}
    for share in shares:
        known = sets.setdefault(share.kin, {})
        if known.setdefault(share.index, share) != share:
            raise ExtractionError
    for found in sets.values():
        one = next(iter(found.values()))
        if len(found) < one.needed:
            continue
        used = [found[index] for index in sorted(found)[: one.needed]]
        content = _content(used)
        end = len(content) - one.padding
        if end < 1 or any(content[end:]):
            raise ExtractionError
        return content[:end]
    most = max(sets.values(), key=len)
    one = next(iter(most.values()))
    raise IncompleteError(
        f"found {len(most)} of the {one.needed} photos that are needed; {one.total} were made",
        hint="give all that you have in one command: deephide extract one.png two.png ...",
    )


def _content(shares: Sequence[Share]) -> bytes:
    points = [share.index for share in shares]
    rows = np.stack([np.frombuffer(share.row, np.uint8) for share in shares])
    wanted = range(len(shares))
    return b"".join(
        (rows[points.index(k)] if k in points else _at(k, points, rows)).tobytes() for k in wanted
    )


def _at(x: int, points: Sequence[int], rows: Bytes) -> Bytes:
    """Return what the polynomial through the rows at `points` takes at another point (Lagrange)."""
    out = np.zeros(rows.shape[1], np.uint8)
    for point, row in zip(points, rows, strict=True):
        weight = 0
        for other in points:
            if other != point:
                weight += int(_LOGARITHMS[x ^ other] - _LOGARITHMS[point ^ other])
        product = _POWERS[(_LOGARITHMS[row] + weight % 255) % 255]
        out ^= np.where(row == 0, np.uint8(0), product)
    return out
