"""The places of things in a TIFF file: pixel data replaced, all else kept, offsets corrected."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from deephide.formats.tiff.directories import (
    POINTERS,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    TILE_COUNTS,
    TILE_OFFSETS,
    Directory,
    Entry,
    Structure,
    TiffFormatError,
    TiffUnsupportedError,
    read,
)

__all__ = ["compare", "rebuilt", "replaced"]

Spans: TypeAlias = Sequence[tuple[int, int]]

_OFFSETS = (STRIP_OFFSETS, TILE_OFFSETS)
_COUNTS = (STRIP_COUNTS, TILE_COUNTS)
_JPEG_OFFSET = 513
_LONGEST_GAP = 16
_CODES = {3: "H", 4: "I", 16: "Q"}
# GDAL writes the length of a tile in front of it, and trusts it.
_CLOUD_OPTIMISED = b"GDAL_STRUCTURAL_METADATA_SIZE="
# Tags of which it is known that nothing in them is a place in the file, besides all below 32768
# that are no pointers, and those of EXIF data but for the maker's own.
_SAFE = {33432, 33550, 33723, 33922, 34377, 34675, 34735, 34736, 34737, 42112, 42113}
_SAFE |= {50838, 50839} | set(range(33434, 33438)) | set(range(34850, 34870))
_SAFE |= set(range(36864, 37500)) | set(range(37501, 42241)) | set(POINTERS)


def replaced(structure: Structure, spans: Spans, pieces: Sequence[bytes]) -> bytes:
    """Return the file with other pixel data in its first directory.

    Parameters
    ----------
    structure : of the file
    spans : begin and end of each piece of pixel data
    pieces : what shall be there

    Raises
    ------
    TiffUnsupportedError : there is no room for the new data
    """
    if all(end - begin == len(new) for (begin, end), new in zip(spans, pieces, strict=True)):
        out = bytearray(structure.raw)
        for (begin, end), new in zip(spans, pieces, strict=True):
            out[begin:end] = new
        return bytes(out)
    if structure.raw.startswith(_CLOUD_OPTIMISED, 16 if structure.big else 8):
        raise TiffUnsupportedError("a cloud-optimised TIFF file with compression")
    return _shifted(structure, spans, pieces) or _appended(structure, spans, pieces)


def _shifted(structure: Structure, spans: Spans, pieces: Sequence[bytes]) -> bytes | None:
    """Put the new data where the old was and move what follows; None if that is not safe."""
    raw = structure.raw
    ranked = sorted(range(len(spans)), key=lambda j: spans[j])
    first, last = spans[ranked[0]][0], spans[ranked[-1]][1]
    others = structure.occupied()
    for directory in structure.directories():
        if directory is not structure.chain[0]:
            others += structure.spans(directory)
    inside = any(begin < last and end > first for begin, end in others)
    gaps = [(spans[i][1], spans[j][0]) for i, j in pairwise(ranked)]
    if inside or not _are_padding(raw, gaps):
        return None
    following = sorted((begin, end) for begin, end in others if begin >= last)
    if following and not _is_known(structure, following, last):
        return None
    # Pieces keep the alignment that they had, and what follows as well.
    starts = [spans[j][0] for j in ranked]
    unit = next(n for n in (16, 8, 4, 2, 1) if all((at - first) % n == 0 for at in starts))
    unit = unit if any(begin != end for begin, end in gaps) else 1
    places, out = [0] * len(spans), bytearray(raw[:first])
    for j in ranked:
        out += bytes(-(len(out) - first) % unit)
        places[j] = len(out)
        out += pieces[j]
    tail = following[0][0] if following else last
    if following and tail % 2 == 0:
        out += bytes(len(out) % 2)
    delta = len(out) - tail
    out += raw[tail:]
    if following:
        _relocate(structure, out, lambda at: at + delta if at >= last else at)
    fixed = _moved(structure.chain[0], lambda at: at + delta if at >= last else at)
    _point(structure, fixed, out, places, pieces)
    return bytes(out)


def _are_padding(raw: bytes, gaps: Spans) -> bool:
    return all(
        end - begin < _LONGEST_GAP and not any(raw[begin:end]) for begin, end in gaps if end > begin
    )


def _is_known(structure: Structure, following: Spans, start: int) -> bool:
    """Tell whether every byte from `start` on is accounted for, and may be moved."""
    if structure.opaque or any(
        entry.tag >= 0x8000 and entry.tag not in _SAFE
        for directory in structure.directories()
        for entry in directory.entries
    ):
        return False
    at = start
    for begin, end in following:
        if begin > at and not _are_padding(structure.raw, [(at, begin)]):
            return False
        at = max(at, end)
    return _are_padding(structure.raw, [(at, len(structure.raw))])


def _moved(directory: Directory, move: Callable[[int], int]) -> dict[int, Entry]:
    """Return the entries of a directory with the places that their values have after a move."""
    out = {}
    for entry in directory.entries:
        out[entry.tag] = Entry(
            entry.tag, entry.kind, entry.count, move(entry.at), entry.size, entry.field
        )
    return out


def _relocate(structure: Structure, out: bytearray, move: Callable[[int], int]) -> None:
    """Correct all offsets in a file whose parts have moved; those of its own pixel data follow."""

    def put(code: str, at: int, value: int) -> None:
        struct.pack_into(structure.order + code, out, move(at), move(value))

    link = structure.offset_format[1]
    for at, directory in zip(structure.links, structure.chain, strict=True):
        put(link, at, directory.at)
    for directory in structure.directories():
        for entry in directory.entries:
            if entry.field is not None:
                put(link, entry.field, entry.at)
            own = directory is structure.chain[0] and entry.tag in _OFFSETS
            if (entry.tag in (*POINTERS, *_OFFSETS, _JPEG_OFFSET)) and not own:
                code = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}[entry.kind]
                size = struct.calcsize(code)
                for j, value in enumerate(structure.integers(entry)):
                    put(code, entry.at + size * j, value) if value else None


def _appended(structure: Structure, spans: Spans, pieces: Sequence[bytes]) -> bytes:
    """Put what fits where the old data was, and the rest behind the end; nothing moves."""
    out, places = bytearray(structure.raw), []
    for (begin, end), new in zip(spans, pieces, strict=True):
        out[begin:end] = bytes(end - begin)  # what is left of the cover would tell on the stego
        if len(new) <= end - begin:
            places.append(begin)
            out[begin : begin + len(new)] = new
        else:
            out += bytes(len(out) % 2)
            places.append(len(out))
            out += new
    entries = {entry.tag: entry for entry in structure.chain[0].entries}
    _point(structure, entries, out, places, pieces)
    return bytes(out)


def _point(
    structure: Structure,
    entries: dict[int, Entry],
    out: bytearray,
    places: Sequence[int],
    pieces: Sequence[bytes],
) -> None:
    """Write the places and lengths of the pixel data."""
    sizes = [len(piece) for piece in pieces]
    tags = [tag for tag in _OFFSETS if tag in entries]
    for tags_, values in ((tags, places), ([tag for tag in _COUNTS if tag in entries], sizes)):
        for tag in tags_:
            entry = entries[tag]
            code = _CODES.get(entry.kind)
            if code is None or entry.count != len(values):
                raise TiffUnsupportedError("a TIFF file whose strips are told of in a strange way")
            try:
                struct.pack_into(f"{structure.order}{len(values)}{code}", out, entry.at, *values)
            except struct.error:
                raise TiffUnsupportedError(
                    "a TIFF file without room for the lengths of other strips"
                ) from None


def compare(old: Structure, new: Structure) -> None:
    """See that two files differ in nothing but their pixel data and where things are.

    Raises
    ------
    TiffFormatError : they differ
    """
    if old.order != new.order or old.big != new.big or len(old.chain) != len(new.chain):
        raise TiffFormatError("the file that was written has other directories")
    for page, (one, two) in enumerate(zip(old.chain, new.chain, strict=True)):
        _compare(old, new, one, two, own=page == 0)


def _compare(
    old: Structure, new: Structure, one: Directory, two: Directory, *, own: bool = False
) -> None:
    fields = [[(e.tag, e.kind, e.count) for e in each.entries] for each in (one, two)]
    if fields[0] != fields[1]:
        raise TiffFormatError("the file that was written has other tags")
    for a, b in zip(one.entries, two.entries, strict=True):
        moves = a.tag in (*POINTERS, *_OFFSETS, _JPEG_OFFSET) or (own and a.tag in _COUNTS)
        if not moves and old.value(a) != new.value(b):
            raise TiffFormatError(f"tag {a.tag} of the file that was written is another one")
    if not own:
        parts = [
            [each.raw[begin:end] for begin, end in each.spans(directory)]
            for each, directory in ((old, one), (new, two))
        ]
        if parts[0] != parts[1]:
            raise TiffFormatError("another image in the file that was written has changed")
    if {tag: len(each) for tag, each in one.children.items()} != {
        tag: len(each) for tag, each in two.children.items()
    }:
        raise TiffFormatError("the file that was written has other directories")
    for tag, children in one.children.items():
        for each, other in zip(children, two.children[tag], strict=True):
            _compare(old, new, each, other)


def rebuilt(structure: Structure, spans: Spans, kept: frozenset[int]) -> bytes:
    """Return a file of the first directory alone, with the tags in `kept` and its pixel data."""
    raw, order = structure.raw, structure.order
    entries = [entry for entry in structure.chain[0].entries if entry.tag in kept]
    word, head, width = (8, 16, 20) if structure.big else (4, 8, 12)
    code = structure.offset_format[1]
    count = struct.pack(order + ("Q" if structure.big else "H"), len(entries))
    at = head + len(count) + width * len(entries) + word
    fields, values = bytearray(count), bytearray()
    for entry in entries:
        fields += struct.pack(order + "HH" + code, entry.tag, entry.kind, entry.count)
        value = structure.value(entry)
        if entry.field is None:
            fields += raw[entry.at : entry.at + word]
        else:
            fields += struct.pack(order + code, at + len(values))
            values += value + bytes(len(value) % 2)
    start = raw[:8] if structure.big else raw[:4]
    out = bytearray(start + struct.pack(order + code, head) + fields + bytes(word) + values)
    places, pieces = [], [raw[begin:end] for begin, end in spans]
    for piece in pieces:
        out += bytes(len(out) % 2)
        places.append(len(out))
        out += piece
    written = read(bytes(out))
    _point(written, {entry.tag: entry for entry in written.chain[0].entries}, out, places, pieces)
    return bytes(out)
