"""Coefficients out of a JPEG file and into it again, with nothing else in the file changed.

libjpeg and its bindings write coefficients with scans, restart markers and Huffman tables of their
own choice.  Here the scans of the file are written again as they were: same order, same bands,
same restart intervals, and the same tables where they were not made for this very image.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deephide.formats.jpeg import arithmetic, huffman, multipicture, reading, writing
from deephide.formats.jpeg.blocks import Coefficients, Order, extents, scan_order
from deephide.formats.jpeg.segments import (
    TOO_MANY_SCANS,
    ZIGZAG,
    HuffmanTable,
    JpegFile,
    JpegFormatError,
    JpegUnsupportedError,
    Scan,
    parse,
)
from stc.jit import is_cached

__all__ = ["decode", "is_compiled", "outside", "replace_coefficients"]

_log = logging.getLogger(__name__)

_SLACK = 512  # bytes that a kernel may look beyond the end before it notices

# Places of coefficients that all scans of a file may go by, and what a block counts for besides.
# The script of libjpeg takes half of it in the largest image; a scan that brings one bit of one
# coefficient of each block is some hundred bytes long, and a file may have a thousand of them.
MAX_WORK = 1 << 30
_BLOCK_WORK = 8


def is_compiled(progressive: bool) -> bool:
    """Return whether an earlier process has read and written such a file, and left its loops."""
    read = reading.read_ac_first if progressive else reading.read_sequential
    write = writing.ac_first_symbols if progressive else writing.sequential_symbols
    return is_cached(read) and is_cached(write)


def _check_progress(file: JpegFile) -> None:
    """See that the scans bring every bit of every coefficient once, in an order that works.

    Raises
    ------
    JpegFormatError : they do not
    JpegUnsupportedError : they take more time than an image of this size has to
    """
    known = np.full((len(file.components), 64), -1)
    work = 0
    for scan in file.scans:
        places = [place for place, _, _ in scan.components]
        blocks = [file.components[place].rows * file.components[place].columns for place in places]
        work += sum(blocks) * (_BLOCK_WORK + max(0, scan.final - scan.first))
        if work > MAX_WORK:
            raise JpegUnsupportedError(TOO_MANY_SCANS)
        if not file.progressive:
            if (scan.first, scan.final, scan.high, scan.low) != (0, 63, 0, 0):
                raise JpegFormatError("a sequential scan has a band")
        elif (
            not scan.first <= scan.final <= 63
            or scan.low > 13
            or (scan.first == 0) != (scan.final == 0)
            or (scan.first > 0 and len(places) > 1)
        ):
            raise JpegFormatError("a progressive scan has an impossible band")
        expected = scan.high if scan.high else -1
        band = known[places, scan.first : scan.final + 1]
        if (band != expected).any() or (scan.high and scan.low != scan.high - 1):
            raise JpegFormatError("the scans do not follow from one another")
        known[places, scan.first : scan.final + 1] = scan.low
    if known.any():
        raise JpegFormatError("the file is incomplete: not every coefficient has all its bits")


def _unstuffed(raw: bytes, scan: Scan, parts: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bits of a scan and where, counted in bits, each restart interval lies."""
    data = np.frombuffer(raw, np.uint8, scan.end - scan.start, scan.start)
    marks = np.flatnonzero(data[:-1] == 0xFF)
    following = data[marks + 1]
    restarts = marks[following != 0]
    numbers = following[following != 0] - 0xD0
    if restarts.size != parts - 1 or (numbers != np.arange(restarts.size) % 8).any():
        raise JpegFormatError("restart markers are missing or out of order")
    keep = np.ones(data.size, bool)
    keep[marks + 1] = False
    keep[restarts] = False
    gone = np.concatenate((marks[following == 0] + 1, restarts, restarts + 1))
    gone.sort()
    edges = restarts - np.searchsorted(gone, restarts)
    bits = np.concatenate((data[keep], np.zeros(_SLACK, np.uint8)))
    total = bits.size - _SLACK
    ends = np.stack((np.append(0, edges), np.append(edges, total)), axis=1)
    return bits, np.ascontiguousarray(ends * 8)


