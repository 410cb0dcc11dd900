"""Chunks of a PNG file: their bounds and checksums, and which of them a decoder needs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

__all__ = [
    "LOOKS",
    "MAX_CHUNKS",
    "SIGNATURE",
    "PngFormatError",
    "TooManyChunksError",
    "chunk",
    "chunks",
    "count_chunks",
    "for_decoder",
    "is_ancillary",
    "is_sound",
]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What an image looks like hangs on these alone.
LOOKS = {b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT"}
LOOKS |= {b"bKGD", b"pHYs", b"IEND"}
# Besides these, decoders are given what says how an image is turned, and whether it moves.
_READ = LOOKS | {b"eXIf", b"acTL", b"fcTL", b"fdAT"}
_XMP = b"XML:com.adobe.xmp\0"
_LONGEST = 1 << 20  # bytes of XMP data, and of a colour profile: Pillow gives up over longer ones
# Every chunk costs some time and memory in each program that reads the file.  A file of 192 MiB in
# pieces of 8 KiB has 24,576.
MAX_CHUNKS = 1 << 16
_ANCILLARY = 0x20  # the bit in the first letter of a chunk that decoders need not know


class PngFormatError(ValueError):
    """The bytes are not a complete, sound PNG file; the message says what is wrong."""


class TooManyChunksError(PngFormatError):
    """The file has more than MAX_CHUNKS chunks."""


def count_chunks(raw: bytes) -> int:
    """Return how many chunks a PNG file seems to have; nothing in them is looked at.

    Raises
    ------
    TooManyChunksError : more than MAX_CHUNKS
    """
    found, position, end = 0, len(SIGNATURE), len(raw) - 12
    while position <= end:
        found += 1
        if found > MAX_CHUNKS:
            raise TooManyChunksError(f"more than {MAX_CHUNKS} chunks")
        if raw[position + 4 : position + 8] == b"IEND":
            break
        position += 12 + int.from_bytes(raw[position : position + 4], "big")
    return found


def is_ancillary(kind: bytes) -> bool:
    """Tell whether decoders can do without chunks of a type."""
    return bool(kind[0] & _ANCILLARY)


def chunks(raw: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield (start, type, length of the data) of each chunk up to and with IEND."""
    position = len(SIGNATURE)
    while True:
        if position + 12 > len(raw):
            raise PngFormatError("the file ends in the middle")
        length, kind = struct.unpack_from(">I4s", raw, position)
        end = position + 12 + length
        if end > len(raw):
            raise PngFormatError("the file ends in the middle")
        if not is_ancillary(kind) and not is_sound(raw, position, end):
            raise PngFormatError("a checksum is wrong")
        yield position, kind, length
        if kind == b"IEND":
            return
        position = end


def is_sound(raw: bytes, start: int, end: int) -> bool:
    """Tell whether the checksum of a chunk is right."""
    return zlib.crc32(memoryview(raw)[start + 4 : end - 4]) == int.from_bytes(
        raw[end - 4 : end], "big"
    )


def for_decoder(raw: bytes) -> bytes:
    """Return a file without the chunks that say nothing of the image, the others with checksums.

    Decoders that people look at images with do without an ancillary chunk where something is wrong
    with it.  Pillow gives up, over long texts too, and keeps in memory what it does not know.
    """
    view = memoryview(raw)
    pieces, position, whole = [view[: len(SIGNATURE)]], len(SIGNATURE), True
    try:
        for start, kind, length in chunks(raw):
            position = start + 12 + length
            if is_ancillary(kind) and not _is_read(raw, start, kind, length):
                whole = False
            elif is_ancillary(kind) and not is_sound(raw, start, position):
                pieces.append(memoryview(chunk(kind, raw[start + 8 : position - 4])))
                whole = False
            else:
                pieces.append(view[start:position])
    except PngFormatError:  # the decoder will say so
        pieces.append(view[position:])
    return raw if whole else b"".join(pieces)


def _is_read(raw: bytes, start: int, kind: bytes, length: int) -> bool:
    """Tell whether an ancillary chunk says anything of how the image is shown."""
    if kind == b"iTXt":
        return length <= _LONGEST and raw.startswith(_XMP, start + 8)
    if kind == b"iCCP":
        return not _is_long(raw[start + 8 : start + 8 + length])
    return kind in _READ


def _is_long(named: bytes) -> bool:
    """Tell whether compressed data behind a name and a byte of method is longer than `_LONGEST`."""
    compressed = named[named.find(b"\0") + 2 :]
    try:
        return len(zlib.decompressobj().decompress(compressed, _LONGEST + 1)) > _LONGEST
    except zlib.error:  # which the decoder passes over
        return False


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a type with its checksum."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
