"""Directories of a TIFF or BigTIFF file: what is where, with nothing of it interpreted.

TIFF 6.0, sections 2 and 8; BigTIFF as the libtiff project describes it; Exif 2.3, section 4.6.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = [
    "Directory",
    "Entry",
    "Structure",
    "TiffFormatError",
    "TiffUnsupportedError",
    "is_tiff",
    "read",
]

# Bytes of a value by its type: BYTE ASCII SHORT LONG RATIONAL SBYTE UNDEFINED SSHORT SLONG
# SRATIONAL FLOAT DOUBLE IFD, and those of BigTIFF: LONG8 SLONG8 IFD8.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

SUB_IFDS, EXIF, GPS, INTEROPERABILITY, GLOBAL_PARAMETERS = 330, 34665, 34853, 40965, 400
POINTERS = (SUB_IFDS, EXIF, GPS, INTEROPERABILITY, GLOBAL_PARAMETERS)
STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 279, 324, 325
_JPEG_OFFSET, _JPEG_LENGTH = 513, 514
_MAX_DIRECTORIES = 256
_MAX_ENTRIES = 1 << 12
_MAX_VALUES = 1 << 22


class TiffFormatError(ValueError):
    """The bytes are not a sound TIFF file; the message says what is wrong."""


class TiffUnsupportedError(ValueError):
    """A TIFF file of a kind that cannot be a carrier; the message completes "the carrier is"."""


class TiffFewValuesError(TiffUnsupportedError):
    """One of a palette or of single bits, which may all the same show the pixels of a stego."""


@dataclass(frozen=True)
class Entry:
    """One tag: where its value lies, and, if that is elsewhere, the field that says where."""

    tag: int
    kind: int
    count: int
    at: int
    size: int
    field: int | None


@dataclass(frozen=True, eq=False)
class Directory:
    """One directory: its entries in the order of the file, and the directories they lead to."""

    at: int
    end: int
    entries: tuple[Entry, ...]
    children: dict[int, tuple[Directory, ...]] = field(default_factory=dict)

    def find(self, tag: int) -> Entry | None:
        """Return the first entry of a tag."""
        return next((entry for entry in self.entries if entry.tag == tag), None)

    def walk(self) -> Iterator[Directory]:
        """Yield this directory and all below it."""
        yield self
        for each in self.children.values():
            for child in each:
                yield from child.walk()


@dataclass(frozen=True, eq=False)
class Structure:
    """A file's directories; `chain` are its pages, `links` the fields that lead from one to one.

    `opaque` tells that something could not be followed: nothing may be moved then.
    """

    raw: bytes = field(repr=False)
    order: str
    big: bool
    chain: tuple[Directory, ...]
    links: tuple[int, ...]
    opaque: bool

    @property
    def offset_format(self) -> str:
        """The struct format of an offset."""
        return self.order + ("Q" if self.big else "I")

    def directories(self) -> Iterator[Directory]:
        """Yield every directory of the file."""
        for each in self.chain:
            yield from each.walk()

    def integers(self, entry: Entry) -> tuple[int, ...]:
        """Return the values of an entry of integers.

        Raises
        ------
        TiffFormatError : a type that is no unsigned integer
        """
        if entry.kind not in _INTEGERS or entry.count > _MAX_VALUES:
            raise TiffFormatError(f"tag {entry.tag} has an unexpected type")
        return struct.unpack_from(
            f"{self.order}{entry.count}{_INTEGERS[entry.kind]}", self.raw, entry.at
        )

    def value(self, entry: Entry) -> bytes:
        """Return the bytes of an entry's value."""
        return self.raw[entry.at : entry.at + entry.size]

    def spans(self, directory: Directory) -> list[tuple[int, int]]:
        """Return begin and end of all pieces of pixel data that a directory names."""
        out: list[tuple[int, int]] = []
        pairs = ((STRIP_OFFSETS, STRIP_COUNTS), (TILE_OFFSETS, TILE_COUNTS))
        for one, other in (*pairs, (_JPEG_OFFSET, _JPEG_LENGTH)):
            places, sizes = directory.find(one), directory.find(other)
            if places is not None and sizes is not None:
                known = zip(self.integers(places), self.integers(sizes), strict=False)
                out += [(at, at + size) for at, size in known if size]
        return out

    def occupied(self) -> list[tuple[int, int]]:
        """Return begin and end of the header, all directories and all values outside of them."""
        out = [(0, 16 if self.big else 8)]
        for directory in self.directories():
            out.append((directory.at, directory.end))
            out += [
                (entry.at, entry.at + entry.size)
                for entry in directory.entries
                if entry.field is not None
            ]
        return out