def decode(file: JpegFile) -> Coefficients:
    """Read all coefficients.

    Raises
    ------
    JpegFormatError : damaged, truncated or incomplete
    JpegUnsupportedError : in so many scans that reading them would take too long
    """
    _check_progress(file)
    total = sum(64 * rows * columns for _, rows, columns in extents(file))
    out = np.zeros(total, np.int16)
    looks: dict[int, NDArray[np.uint16]] = {}

    def look(scan: Scan, slot: int) -> NDArray[np.uint16]:
        if slot not in scan.tables:
            raise JpegFormatError("a Huffman table is missing")
        place = scan.tables[slot]
        if place not in looks:
            looks[place] = huffman.lookup(file.tables[place])
        return looks[place]

    for scan in file.scans:
        order = scan_order(file, scan)
        if file.arithmetic:
            bits, ends = _unstuffed(file.raw, scan, order.parts)
            if not arithmetic.read_scan(file, scan, order, bits, ends, out):
                raise JpegFormatError("the image data is damaged")
            continue
        # Every block takes a bit at least, except in the bands of progressive files.
        if scan.first == 0 and 8 * (scan.end - scan.start) < order.blocks.size:
            raise JpegFormatError("the image data ends in the middle")
        bits, ends = _unstuffed(file.raw, scan, order.parts)
        if not _read(scan, file.progressive, order, bits, ends, look, out):
            raise JpegFormatError("the image data is damaged")
    return Coefficients(file, out)


def _read(
    scan: Scan,
    progressive: bool,
    order: Order,
    bits: NDArray[np.uint8],
    ends: NDArray[np.int64],
    look: Callable[[Scan, int], NDArray[np.uint16]],
    out: NDArray[np.int16],
) -> bool:
    band = np.array((scan.first, scan.final, scan.low), np.int64)
    blocks, which, per = order.blocks, order.which, order.per
    if scan.first:
        ac = look(scan, scan.components[0][2])
        read = reading.read_ac_refine if scan.high else reading.read_ac_first
        return bool(read(bits, ends, blocks, per, ac, band, ZIGZAG, out))
    if scan.high:
        return bool(reading.read_dc_refine(bits, ends, blocks, per, scan.low, out))
    dc = np.stack([look(scan, slot) for _, slot, _ in scan.components])
    if progressive:
        return bool(reading.read_dc_first(bits, ends, blocks, which, per, dc, scan.low, out))
    ac = np.stack([look(scan, slot) for _, _, slot in scan.components])
    return bool(reading.read_sequential(bits, ends, blocks, which, per, dc, ac, ZIGZAG, out))


