"""Capacity of a cover: a hard limit, a safe amount, and what fits in that."""

from __future__ import annotations

from dataclasses import dataclass

from deephide.codecs.image import typical_psnr, typical_side
from deephide.container import layout
from deephide.covers.base import Cover
from deephide.covers.detectability import Estimate
from deephide.models import CodeSizes

__all__ = ["Capacity", "Fit", "fit_in", "measure_capacity"]


@dataclass(frozen=True)
class Fit:
    """What the safe amount is worth to the codecs.

    `latent_bytes` is the mean of what hidden faces take, `latent_most` the most that counts as
    a face's, container included; None where that is not known of the model.  `latent` says for
    which part of all faces the code fits: "all" (19 of 20 at least), "most" (those that take no
    more than the mean), "none" (fewer) or "unknown".  An image of `image_side` pixels fits, which
    scaled up looks like a photo at `image_psnr` dB (an average of photos; both 0 if none fits).
    `file_bytes` are those of a compressed file, for which the container is taken off.
    """

    latent: str
    latent_bytes: int | None
    latent_most: int | None
    image_side: int
    image_psnr: float
    file_bytes: int


@dataclass(frozen=True)
class Capacity:
    """What a cover can take, in bits and bytes of everything that is hidden.

    The container counts, so both compare with `EmbedResult.payload_bits` and with the numbers of
    a `CapacityError`; the smallest container takes 8 * 54 bits.

    `hard` is the most that the format and the elements that may change allow; such a stego is
    easy to detect.  `safe` is what the optimal use of the cover's own costs hides at
    `safe_change_rate` changes per element, where the best detector of the field's noise model errs
    in `detector_error` of the cases (0.5 is chance, see `deephide.covers.detectability`).  It is an
    estimate and not a promise; more cautious is always better.  It is 0 where a trace in the cover
    makes any stego certain to be detected, and one of the warnings then says which.  In a JPEG file
    elements are coefficients, and `safe_change_rate` is per AC coefficient other than zero.
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


def measure_capacity(cover: Cover, cost: str, sizes: CodeSizes) -> Capacity:
    """Return the capacity of a cover.

    Parameters
    ----------
    cover : what `open_cover` returned
    cost : a cost function, or "auto"; those of "mipod" and "jmipod" are for one bit per
        hundred elements
    sizes : what codes of faces take

    Returns
    -------
    Capacity
    """
    guess = max(1, cover.elements.size // 100)
    found = cover.changeable(cost, guess)
    hard = found.limit_bits(cover.elements.size)
    betrays = any(sign.betrays for sign in cover.signs)
    safe = Estimate(0.0, 0.0, 0.0) if betrays else cover.prospect(cost, guess).safe()
    safe_bits = min(int(safe.payload_bits), hard)
    return Capacity(
        elements=cover.elements.size,
        dry_elements=found.dry,
        safe_bits=safe_bits,
        hard_bits=hard,
        safe_change_rate=safe.change_rate,
        detector_error=safe.detector_error,
        fit=fit_in(safe_bits // 8 - layout.OVERHEAD_BYTES, sizes),
        warnings=tuple(sign.text for sign in cover.signs),
    )


def fit_in(room: int, sizes: CodeSizes) -> Fit:
    """Return what so many bytes of payload are worth to the codecs."""
    room = max(room, 0)
    return Fit(
        latent=_share(room, sizes),
        latent_bytes=_with_container(sizes.usual),
        latent_most=_with_container(sizes.most),
        image_side=typical_side(room),
        image_psnr=typical_psnr(room),
        file_bytes=room,
    )


def _with_container(payload: int | None) -> int | None:
    return None if payload is None else payload + layout.OVERHEAD_BYTES


def _share(room: int, sizes: CodeSizes) -> str:
    """Say for which part of all faces there is room."""
    if any(size is not None and size <= room for size in (sizes.nearly_all, sizes.most)):
        return "all"
    if sizes.usual is None:
        return "unknown"
    return "most" if sizes.usual <= room else "none"
