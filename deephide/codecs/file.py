"""Any bytes to a payload and back: Zstandard with a bound on what comes out.

The name, the times and the rights of a file are not kept: only its bytes travel.
"""

from __future__ import annotations

import zstandard

__all__ = ["MAX_FILE_BYTES", "FileFormatError", "decode", "encode", "hopeless"]

MAX_FILE_BYTES = 1 << 26

_STORED, _ZSTD = 0, 1
_LEVEL = 19
_MAX_WINDOW = 1 << 23
_SMALL = 1 << 20  # so many bytes take no time
_MARGIN = 4
# A block takes 4 bytes or more and yields 128 KiB at most, so one step yields 8 MiB at most.
_STEP = 256


class FileFormatError(ValueError):
    """The payload is none that `encode` would have written."""


def encode(data: bytes) -> tuple[bytes, bytes]:
    """Compress bytes, or store them where compression does not help.

    Parameters
    ----------
    data : at most MAX_FILE_BYTES bytes

    Returns
    -------
    parameters : 8 bytes: method, LE32 of the size, three zero bytes
    payload : bytes

    Raises
    ------
    ValueError : too long

    Examples
    --------
    >>> decode(*encode(b"to be or not to be")) == b"to be or not to be"
    True
    """
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"data: got {len(data)} bytes, allowed 0..{MAX_FILE_BYTES}")
    settings = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=len(data),
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    packed = zstandard.ZstdCompressor(compression_params=settings).compress(data)
    method = _ZSTD if len(packed) < len(data) else _STORED
    parameters = bytes([method]) + len(data).to_bytes(4, "little") + bytes(3)
    return parameters, packed if method == _ZSTD else data


def hopeless(data: bytes, limit: int) -> bool:
    """Say in a small part of its time that `encode` will not pack `data` into `limit` bytes.

    Given up is what a quick setting, which looks back as far, packs into four times as many.
    """
    if len(data) <= max(_SMALL, _MARGIN * limit):
        return False
    settings = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=_MAX_WINDOW.bit_length() - 1, enable_ldm=True
    )
    packed = zstandard.ZstdCompressor(compression_params=settings).compress(data)
    return len(packed) > _MARGIN * limit


def decode(parameters: bytes, payload: bytes) -> bytes:
    """Invert `encode`; never yields more than the declared and allowed size.

    Parameters
    ----------
    parameters : 8 bytes
    payload : the rest

    Raises
    ------
    FileFormatError : unknown method, a size that is too large or not what comes out, more than
        one frame, or damaged bytes
    """
    method, size = parameters[0], int.from_bytes(parameters[1:5], "little")
    if method not in (_STORED, _ZSTD) or any(parameters[5:]) or len(parameters) != 8:
        raise FileFormatError("unknown method")
    if size > MAX_FILE_BYTES:
        raise FileFormatError("the declared size is too large")
    if method == _STORED:
        if len(payload) != size:
            raise FileFormatError("another size than declared")
        return payload
    data = _unpack(payload, size)
    if len(data) != size:
        raise FileFormatError("another size than declared")
    return data


def _unpack(payload: bytes, size: int) -> bytes:
    """Decompress one frame in small steps, and stop as soon as it yields more than `size`."""
    frame = zstandard.ZstdDecompressor(
        max_window_size=_MAX_WINDOW, format=zstandard.FORMAT_ZSTD1_MAGICLESS
    ).decompressobj()
    parts, found = [], 0
    try:
        for start in range(0, len(payload), _STEP):
            if frame.eof or found > size:
                raise FileFormatError("bytes are left over")
            parts.append(frame.decompress(payload[start : start + _STEP]))
            found += len(parts[-1])
    except zstandard.ZstdError as error:
        raise FileFormatError("the compressed bytes are damaged") from error
    if not frame.eof or frame.unused_data:
        raise FileFormatError("bytes are missing or left over")
    return b"".join(parts)
