"""Loops from the coefficients of a JPEG file to its bits.

Scans and names are those of `jpeg_reading`.  The symbols of a scan are written as one word each,
so that they can be counted before their codes are known:

    bits 29..31  table: 0..3 for DC, 4..7 for AC       bit  20      bits without a symbol
    bits 21..28  symbol                                bits 16..19  number of bits that follow it
                                                       bits 0..15   those bits

Where T.81 leaves a choice (runs of blocks without coefficients, when correction bits are written),
the choice is libjpeg's.
"""

from typing import Any

import numpy as np

from stc.jit import jit

__all__ = [
    "RAW",
    "ac_first_symbols",
    "ac_refine_symbols",
    "dc_first_symbols",
    "dc_refine_symbols",
    "pack",
    "sequential_symbols",
]

RAW = 1 << 20
# libjpeg's buffer of correction bits, less one block.
_MOST_CORRECTIONS = 1000 - 64 + 1
_LONGEST_RUN = 0x7FFF


@jit
def _size(magnitude: int) -> int:
    size = 0
    while magnitude:
        magnitude >>= 1
        size += 1
    return size


@jit
def _put_number(value: int, head: int, out: Any, n: int) -> int:
    """Write a symbol whose low bits are the size of `value`, which follows it."""
    size = _size(abs(value))
    bits = value if value >= 0 else value + (1 << size) - 1
    out[n] = (head + size) << 21 | size << 16 | bits
    return n + 1


@jit
def sequential_symbols(
    coefficients: Any,
    blocks: Any,
    which: Any,
    per: int,
    tables: Any,
    zigzag: Any,
    out: Any,
    cuts: Any,
) -> int:
    """Write the symbols of a sequential scan, and where its restart intervals end."""
    last = np.zeros(4, np.int64)
    n = done = 0
    for part in range(cuts.size):
        for j in range(4):
            last[j] = 0
        for b in range(done, min(done + per, blocks.size)):
            component, base = which[b % which.size], blocks[b]
            dc, ac = tables[component, 0] << 8, tables[component, 1] << 8
            value = int(coefficients[base])
            n = _put_number(value - last[component], dc, out, n)
            last[component] = value
            run = 0
            for k in range(1, 64):
                value = int(coefficients[base + zigzag[k]])
                if value == 0:
                    run += 1
                    continue
                while run > 15:
                    out[n] = (ac + 0xF0) << 21
                    n += 1
                    run -= 16
                n = _put_number(value, ac + (run << 4), out, n)
                run = 0
            if run:
                out[n] = ac << 21
                n += 1
        done += per
        cuts[part] = n
    return n


@jit
def dc_first_symbols(
    coefficients: Any, blocks: Any, which: Any, per: int, tables: Any, al: int, out: Any, cuts: Any
) -> int:
    """Write the symbols of a first scan of DC coefficients."""
    last = np.zeros(4, np.int64)
    n = done = 0
    for part in range(cuts.size):
        for j in range(4):
            last[j] = 0
        for b in range(done, min(done + per, blocks.size)):
            component = which[b % which.size]
            value = int(coefficients[blocks[b]]) >> al
            n = _put_number(value - last[component], tables[component, 0] << 8, out, n)
            last[component] = value
        done += per
        cuts[part] = n
    return n


@jit
def dc_refine_symbols(
    coefficients: Any, blocks: Any, per: int, al: int, out: Any, cuts: Any
) -> int:
    """Write one more bit of DC coefficients."""
    n = done = 0
    for part in range(cuts.size):
        for b in range(done, min(done + per, blocks.size)):
            out[n] = RAW | 1 << 16 | ((int(coefficients[blocks[b]]) >> al) & 1)
            n += 1
        done += per
        cuts[part] = n
    return n


@jit
def _put_run(eobrun: int, ac: int, out: Any, n: int) -> int:
    """Write the end of `eobrun` blocks."""
    if eobrun:
        size = _size(eobrun) - 1
        out[n] = (ac + (size << 4)) << 21 | size << 16 | (eobrun - (1 << size))
        n += 1
    return n


