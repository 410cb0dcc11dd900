"""LZW and PackBits as TIFF has them, in loops that compile.

TIFF 6.0, sections 9 and 13.  The encoders choose as libtiff does: LZW clears its table when it is
full, and with `watch` also when the ratio falls from one 10,000 bytes to the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.jit import jit

__all__ = ["pack", "packbits", "unpack", "unpackbits"]

_CLEAR, _END, _FIRST = 256, 257, 258


@jit
def _unpack(data: Any, out: Any) -> int:  # noqa: PLR0912
    """Decode LZW; return how many bytes came out, or -1 if the data is damaged."""
    prefix, suffix = np.zeros(4096, np.int32), np.zeros(4096, np.uint8)
    length = np.zeros(4096, np.int32)
    for code in range(256):
        suffix[code], length[code] = code, 1
    held: Any = 0
    bits = n = at = 0
    width, free, old = 9, 258, -1
    while True:
        while bits < width:
            if at >= data.size:
                return n
            held = (held << 8 | np.int64(data[at])) & 0xFFFFFF
            at, bits = at + 1, bits + 8
        bits -= width
        code = (held >> bits) & ((1 << width) - 1)
        if code == 257:
            return n
        if code == 256:
            width, free, old = 9, 258, -1
            continue
        if old < 0:
            if code > 255:
                return -1
            if n >= out.size:
                return n
            out[n], n, old = code, n + 1, code
            continue
        if code > free or (code == free and free >= 4096) or code in (256, 257):
            return -1
        if free < 4096:
            first = code if code < free else old
            while length[first] > 1:
                first = prefix[first]
            prefix[free], suffix[free], length[free] = old, suffix[first], length[old] + 1
            free += 1
        size = length[code]
        place, step = n + size - 1, code
        while place >= n:
            if place < out.size:
                out[place] = suffix[step]
            step = prefix[step]
            place -= 1
        n = min(n + size, out.size)
        if n == out.size:
            return int(n)
        old = code
        # Codes grow one early: 511, 1023 and 2047 are written with one more bit already.
        if free + 1 >= 1 << width and width < 12:
            width += 1


@jit
def _put(code: int, width: int, state: Any, out: Any) -> None:
    """Append a code; `state` has the held bits, their number, bytes and bits written."""
    state[0] = (state[0] << width | code) & 0xFFFFFFFF
    state[1] += width
    state[3] += width
    while state[1] >= 8:
        state[1] -= 8
        out[state[2]] = (state[0] >> state[1]) & 255
        state[2] += 1


@jit
def _pack(data: Any, watch: bool, out: Any) -> int:  # noqa: PLR0912, PLR0915
    """Encode LZW; return how many bytes were written."""
    keys, values = np.full(16384, -1, np.int64), np.zeros(16384, np.int32)
    state = np.zeros(4, np.int64)
    code: Any = 0
    width, free, ratio, checkpoint, taken = 9, 258, 0, 10_000, 0
    _put(256, width, state, out)
    if data.size == 0:
        _put(257, width, state, out)
    else:
        code, taken = np.int64(data[0]), 1
        for j in range(1, data.size):
            byte = np.int64(data[j])
            taken += 1
            key = code << 8 | byte
            slot = (key * 0x9E3779B1 >> 12) & 16383
            while keys[slot] != -1 and keys[slot] != key:
                slot = (slot + 1) & 16383
            if keys[slot] == key:
                code = np.int64(values[slot])
                continue
            _put(code, width, state, out)
            code = byte
            keys[slot], values[slot] = key, free
            free += 1
            clear = free == 4094
            if not clear:
                if free > (1 << width) - 1:
                    width += 1
                elif watch and taken >= checkpoint:
                    checkpoint = taken + 10_000
                    if taken > 0x7FFFFF:
                        now = state[3] >> 8
                        now = 0x7FFFFFFF if now == 0 else taken // now
                    else:
                        now = (taken << 8) // state[3]
                    clear = now <= ratio
                    ratio = now
            if clear:
                keys[:] = -1
                _put(256, width, state, out)
                width, free, ratio, taken = 9, 258, 0, 0
                state[3] = 0
        _put(code, width, state, out)
        free += 1
        if free == 4094:
            _put(256, width, state, out)
            width = 9
        elif free > (1 << width) - 1 and width < 12:
            width += 1
        _put(257, width, state, out)
    if state[1]:
        out[state[2]] = (state[0] << (8 - state[1])) & 255
        state[2] += 1
    return int(state[2])


@jit
def _unpackbits(data: Any, out: Any) -> int:
    head: Any = 0
    n = at = 0
    while at < data.size and n < out.size:
        head = np.int64(data[at])
        at += 1
        if head < 128:
            size = min(head + 1, data.size - at, out.size - n)
            for j in range(size):
                out[n + j] = data[at + j]
            at, n = at + head + 1, n + size
        elif head > 128:
            if at >= data.size:
                return n
            size = min(257 - head, out.size - n)
            for j in range(size):
                out[n + j] = data[at]
            at, n = at + 1, n + size
    return n


@jit
def _packbits(data: Any, row: int, out: Any) -> int:
    """Encode row by row; a run of two inside a literal becomes part of it."""
    base, literal, run, literal_run = 0, 1, 2, 3
    n = 0
    for start in range(0, data.size, row):
        end, at = min(start + row, data.size), start
        state, place = base, 0
        while at < end:
            byte, count = data[at], 1
            at += 1
            while at < end and data[at] == byte:
                at, count = at + 1, count + 1
            while True:
                if state == literal_run:
                    joins = count == 1 and out[n - 2] == 255 and out[place] < 126
                    if joins:
                        out[place] += 2
                        state = base if out[place] == 127 else literal
                        out[n - 2] = out[n - 1]
                    else:
                        state = run
                    continue
                if count > 1:
                    state = literal_run if state == literal else run
                    size = min(count, 128)
                    out[n], out[n + 1] = 257 - size, byte
                    n += 2
                    count -= size
                    if count == 0:
                        break
                    continue
                if state == literal:
                    out[place] += 1
                    if out[place] == 127:
                        state = base
                    out[n] = byte
                    n += 1
                else:
                    place, state = n, literal
                    out[n], out[n + 1] = 0, byte
                    n += 2
                break
    return n


def unpack(data: bytes, size: int) -> bytes | None:
    """Return `size` bytes or fewer out of LZW, None if they are damaged."""
    out = np.empty(size, np.uint8)
    n = int(_unpack(np.frombuffer(data, np.uint8), out))
    return None if n < 0 else out[:n].tobytes()


def pack(data: bytes, *, watch: bool) -> bytes:
    """Return the bytes in LZW."""
    plain: NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    out = np.empty(plain.size + plain.size // 2 + 64, np.uint8)
    return out[: int(_pack(plain, watch, out))].tobytes()


def unpackbits(data: bytes, size: int) -> bytes:
    """Return `size` bytes or fewer out of PackBits."""
    out = np.empty(size, np.uint8)
    return out[: int(_unpackbits(np.frombuffer(data, np.uint8), out))].tobytes()


def packbits(data: bytes, row: int) -> bytes:
    """Return the bytes in PackBits, each row by itself."""
    plain = np.frombuffer(data, np.uint8)
    out = np.empty(2 * plain.size + 64, np.uint8)
    return out[: int(_packbits(plain, row, out))].tobytes()
