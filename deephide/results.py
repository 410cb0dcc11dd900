"""What embedding and extraction return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["EmbedResult", "ExtractInfo", "ExtractResult"]


@dataclass(frozen=True, eq=False)
class EmbedResult:
    """A stego and what is worth knowing about it.

    `payload_bits` is everything that was hidden, container included; `alpha` is that per
    element; `change_rate` is the share of elements that changed; `psnr` compares stego and
    cover, `secret_psnr` the secret and `preview` (both at 64 x 64), in dB; `preview` is the
    picture that the receiver will see.
    """

    stego: Image.Image = field(repr=False)
    preview: Image.Image = field(repr=False)
    payload_bits: int
    elements: int
    changes: int
    distortion: float
    psnr: float
    secret_psnr: float
    codec: str
    model: str
    integers: NDArray[np.int32] = field(repr=False)
    warnings: tuple[str, ...] = ()

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
    model: str
    payload_bits: int


@dataclass(frozen=True, eq=False)
class ExtractResult:
    """The picture that was hidden, painted again, and what its container says."""

    image: Image.Image = field(repr=False)
    info: ExtractInfo