@dataclass(frozen=True, eq=False)
class _Symbols:
    """One scan as words (see `writing`), and where its restart intervals end."""

    words: NDArray[np.uint32]
    cuts: NDArray[np.int64]

    def frequencies(self) -> NDArray[np.int64]:
        """Return how often each symbol occurs, as (8, 256) by slot."""
        named = self.words[(self.words & writing.RAW) == 0] >> 21
        return np.bincount(named, minlength=2048).reshape(8, 256)

    def pack(self, codes: NDArray[np.int64], fill: int) -> bytes:
        """Return the entropy-coded data; every symbol must have a code."""
        lengths = np.where(self.words & writing.RAW, 0, codes[self.words >> 21, 1])
        bits = int(lengths.sum()) + int(((self.words >> 16) & 15).sum(dtype=np.int64))
        out = np.empty(2 * (bits // 8) + 4 * self.cuts.size + 16, np.uint8)
        size = writing.pack(self.words, self.cuts, codes, fill, out)
        return out[:size].tobytes()


def _symbols(coefficients: Coefficients) -> Iterator[_Symbols]:
    """Yield every scan of the file, with these coefficients."""
    file, values = coefficients.file, coefficients.values
    for scan in file.scans:
        order = scan_order(file, scan)
        blocks, which, per = order.blocks, order.which, order.per
        band = np.array((scan.first, scan.final, scan.low), np.int64)
        tables = np.array([each[1:] for each in scan.components], np.int64)
        room = np.count_nonzero(values) + 6 * blocks.size + 16
        words, cuts = np.empty(room, np.uint32), np.empty(order.parts, np.int64)
        if scan.first and scan.high:
            held = np.empty(1100, np.int64)
            used = writing.ac_refine_symbols(
                values, blocks, per, tables[0, 1] << 8, band, ZIGZAG, held, words, cuts
            )
        elif scan.first:
            used = writing.ac_first_symbols(
                values, blocks, per, tables[0, 1] << 8, band, ZIGZAG, words, cuts
            )
        elif scan.high:
            used = writing.dc_refine_symbols(values, blocks, per, scan.low, words, cuts)
        elif file.progressive:
            used = writing.dc_first_symbols(
                values, blocks, which, per, tables, scan.low, words, cuts
            )
        else:
            used = writing.sequential_symbols(
                values, blocks, which, per, tables, ZIGZAG, words, cuts
            )
        yield _Symbols(words[:used].copy(), cuts)


def _scan_codes(scan: Scan, tables: tuple[HuffmanTable, ...]) -> NDArray[np.int64]:
    out = np.zeros((8, 256, 2), np.int64)
    for slot, place in scan.tables.items():
        out[slot] = huffman.codes(tables[place])
    return out.reshape(2048, 2)


def _table_frequencies(
    file: JpegFile, every: list[NDArray[np.int64]]
) -> dict[int, NDArray[np.int64]]:
    """Add up how often each symbol of each table that is used occurs."""
    found: dict[int, NDArray[np.int64]] = {}
    for scan, frequencies in zip(file.scans, every, strict=True):
        for slot, place in scan.tables.items():
            if frequencies[slot].any():
                found[place] = found.get(place, 0) + frequencies[slot]
    return found


def _examine(old: Coefficients) -> tuple[set[int], int, list[bytes]]:
    """Return which tables were made for this image, the bit that fills last bytes, and the rest.

    The rest is what each scan has behind its last block: nothing, or bytes out of place.
    """
    file = old.file
    every, same = [], {0: True, 1: True}
    rests: dict[int, list[bytes]] = {0: [], 1: []}
    for scan, symbols in zip(file.scans, _symbols(old), strict=True):
        every.append(symbols.frequencies())
        original = file.raw[scan.start : scan.end]
        for fill in (1, 0):
            packed = symbols.pack(_scan_codes(scan, file.tables), fill)
            same[fill] = same[fill] and original.startswith(packed)
            rests[fill].append(original[len(packed) :] if original.startswith(packed) else b"")
    if not any(same.values()):
        _log.warning(
            "the program that wrote the JPEG file cannot be imitated: comparing its compressed "
            "data with that program's own shows that the file was written again"
        )
    made = {
        place
        for place, frequencies in _table_frequencies(file, every).items()
        if huffman.optimal(frequencies) == (file.tables[place].counts, file.tables[place].symbols)
    }
    fill = 0 if same[0] and not same[1] else 1
    return made, fill, rests[fill]


def replace_coefficients(old: Coefficients, elements: NDArray[np.int16]) -> bytes:
    """Return the file with other coefficients and nothing else changed.

    Huffman tables that are the best ones for the old coefficients are replaced by the best ones for
    the new, and so are tables that lack a symbol that is now needed; all others stay.

    Parameters
    ----------
    old : what `decode` returned
    elements : (n,) int16, as `Coefficients.elements` has them

    Raises
    ------
    JpegFormatError : the file that came out is not what it should be
    """
    file = old.file
    made, fill, rests = _examine(old)
    new = old.with_elements(elements)
    scans = list(_symbols(new))
    wanted = _table_frequencies(file, [scan.frequencies() for scan in scans])
    tables = list(file.tables)
    for place, frequencies in wanted.items():
        lacks = (huffman.codes(tables[place])[frequencies > 0, 1] == 0).any()
        if lacks and place not in made:
            _log.warning("a Huffman table of the JPEG file lacks a symbol and had to be replaced")
        if lacks or place in made:
            counts, symbols = huffman.optimal(frequencies)
            tables[place] = replace(tables[place], counts=counts, symbols=symbols)
    data = [
        each.pack(_scan_codes(scan, tuple(tables)), fill) + rest
        for scan, each, rest in zip(file.scans, scans, rests, strict=True)
    ]
    raw = multipicture.with_index_moved(file, _assemble(file, tables, data))
    changed = {t for t, (a, b) in enumerate(zip(tables, file.tables, strict=True)) if a is not b}
    written = parse(raw)
    if outside(written, changed) != outside(file, changed) or not np.array_equal(
        decode(written).values, new.values
    ):
        raise JpegFormatError("the file that was written differs from the one that was meant")
    return raw


def _assemble(file: JpegFile, tables: list[HuffmanTable], data: list[bytes]) -> bytes:
    """Put new tables and new scans in the places of the old ones."""
    pieces = [(scan.start, scan.end, new) for scan, new in zip(file.scans, data, strict=True)]
    sizes: dict[int, int] = {}
    for table in tables:
        sizes[table.segment] = sizes.get(table.segment, 2) + 17 + len(table.symbols)
    pieces += [(at, at + 2, size.to_bytes(2, "big")) for at, size in sizes.items()]
    pieces += [
        (old.start + 1, old.end, new.counts + new.symbols)
        for old, new in zip(file.tables, tables, strict=True)
    ]
    out, at = [], 0
    for start, end, new in sorted(pieces):
        out += [file.raw[at:start], new]
        at = end
    return b"".join((*out, file.raw[at:]))


def outside(file: JpegFile, tables: set[int] | None = None) -> list[bytes]:
    """Return all bytes of a file that embedding must not change, piece by piece.

    The sizes and places of further images are not among them: they follow the first one's size.

    Parameters
    ----------
    file : what `parse` returned
    tables : places of Huffman tables that may differ, none by default; the lengths of their
        segments may differ too
    """
    skipped = [(scan.start, scan.end) for scan in file.scans]
    skipped += multipicture.numbers(file)
    for place in tables or ():
        table = file.tables[place]
        skipped += [(table.start + 1, table.end), (table.segment, table.segment + 2)]
    out, at = [], 0
    for start, end in sorted(set(skipped)):
        out.append(file.raw[at:start])
        at = end
    return [*out, file.raw[at:]]
