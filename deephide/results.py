"""Results of embedding and extraction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.output import png_bytes

if TYPE_CHECKING:
    from deephide.making import Made

__all__ = ["ChannelReport", "EmbedResult", "ExtractInfo", "ExtractResult"]


@dataclass(frozen=True)
class ChannelReport:
    """What a stego for a channel survived, and what it took.

    `quality` is that of the tables which the program compressed with; `step` counts the rungs of
    the ladder from 1; samples keep `headroom` levels off black and white; of every codeword half of
    `parity` bytes may be wrong, and at worst `worst_mended` were.  `cover` is the JPEG file that
    the program made of the carrier, before anything was hidden.
    """

    name: str
    quality: int
    step: int
    headroom: int
    survived: tuple[str, ...]
    worst_mended: int
    parity: int
    cover: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, eq=False)
class EmbedResult:
    """A stego and what is worth knowing about it.

    `payload_bits` is everything that was hidden, container included; `alpha` is that per
    element; `change_rate` is the share of elements that changed; `psnr` compares stego and
    cover in dB; `preview` is the image that the receiver will see, None for a file.
    `secret_psnr` compares it with the secret (faces at 64 x 64, other images at the size shown).
    `reason` says which codec was taken and why, and `cut_out` that of the secret only a face that
    was cut out travels; `model` and `integers` are None without a model.
    `safe_bits` is what the cover holds safely, and `detector_error` how often the best detector
    would err on this payload, as `Capacity` has them.  `file` is the whole file of the stego, to be
    written as it is; `stego` shows what it looks like, and may be saved without loss instead where
    `element_name` is "samples".  Where it is "coefficients", the file is a JPEG file, and its image
    saved anew would hold nothing.  `encode` is what makes the file when it is first asked for.
    `made` is what the program made of the carrier before it hid something, None where the carrier's
    file was kept; psnr and changes then compare with what it made.
    `channel` is what the stego survives, None in the ordinary mode; for a channel, `payload_bits`
    counts error correction too, and `detector_error` is not known (NaN).
    """

    show: Callable[[], Image.Image] = field(repr=False)
    encode: Callable[[], bytes] = field(repr=False)
    preview: Image.Image | None = field(repr=False)
    payload_bits: int
    elements: int
    element_name: str
    changes: int
    distortion: float
    psnr: float
    secret_psnr: float | None
    codec: str
    reason: str
    model: str | None
    integers: NDArray[np.int32] | None = field(repr=False)
    safe_bits: int
    detector_error: float
    warnings: tuple[str, ...] = ()
    channel: ChannelReport | None = None
    made: Made | None = None
    cut_out: bool = False

    @cached_property
    def stego(self) -> Image.Image:
        """What the stego looks like."""
        return self.show()

    @cached_property
    def file(self) -> bytes:
        """The file of the stego: of the carrier's format, or a PNG file."""
        return self.encode()

    @property
    def alpha(self) -> float:
        """Bits per element."""
        return self.payload_bits / self.elements

    @property
    def change_rate(self) -> float:
        """Changed elements per element."""
        return self.changes / self.elements


@dataclass(frozen=True)
class ExtractInfo:
    """What the authenticated container says.

    `payload_bits` is everything that was hidden, container included, as in `EmbedResult`.
    """

    version: int
    codec: str
    model: str | None
    payload_bits: int


@dataclass(frozen=True, eq=False)
class ExtractResult:
    """What was hidden, and what its container says.

    `image` is the image, or None if a file was hidden; `data` are the bytes of the file, or None;
    `path` is where it was written, if it was.  `name` is the name that travelled with a file, if
    one did: the sender chose it, every system can store it, and it is no path.
    """

    image: Image.Image | None = field(repr=False)
    data: bytes | None = field(repr=False)
    info: ExtractInfo
    path: Path | None = None
    name: str | None = None

    @property
    def file(self) -> bytes:
        """What `extract_file` writes: the image as a PNG file, or the bytes of the file."""
        return png_bytes(self.image) if self.image is not None else self.data or b""

    @property
    def text(self) -> str | None:
        """The bytes of the file as text that is safe to show, or None if they are no such."""
        try:
            text = (self.data or b"").decode()
        except UnicodeDecodeError:
            return None
        shown = text.translate({ord(each): None for each in "\n\r\t"})
        return text if shown.isprintable() and shown else None

    @property
    def usual_name(self) -> str:
        """What `extract_file` calls it where nobody says otherwise."""
        if self.name is not None:
            return self.name
        if self.data is None:
            return "secret.png"
        return "secret.bin" if self.text is None else "secret.txt"
