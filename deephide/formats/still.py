"""WebP and AVIF files without what every file has in common, and back.

A still image's file begins with boxes that say little besides its size.  They are taken off by
the sender and built again by the receiver from the size that the payload states, so that damaged
or hostile bytes cannot make a decoder believe in another size.
"""

from __future__ import annotations

import struct

__all__ = ["AVIF", "WEBP", "WEBP_LOSSLESS", "BitstreamError", "build", "strip"]

WEBP, WEBP_LOSSLESS, AVIF = 1, 2, 3

_VP8_START = b"\x9d\x01\x2a"
_VP8L_SIGNATURE = 0x2F
_SEQUENCE, _FRAME = 0x0A, 0x32  # OBU headers with a size field: types 1 and 6
_TEMPORAL_DELIMITER = b"\x12\x00"
_MAX_SEQUENCE_BYTES = 32


class BitstreamError(ValueError):
    """Bytes that are no such bitstream, or not of the stated size."""


def strip(kind: int, file: bytes) -> bytes:
    """Return what is left of a WebP or AVIF file without its constant parts.

    Parameters
    ----------
    kind : WEBP, WEBP_LOSSLESS or AVIF
    file : as Pillow wrote it, one opaque image without metadata

    Raises
    ------
    BitstreamError : another structure than expected
    """
    if kind == AVIF:
        return _strip_avif(file)
    chunk = file[12:16]
    size = int.from_bytes(file[16:20], "little")
    data = file[20 : 20 + size]
    if kind == WEBP and chunk == b"VP8 " and data[3:6] == _VP8_START:
        return data[:3] + data[10:]
    if kind == WEBP_LOSSLESS and chunk == b"VP8L" and data[:1] == bytes([_VP8L_SIGNATURE]):
        return data[5:]
    raise BitstreamError(f"a WebP file with the chunk {chunk!r}")


def build(kind: int, width: int, height: int, data: bytes) -> bytes:
    """Return the file that `strip` was given.

    Parameters
    ----------
    kind : WEBP, WEBP_LOSSLESS or AVIF
    width, height : of the coded image, 1 to 16384
    data : what `strip` returned

    Raises
    ------
    BitstreamError : unknown kind, or an AV1 sequence header of another size or form
    """
    if kind == WEBP:
        size = struct.pack("<HH", width, height)
        return _riff(b"VP8 ", data[:3] + _VP8_START + size + data[3:])
    if kind == WEBP_LOSSLESS:
        size = ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
        return _riff(b"VP8L", bytes([_VP8L_SIGNATURE]) + size + data)
    if kind == AVIF:
        return _build_avif(width, height, data)
    raise BitstreamError(f"kind: got {kind}")


def _riff(chunk: bytes, data: bytes) -> bytes:
    padded = data + bytes(len(data) % 2)
    body = b"WEBP" + chunk + len(data).to_bytes(4, "little") + padded
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _strip_avif(file: bytes) -> bytes:
    start = file.find(b"mdat") + 4
    data = file[start:].removeprefix(_TEMPORAL_DELIMITER)
    if start < 4 or data[:1] != bytes([_SEQUENCE]):
        raise BitstreamError("an AVIF file without a leading sequence header")
    size = data[1]
    sequence, frame = data[2 : 2 + size], data[2 + size :]
    length, used = _read_leb128(frame[1:])
    if frame[:1] != bytes([_FRAME]) or len(frame) != 1 + used + length:
        raise BitstreamError("an AVIF file with more than one frame")
    return bytes([size]) + sequence + frame[1 + used :]


def _build_avif(width: int, height: int, data: bytes) -> bytes:
    size = data[0] if data else 0
    sequence, frame = data[1 : 1 + size], data[1 + size :]
    if not 1 <= size <= _MAX_SEQUENCE_BYTES or len(sequence) != size or not frame:
        raise BitstreamError("a sequence header of another length")
    if _sequence_size(sequence) != (width, height):
        raise BitstreamError("a sequence header of another size than stated")
    stream = (
        _TEMPORAL_DELIMITER
        + bytes([_SEQUENCE, size])
        + sequence
        + bytes([_FRAME])
        + _leb128(len(frame))
        + frame
    )
    return _avif_boxes(width, height, len(stream)) + stream


def _sequence_size(sequence: bytes) -> tuple[int, int]:
    """Return width and height of an AV1 sequence header (AV1 specification, 5.5.1).

    Only the reduced header of a still image is allowed: with it no frame can be larger.
    """
    bits = int.from_bytes(sequence.ljust(_MAX_SEQUENCE_BYTES, b"\0"), "big")
    left = 8 * _MAX_SEQUENCE_BYTES

    def take(count: int) -> int:
        nonlocal left
        left -= count
        return bits >> left & (1 << count) - 1

    take(3)  # profile
    if take(2) != 0b11:  # still_picture and reduced_still_picture_header
        raise BitstreamError("a sequence header that is not that of a still picture")
    take(5)  # level
    width_bits, height_bits = take(4) + 1, take(4) + 1
    return take(width_bits) + 1, take(height_bits) + 1


def _read_leb128(data: bytes) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[:8]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, index + 1
    raise BitstreamError("a length without an end")


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _box(name: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return (8 + len(data)).to_bytes(4, "big") + name + data


def _avif_boxes(width: int, height: int, size: int) -> bytes:
    """Return all boxes before the data: an 8-bit 4:2:0 image of sRGB colours, full range."""
    zero = bytes(4)  # version and flags of a full box
    properties = _box(
        b"ipco",
        _box(b"ispe", zero, struct.pack(">II", width, height)),
        _box(b"pixi", zero, b"\x03\x08\x08\x08"),
        _box(b"av1C", b"\x81\x00\x0c\x00"),
        _box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80)),
    )
    uses = _box(b"ipma", zero, struct.pack(">IHB4B", 1, 1, 4, 1, 2, 0x83, 4))
    first = _box(b"ftyp", b"avif", zero, b"avifmif1miafMA1B")
    handler = _box(b"hdlr", zero, zero, b"pict", bytes(13))
    entry = _box(b"infe", b"\x02\0\0\0", struct.pack(">HH", 1, 0), b"av01Color\0")

    def meta(offset: int) -> bytes:
        place = struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, size)
        return _box(
            b"meta",
            zero,
            handler,
            _box(b"pitm", zero, b"\0\x01"),
            _box(b"iloc", zero, place),
            _box(b"iinf", zero, b"\0\x01", entry),
            _box(b"iprp", properties, uses),
        )

    offset = len(first) + len(meta(0)) + 8
    return first + meta(offset) + (8 + size).to_bytes(4, "big") + b"mdat"
