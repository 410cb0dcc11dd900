"""File codec: any bytes and their name, compressed by Zstandard, with a bound on what comes out.

The times and the rights of a file are not kept: its bytes travel and, unless it is left out, its
name, which comes first and is compressed with them.
"""

from __future__ import annotations

import os
from pathlib import Path

import zstandard
from PIL import Image

from deephide.codecs.base import Content, Encoded, Request
from deephide.errors import CapacityError, ExtractionError, InputImageError
from deephide.formats.files import ImageSource, read_bytes
from deephide.formats.names import is_portable, portable
from deephide.models import LazyModel

__all__ = [
    "CODEC",
    "MAX_FILE_BYTES",
    "FileCodec",
    "FileFormatError",
    "compress",
    "decompress",
    "is_hopeless",
]

MAX_FILE_BYTES = 1 << 26

_STORED, _ZSTD = 0, 1
_LEVEL = 19
_MAX_WINDOW = 1 << 23
_SMALL = 1 << 20  # so many bytes take no time
_MARGIN = 4
# A block takes 4 bytes or more and yields 128 KiB at most, so one step yields 8 MiB at most.
_STEP = 256


class FileFormatError(ValueError):
    """The payload is none that `compress` would have written."""


def compress(data: bytes, name: str = "") -> tuple[bytes, bytes]:
    """Compress bytes, or store them where compression does not help.

    Parameters
    ----------
    data : with the name at most MAX_FILE_BYTES bytes
    name : of the file, portable; "" leaves it out

    Returns
    -------
    parameters : 8 bytes: method, LE32 of the size, bytes of the name, two zero bytes
    payload : bytes

    Raises
    ------
    ValueError : too long, or a name that is not portable

    Examples
    --------
    >>> decompress(*compress(b"to be or not to be", "hamlet.txt"))
    ('hamlet.txt', b'to be or not to be')
    """
    if name and not is_portable(name):
        raise ValueError(f"name: got {name!r}, which is not portable")
    named = name.encode()
    data = named + data
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
    parameters = bytes([method]) + len(data).to_bytes(4, "little") + bytes([len(named), 0, 0])
    return parameters, packed if method == _ZSTD else data


def is_hopeless(data: bytes, limit: int) -> bool:
    """Say in a small part of its time that `compress` will not pack `data` into `limit` bytes.

    Hopeless are bytes for which a quick setting, which looks back as far, needs four times as many.
    """
    if len(data) <= max(_SMALL, _MARGIN * limit):
        return False
    settings = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=_MAX_WINDOW.bit_length() - 1, enable_ldm=True
    )
    packed = zstandard.ZstdCompressor(compression_params=settings).compress(data)
    return len(packed) > _MARGIN * limit


def decompress(parameters: bytes, payload: bytes) -> tuple[str, bytes]:
    """Return name and bytes of a file; never yields more than the declared and allowed size.

    Parameters
    ----------
    parameters : 8 bytes
    payload : the rest

    Raises
    ------
    FileFormatError : unknown method, a size that is too large or not what comes out, more than
        one frame, damaged bytes, or a name that is not portable
    """
    method, size = parameters[0], int.from_bytes(parameters[1:5], "little")
    if method not in (_STORED, _ZSTD) or any(parameters[6:]) or len(parameters) != 8:
        raise FileFormatError("unknown method")
    named = parameters[5]
    if not named <= size <= MAX_FILE_BYTES:
        raise FileFormatError("the declared size is out of range")
    data = payload if method == _STORED else _unpack(payload, size)
    if len(data) != size:
        raise FileFormatError("another size than declared")
    try:
        name = data[:named].decode()
    except UnicodeDecodeError as error:
        raise FileFormatError("the name is no UTF-8 text") from error
    if name and not is_portable(name):
        raise FileFormatError("the name is not portable")
    return name, data[named:]


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


class FileCodec:
    """The bytes of a file and its name, compressed where that helps."""

    uses_model = False

    def encode(self, request: Request) -> Encoded:
        """Return the bytes of the secret, compressed or as they are."""
        name = _name_of(request)
        data = _read_bytes(request.secret, MAX_FILE_BYTES - len(name.encode()))
        limit = request.carrier.limit
        if is_hopeless(data, limit):
            raise CapacityError(
                f"the file of {len(data)} bytes is too long: at most {limit} bytes, "
                "compressed, go into this carrier",
                needed_bits=8 * (limit + 1),
                capacity_bits=8 * limit,
                hint="take a shorter file or a larger photo",
            )
        parameters, payload = compress(data, name)
        how = "compressed" if parameters[0] == _ZSTD else "stored"
        named = f" and the name {name}" if name else ""
        return Encoded(
            codec="file",
            parameters=parameters,
            payload=payload,
            reason=f"codec file: {len(data)} bytes{named}, {how} in {len(payload)}",
        )

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        """Return the bytes and the name of the file."""
        try:
            name, data = decompress(parameters, payload)
        except FileFormatError as error:
            raise ExtractionError from error
        return Content("file", data=data, name=name or None)


def _name_of(request: Request) -> str:
    """Return the name that travels: the one that was asked for, or that of the secret's path."""
    asked, secret = request.options.name, request.secret
    if asked is not None:
        return portable(asked)
    return portable(os.fspath(secret)) if isinstance(secret, str | os.PathLike) else ""


def _read_bytes(secret: ImageSource | bytes, most: int) -> bytes:
    if isinstance(secret, bytes):
        data = secret
    elif isinstance(secret, Image.Image):
        raise ValueError("secret: got an image, the file codec takes bytes or a path")
    else:
        data = read_bytes(Path(os.fspath(secret)), "secret", most)
    if len(data) > most:
        raise InputImageError(f"the secret has {len(data)} bytes, at most {most} are allowed")
    return data


CODEC = FileCodec()