@jit
def ac_first_symbols(
    coefficients: Any, blocks: Any, per: int, ac: int, band: Any, zigzag: Any, out: Any, cuts: Any
) -> int:
    """Write the symbols of a first scan of AC coefficients."""
    first, final, al = band[0], band[1], band[2]
    n = done = 0
    for part in range(cuts.size):
        eobrun = 0
        for b in range(done, min(done + per, blocks.size)):
            run = 0
            for k in range(first, final + 1):
                value = int(coefficients[blocks[b] + zigzag[k]])
                magnitude = abs(value) >> al
                if magnitude == 0:
                    run += 1
                    continue
                n = _put_run(eobrun, ac, out, n)
                eobrun = 0
                while run > 15:
                    out[n] = (ac + 0xF0) << 21
                    n += 1
                    run -= 16
                n = _put_number(magnitude if value > 0 else -magnitude, ac + (run << 4), out, n)
                run = 0
            if run:
                eobrun += 1
                if eobrun == _LONGEST_RUN:
                    n = _put_run(eobrun, ac, out, n)
                    eobrun = 0
        n = _put_run(eobrun, ac, out, n)
        done += per
        cuts[part] = n
    return n


@jit
def _put_bits(bits: Any, start: int, end: int, out: Any, n: int) -> int:
    for j in range(start, end):
        out[n] = RAW | 1 << 16 | bits[j]
        n += 1
    return n


@jit
def ac_refine_symbols(
    coefficients: Any,
    blocks: Any,
    per: int,
    ac: int,
    band: Any,
    zigzag: Any,
    held: Any,
    out: Any,
    cuts: Any,
) -> int:
    """Write one more bit of a band; `held` is room for 1,100 bits that wait for their symbol."""
    first, final, al = band[0], band[1], band[2]
    n = done = 0
    for part in range(cuts.size):
        eobrun = corrections = 0
        for b in range(done, min(done + per, blocks.size)):
            base, newest = blocks[b], 0
            for k in range(first, final + 1):
                if abs(int(coefficients[base + zigzag[k]])) >> al == 1:
                    newest = k
            run, own = 0, corrections
            for k in range(first, final + 1):
                value = int(coefficients[base + zigzag[k]])
                magnitude = abs(value) >> al
                if magnitude == 0:
                    run += 1
                    continue
                while run > 15 and k <= newest:
                    n = _put_run(eobrun, ac, out, n)
                    n = _put_bits(held, 0, corrections, out, n)
                    eobrun = 0
                    out[n] = (ac + 0xF0) << 21
                    n = _put_bits(held, corrections, own, out, n + 1)
                    corrections = own = 0
                    run -= 16
                if magnitude > 1:
                    held[own] = magnitude & 1
                    own += 1
                    continue
                n = _put_run(eobrun, ac, out, n)
                n = _put_bits(held, 0, corrections, out, n)
                eobrun = 0
                out[n] = (ac + (run << 4) + 1) << 21 | 1 << 16 | (1 if value > 0 else 0)
                n = _put_bits(held, corrections, own, out, n + 1)
                corrections = own = run = 0
            if run or own > corrections:
                eobrun += 1
                corrections = own
                if eobrun == _LONGEST_RUN or corrections > _MOST_CORRECTIONS:
                    n = _put_run(eobrun, ac, out, n)
                    n = _put_bits(held, 0, corrections, out, n)
                    eobrun = corrections = 0
        n = _put_run(eobrun, ac, out, n)
        n = _put_bits(held, 0, corrections, out, n)
        done += per
        cuts[part] = n
    return n


@jit
def pack(words: Any, cuts: Any, codes: Any, fill: int, out: Any) -> int:
    """Write the bytes of a scan, restart markers included; `codes` is (2048, 2): code, length."""
    n = first = 0
    for part in range(cuts.size):
        held = bits = 0
        for j in range(first, cuts[part]):
            word = int(words[j])
            if not word & RAW:
                code, length = codes[word >> 21, 0], codes[word >> 21, 1]
                held, bits = held << length | code, bits + length
            size = (word >> 16) & 15
            held, bits = held << size | (word & ((1 << size) - 1)), bits + size
            while bits >= 8:
                bits -= 8
                byte = (held >> bits) & 255
                out[n] = byte
                n += 1
                if byte == 255:
                    out[n] = 0
                    n += 1
            held &= (1 << bits) - 1
        if bits:
            byte = held << (8 - bits)
            if fill:
                byte |= (1 << (8 - bits)) - 1
            out[n] = byte
            n += 1
            if byte == 255:
                out[n] = 0
                n += 1
        if part < cuts.size - 1:
            out[n], out[n + 1] = 255, 0xD0 + part % 8
            n += 2
        first = cuts[part]
    return n
