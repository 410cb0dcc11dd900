"""Segments of a JPEG file: what is where in it, and which kinds of file can be read.

Everything but the scans (and the Huffman tables of an optimised file) is later copied byte for
byte, so nothing here interprets more than it must: ITU-T T.81, Annex B.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from deephide.formats.jpeg.markers import (
    JpegFormatError,
    JpegUnsupportedError,
    next_marker,
    scan_ends,
    segment_end,
)

__all__ = [
    "TOO_MANY_SCANS",
    "Component",
    "HuffmanTable",
    "JpegFile",
    "JpegFormatError",
    "JpegUnsupportedError",
    "Scan",
    "is_jpeg",
    "parse",
    "read_header",
]

ZIGZAG = np.array(
    [
        *(0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5),
        *(12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28),
        *(35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51),
        *(58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63),
    ],
    dtype=np.int64,
)

_SOI, _EOI, _SOS, _DHT, _DQT, _DRI, _DAC, _DNL = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD, 0xCC, 0xDC
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE, _ARITHMETIC = {0xC2, 0xCA}, {0xC9, 0xCA}
_REFUSED_FRAMES = {
    0xC3: "losslessly coded",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xCB: "losslessly coded",
    **dict.fromkeys((0xCD, 0xCE, 0xCF), "hierarchical"),
}
MAX_SCANS = 1000
TOO_MANY_SCANS = "a JPEG file in more scans than are read at its size"
_LATE_HEIGHT = "a JPEG file whose height is defined late"


@dataclass(frozen=True)
class Component:
    """One component of the frame: sampling factors, and size in blocks without padding."""

    name: int
    across: int
    down: int
    table: int
    columns: int
    rows: int


@dataclass(frozen=True)
class HuffmanTable:
    """A table as a DHT segment defines it, and where.

    `segment` is the place of the segment's length, `start` that of the table's class byte.
    """

    slot: int
    counts: bytes
    symbols: bytes
    segment: int
    start: int

    @property
    def end(self) -> int:
        """The byte after its last symbol."""
        return self.start + 17 + len(self.symbols)


@dataclass(frozen=True)
class Scan:
    """One scan: its components (place in the frame, DC slot, AC slot) and band.

    `tables` are those in force, by slot (0..3 for DC, 4..7 for AC), as places in the file's list;
    `start` and `end` enclose the entropy-coded data; `conditioning` is that of arithmetic coding.
    """

    components: tuple[tuple[int, int, int], ...]
    first: int
    final: int
    high: int
    low: int
    restart: int
    tables: dict[int, int]
    start: int
    end: int
    conditioning: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class JpegFile:
    """A JPEG file taken apart; `quantization` has the (8, 8) table of each component.

    `end` is the byte after its end marker, or of the whole file where it has none; what follows
    may be further images, which the index of a multi-picture file (`index`, begin and end in
    the file) tells of.  `pieces` has begin and end of each segment, with the scan that follows it.
    """

    raw: bytes = field(repr=False)
    width: int
    height: int
    progressive: bool
    components: tuple[Component, ...]
    quantization: tuple[NDArray[np.int64], ...] = ()
    tables: tuple[HuffmanTable, ...] = ()
    scans: tuple[Scan, ...] = ()
    end: int = 0
    index: tuple[int, int] | None = None
    pieces: tuple[tuple[int, int], ...] = ()
    arithmetic: bool = False

    def plain(self) -> bytes:
        """Return the first image alone, with an end marker and without bytes out of place."""
        parts = [self.raw[start:end] for start, end in self.pieces]
        return b"".join((b"\xff\xd8", *parts, b"\xff\xd9"))

    @property
    def across(self) -> int:
        """Largest horizontal sampling factor."""
        return max(component.across for component in self.components)

    @property
    def down(self) -> int:
        """Largest vertical sampling factor."""
        return max(component.down for component in self.components)


def is_jpeg(raw: bytes) -> bool:
    """Tell a JPEG file by its first bytes."""
    return raw.startswith(b"\xff\xd8\xff")


class _Reader:
    """The state that segments leave behind for later ones."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.frame: JpegFile | None = None
        self.restart = 0
        self.quantizers: dict[int, NDArray[np.int64]] = {}
        self.used: dict[int, NDArray[np.int64]] = {}
        self.tables: list[HuffmanTable] = []
        self.slots: dict[int, int] = {}
        self.scans: list[Scan] = []
        self.index: tuple[int, int] | None = None
        # T.81, F.1.4.4.1.4 and F.1.4.4.2: L, U and Kx of each table.
        self.conditions = [(0, 1, 5)] * 4
        self.pieces: list[tuple[int, int]] = []

    def segment(self, marker: int, start: int, end: int) -> None:
        data = self.raw[start:end]
        if marker in _REFUSED_FRAMES:
            raise JpegUnsupportedError(f"a JPEG file that is {_REFUSED_FRAMES[marker]}")
        if marker in _FRAMES:
            self._frame(marker, data)
        elif marker == _DQT:
            self._quantizer(data)
        elif marker == _DHT:
            self._huffman(start, end)
        elif marker == _DAC:
            self._conditioning(data)
        elif marker == _DRI:
            if len(data) != 2:
                raise JpegFormatError("a restart interval has a wrong size")
            self.restart = int.from_bytes(data, "big")
        elif marker == _DNL and (
            self.frame is None or data != self.frame.height.to_bytes(2, "big")
        ):
            raise JpegUnsupportedError(_LATE_HEIGHT)
        elif marker == 0xE2 and data.startswith(b"MPF\0") and not self.index:
            self.index = (start + 4, end)

    def _frame(self, marker: int, data: bytes) -> None:
        if self.frame is not None:
            raise JpegFormatError("there are two frames")
        if len(data) < 6 or len(data) != 6 + 3 * data[5]:
            raise JpegFormatError("the frame header has a wrong size")
        precision, height, width, count = struct.unpack_from(">BHHB", data)
        if precision != 8:
            raise JpegUnsupportedError(f"a JPEG file of {precision} bits per sample")
        if count == 4:
            raise JpegUnsupportedError("a CMYK or YCCK JPEG file")
        if count not in (1, 3):
            raise JpegUnsupportedError(f"a JPEG file of {count} components")
        if not height:
            raise JpegUnsupportedError(_LATE_HEIGHT)
        if not width:
            raise JpegFormatError("the width is zero")
        fields = [tuple(data[6 + 3 * j : 9 + 3 * j]) for j in range(count)]
        names = [each[0] for each in fields]
        factors = [(each[1] >> 4, each[1] & 15) for each in fields]
        if len(set(names)) < count or any(not 1 <= f <= 4 for pair in factors for f in pair):
            raise JpegFormatError("the components make no sense")
        across, down = max(f[0] for f in factors), max(f[1] for f in factors)
        components = tuple(
            Component(
                name,
                h,
                v,
                table,
                -(-width * h // (8 * across)),
                -(-height * v // (8 * down)),
            )
            for (name, _, table), (h, v) in zip(fields, factors, strict=True)
        )
        self.frame = JpegFile(
            self.raw,
            width,
            height,
            marker in _PROGRESSIVE,
            components,
            arithmetic=marker in _ARITHMETIC,
        )

    def _conditioning(self, data: bytes) -> None:
        if len(data) % 2:
            raise JpegFormatError("the conditioning of arithmetic coding has a wrong size")
        for slot, value in zip(data[::2], data[1::2], strict=True):
            kind, which = slot >> 4, slot & 15
            if kind > 1 or which > 3 or (not kind and value & 15 > value >> 4):
                raise JpegFormatError("the conditioning of arithmetic coding makes no sense")
            low, high, most = self.conditions[which]
            self.conditions[which] = (low, high, value) if kind else (value & 15, value >> 4, most)

    def _quantizer(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            wide, slot = data[at] >> 4, data[at] & 15
            size = 128 if wide else 64
            if wide > 1 or slot > 3 or at + 1 + size > len(data):
                raise JpegFormatError("a quantisation table makes no sense")
            values = np.frombuffer(data, ">u2" if wide else "u1", 64, at + 1)
            if not values.all():
                raise JpegFormatError("a quantisation table has a zero")
            table = np.empty(64, np.int64)
            table[ZIGZAG] = values
            self.quantizers[slot] = table.reshape(8, 8)
            at += 1 + size

    def _huffman(self, start: int, end: int) -> None:
        at = start
        while at < end:
            counts = self.raw[at + 1 : at + 17]
            kind, slot, total = self.raw[at] >> 4, self.raw[at] & 15, sum(counts)
            # Kraft's inequality; codes of ones alone are not used, but tolerated.
            room = sum(count << (16 - size) for size, count in enumerate(counts, 1))
            if kind > 1 or slot > 3 or total > 256 or at + 17 + total > end or room > 1 << 16:
                raise JpegFormatError("a Huffman table makes no sense")
            symbols = self.raw[at + 17 : at + 17 + total]
            self.slots[4 * kind + slot] = len(self.tables)
            self.tables.append(HuffmanTable(4 * kind + slot, counts, symbols, start - 2, at))
            at += 17 + total

    def scan(self, start: int, end: int, data_end: int) -> None:
        """Take in a scan whose header lies from start to end."""
        if self.frame is None:
            raise JpegFormatError("a scan comes before the frame")
        data = self.raw[start:end]
        if not data or len(data) != 4 + 2 * data[0] or not 1 <= data[0] <= 4:
            raise JpegFormatError("a scan header has a wrong size")
        if len(self.scans) == MAX_SCANS:
            raise JpegUnsupportedError(TOO_MANY_SCANS)
        names = {component.name: j for j, component in enumerate(self.frame.components)}
        components = []
        for j in range(data[0]):
            name, slots = data[1 + 2 * j : 3 + 2 * j]
            if name not in names or slots >> 4 > 3 or slots & 15 > 3:
                raise JpegFormatError("a scan header makes no sense")
            place = names.pop(name)
            components.append((place, slots >> 4, 4 + (slots & 15)))
            quantizer = self.quantizers.get(self.frame.components[place].table)
            if quantizer is None:
                raise JpegFormatError("a quantisation table is missing")
            self.used.setdefault(place, quantizer)
        if [c[0] for c in components] != sorted(c[0] for c in components):
            raise JpegFormatError("the components of a scan are out of order")
        first, final, step = data[-3:]
        self.scans.append(
            Scan(
                tuple(components),
                first,
                final,
                step >> 4,
                step & 15,
                self.restart,
                dict(self.slots),
                end,
                data_end,
                tuple(self.conditions),
            )
        )

    def finish(self, trailer: int) -> JpegFile:
        if self.frame is None or len(self.used) != len(self.frame.components):
            raise JpegFormatError("a component is missing")
        return replace(
            self.frame,
            quantization=tuple(self.used[j] for j in range(len(self.frame.components))),
            tables=tuple(self.tables),
            scans=tuple(self.scans),
            end=trailer,
            index=self.index,
            pieces=tuple(self.pieces),
        )


def read_header(raw: bytes) -> JpegFile:
    """Read as far as the frame header, without a look at any coefficient.

    Raises
    ------
    JpegFormatError : damaged
    JpegUnsupportedError : losslessly coded, 12 bits, CMYK, hierarchical
    """
    reader, at = _Reader(raw), 2
    while reader.frame is None:
        marker, at = next_marker(raw, at)
        if marker in (0, _SOI, _EOI, _SOS, 0x01) or 0xD0 <= marker <= 0xD7:
            raise JpegFormatError("there is no frame header")
        end = segment_end(raw, at)
        if marker in _FRAMES or marker in _REFUSED_FRAMES:
            reader.segment(marker, at + 2, end)
        at = end
    return reader.frame


def parse(raw: bytes) -> JpegFile:
    """Take a JPEG file apart.

    Raises
    ------
    JpegFormatError : damaged or incomplete
    JpegUnsupportedError : as `read_header`
    """
    read_header(raw)
    reader, at = _Reader(raw), 2
    ends: NDArray[np.int64] | None = None
    while True:
        if reader.scans and raw.find(b"\xff", at, len(raw) - 1) < 0:
            return reader.finish(len(raw))  # decoders do without the end marker
        marker, at = next_marker(raw, at)
        if marker == _EOI:
            return reader.finish(at)
        if marker in (_SOI, 0x01) or 0xD0 <= marker <= 0xD7:
            raise JpegFormatError("there is a marker out of place")
        start, end = at - 2, segment_end(raw, at)
        if marker == _SOS:
            if ends is None:
                ends = scan_ends(raw)
            which = int(np.searchsorted(ends, end))
            stop = int(ends[which]) if which < ends.size else len(raw)
            reader.scan(at + 2, end, stop)
            end = stop
        else:
            reader.segment(marker, at + 2, end)
        reader.pieces.append((start, end))
        at = end
