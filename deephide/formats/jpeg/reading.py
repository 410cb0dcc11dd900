"""Loops from the bits of a JPEG file to its coefficients.

A scan is a list of blocks, each the place of its 64 coefficients in one flat array, cut into
restart intervals of `per` blocks; `which` repeats along the blocks and says whose they are.  Each
function returns False where the bits make no sense.

ITU-T T.81, Annexes F and G; legend: `k` place in zigzag order, `run` zeros before a coefficient,
`size` bits of its magnitude, `al` the bits that later scans will add, `eobrun` blocks without
further coefficients.
"""

from typing import Any

import numpy as np

from stc.jit import jit

__all__ = ["read_ac_first", "read_ac_refine", "read_dc_first", "read_dc_refine", "read_sequential"]

# So that a difference of two has at most 15 bits; 8-bit images stay below 2,048.
_LARGEST = 16383


@jit
def _peek(data: Any, at: int) -> int:
    """Return the 16 bits that begin at bit `at`."""
    byte = at >> 3
    wide = (int(data[byte]) << 16) | (int(data[byte + 1]) << 8) | int(data[byte + 2])
    return (wide >> (8 - (at & 7))) & 0xFFFF


@jit
def _signed(bits: int, size: int) -> int:
    """Return the number that `size` bits after a symbol stand for."""
    return bits if bits >> (size - 1) else bits - (1 << size) + 1


@jit
def read_sequential(  # noqa: PLR0911, PLR0912
    data: Any, ends: Any, blocks: Any, which: Any, per: int, dc: Any, ac: Any, zigzag: Any, out: Any
) -> bool:
    """Read the blocks of a sequential scan; `dc` and `ac` have one row for each component."""
    last = np.zeros(4, np.int64)
    done = 0
    for part in range(ends.shape[0]):
        at, end = ends[part, 0], ends[part, 1]
        for j in range(4):
            last[j] = 0
        for b in range(done, min(done + per, blocks.size)):
            component, base = which[b % which.size], blocks[b]
            entry = dc[component, _peek(data, at)]
            size = entry & 255
            if entry == 0 or size > 15:
                return False
            at += entry >> 8
            if size:
                last[component] += _signed(_peek(data, at) >> (16 - size), size)
                at += size
            if abs(last[component]) > _LARGEST:
                return False
            out[base] = last[component]
            k = 1
            while k < 64:
                entry = ac[component, _peek(data, at)]
                if entry == 0:
                    return False
                at += entry >> 8
                run, size = (entry & 255) >> 4, entry & 15
                if size == 0:
                    if run == 0:
                        break
                    if run != 15:
                        return False
                    k += 16
                    continue
                k += run
                if k > 63:
                    return False
                out[base + zigzag[k]] = _signed(_peek(data, at) >> (16 - size), size)
                at += size
                k += 1
            if at > end or k > 64:
                return False
        done += per
    return True


@jit
def read_dc_first(
    data: Any, ends: Any, blocks: Any, which: Any, per: int, dc: Any, al: int, out: Any
) -> bool:
    """Read the first scan of DC coefficients of a progressive file."""
    last = np.zeros(4, np.int64)
    done = 0
    for part in range(ends.shape[0]):
        at, end = ends[part, 0], ends[part, 1]
        for j in range(4):
            last[j] = 0
        for b in range(done, min(done + per, blocks.size)):
            component = which[b % which.size]
            entry = dc[component, _peek(data, at)]
            size = entry & 255
            if entry == 0 or size > 15:
                return False
            at += entry >> 8
            if size:
                last[component] += _signed(_peek(data, at) >> (16 - size), size)
                at += size
            if at > end or abs(last[component]) > _LARGEST >> al:
                return False
            out[blocks[b]] = last[component] << al
        done += per
    return True


@jit
def read_dc_refine(data: Any, ends: Any, blocks: Any, per: int, al: int, out: Any) -> bool:
    """Read one more bit of DC coefficients."""
    done = 0
    for part in range(ends.shape[0]):
        at, end = ends[part, 0], ends[part, 1]
        for b in range(done, min(done + per, blocks.size)):
            if at >= end:
                return False
            if _peek(data, at) >> 15:
                out[blocks[b]] |= 1 << al
            at += 1
        done += per
    return True


@jit
def read_ac_first(
    data: Any, ends: Any, blocks: Any, per: int, ac: Any, band: Any, zigzag: Any, out: Any
) -> bool:
    """Read a band of AC coefficients for the first time; `band` is first and last place, al."""
    first, final, al = band[0], band[1], band[2]
    done = 0
    for part in range(ends.shape[0]):
        at, end, eobrun = ends[part, 0], ends[part, 1], 0
        for b in range(done, min(done + per, blocks.size)):
            if eobrun:
                eobrun -= 1
                continue
            k = first
            while k <= final:
                entry = ac[_peek(data, at)]
                if entry == 0:
                    return False
                at += entry >> 8
                run, size = (entry & 255) >> 4, entry & 15
                if size == 0:
                    if run < 15:
                        eobrun = (1 << run) - 1
                        if run:
                            eobrun += _peek(data, at) >> (16 - run)
                            at += run
                        break
                    k += 16
                    continue
                k += run
                value = _signed(_peek(data, at) >> (16 - size), size)
                at += size
                if k > final or abs(value) > _LARGEST >> al:
                    return False
                out[blocks[b] + zigzag[k]] = value * (1 << al)
                k += 1
            if at > end:
                return False
        done += per
    return True


@jit
def read_ac_refine(  # noqa: PLR0912
    data: Any, ends: Any, blocks: Any, per: int, ac: Any, band: Any, zigzag: Any, out: Any
) -> bool:
    """Read one more bit of a band of AC coefficients."""
    first, final, bit = band[0], band[1], 1 << band[2]
    done = 0
    for part in range(ends.shape[0]):
        at, end, eobrun = ends[part, 0], ends[part, 1], 0
        for b in range(done, min(done + per, blocks.size)):
            base, k = blocks[b], first
            while k <= final and eobrun == 0:
                entry = ac[_peek(data, at)]
                if entry == 0:
                    return False
                at += entry >> 8
                run, size, value = (entry & 255) >> 4, entry & 15, 0
                if size == 1:
                    value = bit if _peek(data, at) >> 15 else -bit
                    at += 1
                elif size:
                    return False
                elif run < 15:
                    eobrun = 1 << run
                    if run:
                        eobrun += _peek(data, at) >> (16 - run)
                        at += run
                    break
                while k <= final:
                    place = base + zigzag[k]
                    known = out[place]
                    if known:
                        if _peek(data, at) >> 15 and not abs(known) & bit:
                            out[place] = known + bit if known > 0 else known - bit
                        at += 1
                    elif run == 0:
                        break
                    else:
                        run -= 1
                    k += 1
                if value:
                    if k > final:
                        return False
                    out[base + zigzag[k]] = value
                k += 1
            if eobrun:
                while k <= final:
                    place = base + zigzag[k]
                    known = out[place]
                    if known:
                        if _peek(data, at) >> 15 and not abs(known) & bit:
                            out[place] = known + bit if known > 0 else known - bit
                        at += 1
                    k += 1
                eobrun -= 1
            if at > end:
                return False
        done += per
    return True
