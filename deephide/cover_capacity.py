"""How much a cover can take: a hard limit, a safe amount, and what fits in that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deephide import container
from deephide.detectability import Prospect, survey
from deephide.hiding import limit_bits
from deephide.image_codec import typical_psnr, typical_side
from deephide.image_io import Cover

__all__ = ["Capacity", "Fit", "measure_capacity"]


@dataclass(frozen=True)
class Fit:
    """What the safe amount is worth to the codecs, keys and framing taken off.

    `latent_bytes` is what nearly every face's code takes, or None where the model does not say;
    `latent` says whether that fits.  A picture of `image_side` pixels fits, which scaled up looks
    like a photo at `image_psnr` dB (an average of photos; both 0 if none fits).  `file_bytes` are
    those of a compressed file.
    """

    latent: bool
    latent_bytes: int | None
    image_side: int
    image_psnr: float
    file_bytes: int


@dataclass(frozen=True)
class Capacity:
    """What a cover can take, in bits and bytes of everything that is hidden.

    The container counts, so both compare with `EmbedResult.payload_bits` and with the numbers of
    a `CapacityError`; the smallest container takes 8 * 46 bits.

    `hard` is the most that the format and the elements that may change allow; such a stego is
    easy to detect.  `safe` is what the optimal use of the cover's own costs hides at
    `safe_change_rate` changes per element, where the best detector of the field's noise model errs
    in `detector_error` of the cases (0.5 is chance, see `deephide.detectability`).  It is an
    estimate and not a promise; more cautious is always better.
    """

    elements: int
    dry_elements: int
    safe_bits: int
    hard_bits: int
    safe_change_rate: float
    detector_error: float
    fit: Fit
    warnings: tuple[str, ...] = ()

    @property
    def safe_bytes(self) -> int:
        """`safe_bits` in whole bytes."""
        return self.safe_bits // 8

    @property
    def hard_bytes(self) -> int:
        """`hard_bits` in whole bytes."""
        return self.hard_bits // 8


def measure_capacity(
    cover: Cover,
    cost_p1: NDArray[np.float64],
    cost_m1: NDArray[np.float64],
    warnings: tuple[str, ...] = (),
    latent_bits: float = math.inf,
    prospect: Prospect | None = None,
) -> Capacity:
    """Return the capacity of a cover with the given prices.

    Parameters
    ----------
    cover : what `image_io.load_cover` returned
    cost_p1, cost_m1 : (n,) float64, inf marks a change that may not happen
    warnings : passed on
    latent_bits : longest code that counts as a face's
    prospect : what `survey` said, if it was asked before

    Returns
    -------
    Capacity
    """
    hard = limit_bits(cover.samples.reshape(-1), cost_p1, cost_m1)
    safe = (prospect or survey(cover, cost_p1, cost_m1)).safe()
    safe_bits = min(int(safe.payload_bits), hard)
    dry = int(np.count_nonzero(np.isfinite(cost_p1) | np.isfinite(cost_m1)))
    return Capacity(
        elements=cost_p1.size,
        dry_elements=dry,
        safe_bits=safe_bits,
        hard_bits=hard,
        safe_change_rate=safe.change_rate,
        detector_error=safe.detector_error,
        fit=_fit(safe_bits // 8 - container.OVERHEAD_BYTES, latent_bits),
        warnings=warnings,
    )


def _fit(room: int, latent_bits: float) -> Fit:
    room = max(room, 0)
    known = math.isfinite(latent_bits)
    latent = math.ceil(latent_bits / 8) if known else None
    return Fit(
        latent=latent is not None and latent <= room,
        latent_bytes=latent,
        image_side=typical_side(room),
        image_psnr=typical_psnr(room),
        file_bytes=room,
    )
