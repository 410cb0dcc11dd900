"""The loops from the bits of an arithmetically coded JPEG file to its coefficients.

ITU-T T.81, Annexes D (the decoder), F.1.4 and F.2.4 (sequential), G.1.3 and G.2.2 (progressive).
Scans and names are those of `reading`; in addition, statistics (`bins`) hold one state for each
context: the index of the estimate in the low seven bits, the sense of the likelier bit in the
highest.  Bits that are missing at the end are zeros, as T.81 says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deephide.formats.jpeg.blocks import Order
from deephide.formats.jpeg.segments import ZIGZAG, JpegFile, Scan
from stc.jit import jit

__all__ = ["read_scan"]

# T.81, Table D.3, with the estimate for fixed bits as entry 113: Qe, next after LPS, after MPS.
_TABLE = """
5a1d 1 1|2586 14 2|1114 16 3|080b 18 4|03d8 20 5|01da 23 6|00e5 25 7|006f 28 8|0036 30 9
001a 33 10|000d 35 11|0006 9 12|0003 10 13|0001 12 13|5a7f 15 15|3f25 36 16|2cf2 38 17
207c 39 18|17b9 40 19|1182 42 20|0cef 43 21|09a1 45 22|072f 46 23|055c 48 24|0406 49 25
0303 51 26|0240 52 27|01b1 54 28|0144 56 29|00f5 57 30|00b7 59 31|008a 60 32|0068 62 33
004e 63 34|003b 32 35|002c 33 9|5ae1 37 37|484c 64 38|3a0d 65 39|2ef1 67 40|261f 68 41
1f33 69 42|19a8 70 43|1518 72 44|1177 73 45|0e74 74 46|0bfb 75 47|09f8 77 48|0861 78 49
0706 79 50|05cd 48 51|04de 50 52|040f 50 53|0363 51 54|02d4 52 55|025c 53 56|01f8 54 57
01a4 55 58|0160 56 59|0125 57 60|00f6 58 61|00cb 59 62|00ab 61 63|008f 61 32|5b12 65 65
4d04 80 66|412c 81 67|37d8 82 68|2fe8 83 69|293c 84 70|2379 86 71|1edf 87 72|1aa9 87 73
174e 72 74|1424 72 75|119c 74 76|0f6b 74 77|0d51 75 78|0bb6 77 79|0a40 77 48|5832 80 81
4d1c 88 82|438e 89 83|3bdd 90 84|34ee 91 85|2eae 92 86|299a 93 87|2516 86 71|5570 88 89
4ca9 95 90|44d9 96 91|3e22 97 92|3824 99 93|32b4 99 94|2e17 93 86|56a8 95 96|4f46 101 97
47e5 102 98|41cf 103 99|3c3d 104 100|375e 99 93|5231 105 102|4c0f 106 103|4639 107 104
415e 103 99|5627 105 106|50e7 108 107|4b85 109 103|5597 110 109|504f 111 107|5a10 110 111
5522 112 109|59eb 112 111|5a1d 113 113
"""
# The estimates that, when they err, change which bit they take for the likelier one.
_SWITCHES = {0, 14, 36, 64, 80, 88, 95, 105, 110, 112}


def _estimates() -> NDArray[np.int64]:
    rows = [row.split() for line in _TABLE.split("\n") if line for row in line.split("|")]
    out = np.array([(int(q, 16), int(a), int(b), 0) for q, a, b in rows], np.int64)
    out[sorted(_SWITCHES), 3] = 1
    return out


@jit
def _byte(data: Any, state: Any) -> Any:
    """Return the next byte; zeros behind the end."""
    at = state[3]
    if at >= state[4]:
        return 0
    state[3] = at + 1
    return np.int64(data[at])


@jit
def _begin(state: Any, start: int, end: int) -> None:
    """Set the decoder to the beginning of a restart interval: C, A, CT, place, end."""
    state[0], state[1], state[2], state[3], state[4] = 0, 0, -16, start, end


@jit
def _bit(data: Any, state: Any, bins: Any, place: int, estimates: Any) -> Any:
    """Decode one decision."""
    c, a, ct = state[0], state[1], state[2]
    while a < 0x8000:
        ct -= 1
        if ct < 0:
            c = (c << 8) | _byte(data, state)
            ct += 8
            if ct < 0:
                ct += 1
                if ct == 0:
                    a = 0x8000
        a <<= 1
    sense = np.int64(bins[place])
    index = sense & 127
    qe, lps, mps, switch = (
        estimates[index, 0],
        estimates[index, 1],
        estimates[index, 2],
        estimates[index, 3],
    )
    top = sense & 128
    likely = True
    temp = a - qe
    a = temp
    temp <<= ct
    if c >= temp:
        c -= temp
        if a < qe:
            a = qe
            bins[place] = top | mps
        else:
            a = qe
            bins[place] = (top ^ (128 if switch else 0)) | lps
            likely = False
    elif a < 0x8000:
        if a < qe:
            bins[place] = (top ^ (128 if switch else 0)) | lps
            likely = False
        else:
            bins[place] = top | mps
    state[0], state[1], state[2] = c, a, ct
    bit = top >> 7
    return bit if likely else 1 - bit


@jit
def _difference(
    data: Any,
    state: Any,
    bins: Any,
    base: int,
    context: Any,
    which: int,
    low: int,
    high: int,
    estimates: Any,
) -> Any:
    """Decode a difference of DC coefficients; 1 << 20 where the bits make no sense."""
    place = base + context[which]
    if _bit(data, state, bins, place, estimates) == 0:
        context[which] = 0
        return 0
    sign = _bit(data, state, bins, place + 1, estimates)
    place += 2 + sign
    m = _bit(data, state, bins, place, estimates)
    if m:
        place = base + 20
        while _bit(data, state, bins, place, estimates):
            m <<= 1
            if m == 0x8000:
                return 1 << 20
            place += 1
    if m < (1 << low) >> 1:
        context[which] = 0
    elif m > (1 << high) >> 1:
        context[which] = 12 + 4 * sign
    else:
        context[which] = 4 + 4 * sign
    value = m
    place += 14
    m >>= 1
    while m:
        if _bit(data, state, bins, place, estimates):
            value |= m
        m >>= 1
    value += 1
    return -value if sign else value


@jit
def _magnitude(
    data: Any,
    state: Any,
    bins: Any,
    place: int,
    k: int,
    base: int,
    kx: int,
    fixed: Any,
    estimates: Any,
) -> Any:
    """Decode sign and size of an AC coefficient; 1 << 20 where the bits make no sense."""
    fixed[0] = 113
    sign = _bit(data, state, fixed, 0, estimates)
    place += 2
    m = _bit(data, state, bins, place, estimates)
    if m and _bit(data, state, bins, place, estimates):
        m <<= 1
        place = base + (189 if k <= kx else 217)
        while _bit(data, state, bins, place, estimates):
            m <<= 1
            if m == 0x8000:
                return 1 << 20
            place += 1
    value = m
    place += 14
    m >>= 1
    while m:
        if _bit(data, state, bins, place, estimates):
            value |= m
        m >>= 1
    value += 1
    return -value if sign else value


@jit
def _read_band(
    data: Any,
    state: Any,
    bins: Any,
    base: int,
    at: int,
    first: int,
    final: int,
    kx: int,
    low: int,
    zigzag: Any,
    out: Any,
    fixed: Any,
    estimates: Any,
) -> bool:
    """Read the AC coefficients of one block for the first time."""
    k = first
    while k <= final:
        place = base + 3 * (k - 1)
        if _bit(data, state, bins, place, estimates):
            return True
        while _bit(data, state, bins, place + 1, estimates) == 0:
            place += 3
            k += 1
            if k > final:
                return False
        value = _magnitude(data, state, bins, place, k, base, kx, fixed, estimates)
        if abs(value) << low > 16383:
            return False
        out[at + zigzag[k]] = value << low if value > 0 else -(-value << low)
        k += 1
    return True


@jit
def _refine_band(
    data: Any,
    state: Any,
    bins: Any,
    base: int,
    at: int,
    first: int,
    final: int,
    low: int,
    zigzag: Any,
    out: Any,
    fixed: Any,
    estimates: Any,
) -> bool:
    """Read one more bit of the AC coefficients of one block."""
    newest = final
    while newest > 0 and out[at + zigzag[newest]] == 0:
        newest -= 1
    step = 1 << low
    k = first
    while k <= final:
        place = base + 3 * (k - 1)
        if k > newest and _bit(data, state, bins, place, estimates):
            return True
        while True:
            here = at + zigzag[k]
            value = np.int64(out[here])
            if value:
                if _bit(data, state, bins, place + 2, estimates):
                    out[here] = value + step if value > 0 else value - step
                break
            if _bit(data, state, bins, place + 1, estimates):
                fixed[0] = 113
                out[here] = -step if _bit(data, state, fixed, 0, estimates) else step
                break
            place += 3
            k += 1
            if k > final:
                return False
        k += 1
    return True


@jit
def _read(
    data: Any,
    ends: Any,
    blocks: Any,
    which: Any,
    per: int,
    slots: Any,
    limits: Any,
    band: Any,
    progressive: bool,
    zigzag: Any,
    out: Any,
    estimates: Any,
) -> bool:
    """Read a scan; `slots` are DC and AC tables of each component, `limits` low, high and kx."""
    first, final, high, low = band[0], band[1], band[2], band[3]
    bins = np.zeros(4 * 64 + 4 * 256, np.uint8)
    fixed = np.full(1, 113, np.uint8)
    state, last, context = np.zeros(5, np.int64), np.zeros(4, np.int64), np.zeros(4, np.int64)
    done = 0
    for part in range(ends.shape[0]):
        _begin(state, ends[part, 0], ends[part, 1])
        bins[:] = 0
        last[:] = 0
        context[:] = 0
        for b in range(done, min(done + per, blocks.size)):
            owner, at = which[b % which.size], blocks[b]
            dc, ac = slots[owner, 0], slots[owner, 1]
            base = 256 + 256 * ac
            if first == 0 and high == 0:
                value = _difference(
                    data,
                    state,
                    bins,
                    64 * dc,
                    context,
                    owner,
                    limits[dc, 0],
                    limits[dc, 1],
                    estimates,
                )
                last[owner] += value
                if abs(last[owner]) << low > 16383:
                    return False
                # As libjpeg has it, for negative ones too.
                out[at] = last[owner] * (1 << low)
            elif first == 0:
                fixed[0] = 113
                if _bit(data, state, fixed, 0, estimates):
                    out[at] |= 1 << low
            if not progressive or first > 0:
                begin = max(first, 1)
                if high:
                    fine = _refine_band(
                        data,
                        state,
                        bins,
                        base,
                        at,
                        begin,
                        final,
                        low,
                        zigzag,
                        out,
                        fixed,
                        estimates,
                    )
                else:
                    fine = _read_band(
                        data,
                        state,
                        bins,
                        base,
                        at,
                        begin,
                        final,
                        limits[ac, 2],
                        low,
                        zigzag,
                        out,
                        fixed,
                        estimates,
                    )
                if not fine:
                    return False
        done += per
    return True


def read_scan(
    file: JpegFile,
    scan: Scan,
    order: Order,
    bits: NDArray[np.uint8],
    ends: NDArray[np.int64],
    out: NDArray[np.int16],
) -> bool:
    """Read one scan into `out`; `ends` has begin and end, in bits, of its restart intervals."""
    slots = np.array([(dc, ac - 4) for _, dc, ac in scan.components], np.int64)
    limits = np.array(scan.conditioning, np.int64)
    band = np.array((scan.first, scan.final, scan.high, scan.low), np.int64)
    return bool(
        _read(
            bits,
            ends // 8,
            order.blocks,
            order.which,
            order.per,
            slots,
            limits,
            band,
            file.progressive,
            ZIGZAG,
            out,
            _estimates(),
        )
    )
