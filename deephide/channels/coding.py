"""Error correction inside the keyed zones: Reed-Solomon codewords, interleaved byte by byte.

Nothing here is readable, or testable, without the key.  An element that a channel altered flips
some of twelve neighbouring bits of a syndrome, so that it costs two or three neighbouring bytes;
interleaving hands these to different codewords.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from reedsolo import ReedSolomonError, RSCodec

from deephide.channels import kernels

__all__ = [
    "HEADER",
    "HEADER_STREAM",
    "Framing",
    "Plan",
    "doubtful_bytes",
    "is_near_codeword",
    "pack_plan",
    "unpack_plan",
]

LONGEST = 255  # bytes of a codeword of Reed and Solomon over GF(256)
HEADER_BYTES = 4
HEADER_PARITY = 20
MIN_PARITY, MAX_PARITY = 8, 128


@cache
def _codec(parity: int) -> RSCodec:
    # The polynomial 0x11d, the element 2, and the roots 2**0 .. 2**(parity - 1).
    return RSCodec(parity)


@dataclass(frozen=True)
class Framing:
    """How `length` bytes become a stream: in as few codewords as `parity` bytes each allow.

    Byte i of the data belongs to codeword i mod `codewords`; the codewords' parity follows,
    interleaved too.
    """

    length: int
    parity: int

    @property
    def codewords(self) -> int:
        """Number of codewords."""
        return -(-self.length // (LONGEST - self.parity))

    @property
    def stream_bytes(self) -> int:
        """Bytes with parity."""
        return self.length + self.codewords * self.parity

    def encode(self, data: bytes) -> bytes:
        """Return the stream of `length` bytes of data."""
        if len(data) != self.length:
            raise ValueError(f"data: got {len(data)} bytes, expected {self.length}")
        stream = bytearray(data) + bytes(self.codewords * self.parity)
        for j in range(self.codewords):
            coded = _codec(self.parity).encode(data[j :: self.codewords])
            stream[self.length + j :: self.codewords] = coded[-self.parity :]
        return bytes(stream)

    def decode(self, stream: bytes, doubtful: Iterable[int] = ()) -> tuple[bytes, int]:
        """Return the data and how many bytes were put right; what cannot be stays as it is.

        Parameters
        ----------
        stream : `stream_bytes` bytes
        doubtful : places in the stream that are more likely wrong than others, the worst first
        """
        data, mended = bytearray(stream[: self.length]), 0
        suspects = np.fromiter(doubtful, np.int64)
        beyond = suspects >= self.length
        behind = suspects - np.where(beyond, self.length, 0)
        owners, ranks = behind % self.codewords, behind // self.codewords
        for j in range(self.codewords):
            share = -(-(self.length - j) // self.codewords)
            word = (
                stream[j : self.length : self.codewords] + stream[self.length + j :: self.codewords]
            )
            own = owners == j
            places = (ranks[own] + np.where(beyond[own], share, 0)).tolist()
            # Where nearly everything is doubtful, erasures say nothing.
            found = self._correct(word, places if len(places) <= self.parity // 2 else [])
            mended += sum(a != b for a, b in zip(found, word, strict=True))
            data[j :: self.codewords] = found[:share]
        return bytes(data), mended

    def worst(self, stream: bytes, original: bytes) -> int:
        """Return how many bytes differ in the codeword where most do."""
        wrong = [at for at in range(self.stream_bytes) if stream[at] != original[at]]
        owners = [self._owner(at) for at in wrong]
        return max((owners.count(j) for j in range(self.codewords)), default=0)

    def _owner(self, at: int) -> int:
        return (at if at < self.length else at - self.length) % self.codewords

    def _correct(self, word: bytes, erased: list[int]) -> bytes:
        codec = _codec(self.parity)
        if not erased and not is_near_codeword(word, self.parity):
            return word
        for erasures in (None, erased):
            if erasures is not None and not erasures:
                break
            try:
                return bytes(codec.decode(word, erase_pos=erasures)[1])
            except (ReedSolomonError, ZeroDivisionError, IndexError):
                continue
        return word


_EXP = np.empty(512, np.int64)
_LOG = np.zeros(256, np.int64)
_power = 1
for _at in range(255):
    _EXP[_at] = _EXP[_at + 255] = _power
    _LOG[_power] = _at
    _power = _power << 1 ^ (0x11D if _power & 0x80 else 0)


def _times(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where((a == 0) | (b == 0), 0, _EXP[_LOG[a] + _LOG[b]])


def is_near_codeword(word: bytes, parity: int) -> bool:
    """Tell whether so few bytes are wrong that they can be put right.

    Berlekamp and Massey's locator has as many roots among the places of the word as its degree.
    Most words that are read hold nothing: the library takes a hundred times as long to say so.

    Parameters
    ----------
    word : a codeword as it was read, at most 255 bytes
    parity : bytes of parity at its end
    """
    if kernels.correctable.is_loaded:
        return bool(kernels.correctable(np.frombuffer(word, np.uint8), parity, _EXP, _LOG))
    return _is_near_codeword_in_numpy(word, parity)


def _is_near_codeword_in_numpy(word: bytes, parity: int) -> bool:
    """Return what `kernels.correctable` does, in numpy."""
    data = np.frombuffer(word, np.uint8).astype(np.int64)
    places = np.arange(len(word) - 1, -1, -1)
    roots = np.outer(np.arange(parity), places) % 255
    syndromes = np.bitwise_xor.reduce(np.where(data == 0, 0, _EXP[_LOG[data] + roots]), axis=1)
    if not syndromes.any():
        return True
    locator, before = np.zeros(parity + 1, np.int64), np.zeros(parity + 1, np.int64)
    locator[0] = before[0] = last = shift = 1
    degree = 0
    for n in range(parity):
        recent = syndromes[n - degree : n + 1][::-1]
        gap = int(np.bitwise_xor.reduce(_times(locator[: degree + 1], recent)))
        if gap:
            factor = _EXP[(_LOG[gap] - _LOG[last]) % 255]
            moved = np.zeros_like(before)
            moved[shift:] = _times(before[: before.size - shift], factor)
            if 2 * degree <= n:
                before, last, degree, shift = locator, gap, n + 1 - degree, 0
            locator = locator ^ moved
        shift += 1
    if degree > parity // 2:
        return False
    powers = np.outer(places, np.arange(degree + 1)) % 255
    locator = locator[: degree + 1]
    terms = np.where(locator == 0, 0, _EXP[_LOG[locator] - powers + 255])
    return int(np.count_nonzero(np.bitwise_xor.reduce(terms, axis=1) == 0)) == degree


HEADER = Framing(HEADER_BYTES, HEADER_PARITY)
HEADER_STREAM = HEADER.stream_bytes


@dataclass(frozen=True)
class Plan:
    """How the body is hidden: its bytes, parity of a codeword, and elements for each bit.

    `spread` is 0 where all elements of the zone carry the body, else four times as many elements
    as bits, times `spread`, do.
    """

    length: int
    parity: int
    spread: int = 0

    @property
    def framing(self) -> Framing:
        """How the body becomes a stream."""
        return Framing(self.length, self.parity)

    def elements(self, zone: int) -> int:
        """Return how many of the `zone` elements carry the body."""
        if self.spread == 0:
            return zone
        return min(zone, 32 * self.spread * self.framing.stream_bytes)


def pack_plan(plan: Plan, least: int, pad: bytes) -> bytes:
    """Return the stream of the header zone; `least` is the shortest body that there is."""
    fields = (plan.length - least).to_bytes(2, "little") + bytes((plan.spread, plan.parity))
    return HEADER.encode(_xor(fields, pad))


def unpack_plan(stream: bytes, least: int, most: int, pad: bytes) -> tuple[Plan, bool]:
    """Return a plan that is possible whatever was read, and whether it is what was read.

    Parameters
    ----------
    stream : HEADER_STREAM bytes
    least, most : bytes of the shortest and the longest body
    pad : 4 bytes, of the keys
    """
    fields = _xor(HEADER.decode(stream)[0], pad)
    value, spread, parity = int.from_bytes(fields[:2], "little"), fields[2], fields[3]
    sound = value <= most - least and MIN_PARITY <= parity <= MAX_PARITY
    length = least + value % (most - least + 1)
    parity = MIN_PARITY + (parity - MIN_PARITY) % (MAX_PARITY - MIN_PARITY + 1)
    return Plan(length, parity, spread), sound


def doubtful_bytes(
    edges: NDArray[np.float64], n_bytes: int, height: int, below: float
) -> list[int]:
    """Return the bytes of a syndrome that elements near another value touch, the worst first.

    Parameters
    ----------
    edges : (n,) of the elements that carry the syndrome, 0 at the edge of a cell, 1 in its middle
    n_bytes : length of the syndrome
    height : constraint height
    below : elements with less are doubtful
    """
    places = np.flatnonzero(edges < below)
    bits = 8 * n_bytes
    worst = places[np.argsort(edges[places], kind="stable")][:n_bytes]
    first = np.minimum(worst * bits // edges.size, bits - 1)
    last = np.minimum(first + height - 1, bits - 1) // 8
    # From the byte of the first bit to that of the last one, each byte where it comes first.
    touched = (first // 8)[:, None] + np.arange((height + 6) // 8 + 1)
    return list(dict.fromkeys(touched[touched <= last[:, None]].tolist()))


def _xor(data: bytes, pad: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, pad, strict=True))