def is_tiff(raw: bytes) -> bool:
    """Tell a TIFF or BigTIFF file by its first bytes."""
    return raw.startswith((b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"))


class _Reader:
    def __init__(self, raw: bytes, order: str, big: bool) -> None:
        self.raw, self.order, self.big = raw, order, big
        self.seen: set[int] = set()
        self.opaque = False

    def number(self, code: str, at: int) -> int:
        if at + struct.calcsize(self.order + code) > len(self.raw):
            raise TiffFormatError("the file ends in the middle")
        (found,) = struct.unpack_from(self.order + code, self.raw, at)
        return int(found)

    def directory(self, at: int, depth: int = 0) -> tuple[Directory, int]:
        """Return the directory at a place, and the place of its link to the next one."""
        if at in self.seen or len(self.seen) >= _MAX_DIRECTORIES:
            raise TiffFormatError("the directories go round in circles")
        self.seen.add(at)
        count = self.number("Q" if self.big else "H", at)
        first, size = (at + 8, 20) if self.big else (at + 2, 12)
        end = first + size * count
        if at < 8 or not 1 <= count <= _MAX_ENTRIES or end > len(self.raw):
            raise TiffFormatError("a directory makes no sense")
        link = 8 if self.big else 4
        # Some writers leave out the last link.
        stop = end + link if end + link <= len(self.raw) else end
        entries = tuple(self._entry(first + size * j) for j in range(count))
        found = Directory(at, stop, entries)
        if depth < 4:
            self._children(found, depth)
        return found, end

    def _entry(self, at: int) -> Entry:
        tag, kind = self.number("H", at), self.number("H", at + 2)
        count = self.number("Q" if self.big else "I", at + 4)
        room, place = (8, at + 12) if self.big else (4, at + 8)
        if kind not in _SIZES:
            self.opaque = True
            return Entry(tag, kind, count, place, room, None)
        size = count * _SIZES[kind]
        if size <= room:
            return Entry(tag, kind, count, place, size, None)
        where = self.number("Q" if self.big else "I", place)
        if where < 8 or where + size > len(self.raw):
            # The value is not there; the field that should lead to it is all that can be kept.
            self.opaque = True
            return Entry(tag, kind, 0, place, 0, None)
        return Entry(tag, kind, count, where, size, place)

    def _children(self, parent: Directory, depth: int) -> None:
        for entry in parent.entries:
            if entry.tag not in POINTERS or entry.kind not in _INTEGERS or entry.count > 64:
                self.opaque |= entry.tag in POINTERS
                continue
            values = struct.unpack_from(
                f"{self.order}{entry.count}{_INTEGERS[entry.kind]}", self.raw, entry.at
            )
            found = []
            for at in values:
                try:
                    found.append(self.directory(at, depth + 1)[0])
                except TiffFormatError:
                    self.opaque = True
            parent.children[entry.tag] = tuple(found)


def read(raw: bytes) -> Structure:
    """Read all directories of a file.

    Raises
    ------
    TiffFormatError : no TIFF file, or one whose first directory cannot be read
    """
    if not is_tiff(raw):
        raise TiffFormatError("not a TIFF file")
    order, big = "<" if raw[:1] == b"I" else ">", 43 in (raw[2], raw[3])
    reader = _Reader(raw, order, big)
    link = 8 if big else 4
    chain: list[Directory] = []
    links: list[int] = []
    while True:
        try:
            at = reader.number("Q" if big else "I", link)
            if not at:
                break
            directory, following = reader.directory(at)
        except TiffFormatError:
            if not chain:
                raise
            reader.opaque = True
            break
        chain.append(directory)
        links.append(link)
        link = following
    if not chain:
        raise TiffFormatError("there is no directory")
    return Structure(raw, order, big, tuple(chain), tuple(links), reader.opaque)
