"""Choice among photos: those first in which a payload is hardest to detect.

A payload is hidden in thought in a sampled look at each photo (`covers.sampling`), and photos are
ranked by the deflection of the best detector there, after those that betray every stego.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deephide import output
from deephide.codecs import choice
from deephide.codecs.base import Request
from deephide.container import hiding, keys, layout
from deephide.covers.sampling import look
from deephide.errors import DeephideError, InputImageError
from deephide.formats.files import ImageSource, read_bytes
from deephide.models import LazyModel
from deephide.options import EmbedOptions

__all__ = ["Candidate", "candidate", "choose", "payload_bits", "photos_in", "ranked"]

SUFFIXES = (*output.PNG, *output.JPEG, *output.BMP, *output.TIFF, *output.WEBP)
MOST_PHOTOS = 10_000
_ALIKE = 0.98  # correlation of two outlines
_IMAGE_BYTES = 1000  # of an image whose size was left to the program


@dataclass(frozen=True, eq=False)
class Candidate:
    """A photo and what a payload would be in it.

    `detector_error` is that of the best detector of the noise model (0.5 is chance), `deflection`
    what photos are ranked by, `safe_bits` what the photo holds safely, all from a sample of it.
    `betrays` says that any stego of it is certain to be detected; `problem` why it is no carrier.
    """

    path: Path
    size: tuple[int, int] = (0, 0)
    deflection: float = float("inf")
    detector_error: float = 0.0
    safe_bits: int = 0
    warnings: tuple[str, ...] = ()
    betrays: bool = False
    problem: str | None = None
    outline: NDArray[np.float64] | None = field(default=None, repr=False)
    thumbnail: bytes = field(default=b"", repr=False)


class _Anywhere:
    """Room in a photo that is not chosen yet."""

    limit = 1 << 20

    def __init__(self, key: keys.Sealer) -> None:
        self._key = key

    def safe(self) -> int:
        return self.limit

    def for_image(self) -> int:
        return _IMAGE_BYTES

    def hidden_bytes(self, payload: int) -> int:
        return hiding.message_bits(layout.HEADER_BYTES + payload, self._key) // 8

    def payload_within(self, hidden: int) -> int:
        return max(0, hidden - self.hidden_bytes(0))


def payload_bits(secret: ImageSource | bytes, options: EmbedOptions) -> int:
    """Return the bits of everything that would be hidden of a secret in a photo with room for it.

    Parameters
    ----------
    secret, options : of the embedding

    Raises
    ------
    DeephideError : the secret cannot be encoded
    """
    model = LazyModel.of(options.model)
    if choice.uses_model(options.codec):
        model.load()
    room = _Anywhere(options.access().sealer(bytes(32)).at(bytes(16)))
    encoded = choice.encode(Request(secret, model, options, room))
    return 8 * room.hidden_bytes(len(encoded.payload))


def photos_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a folder whose names are those of photos, in order.

    Raises
    ------
    InputImageError : it is no folder, or there are none, or more than MOST_PHOTOS
    """
    if not Path(folder).is_dir():
        raise InputImageError(f"the folder of photos does not exist: {folder}")
    found = sorted(
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not 0 < len(found) <= MOST_PHOTOS:
        raise InputImageError(
            f"the folder {folder} holds {len(found)} photos, allowed: 1 to {MOST_PHOTOS}",
            hint="photos are PNG, JPEG, BMP, TIFF and WebP files; subfolders are not looked at",
        )
    return found


def candidate(path: Path, bits: int) -> Candidate:
    """Return what a payload of so many bits would be in a photo; never raises for the photo.

    Parameters
    ----------
    path : of the photo
    bits : everything that is hidden
    """
    try:
        seen = look(read_bytes(path, "carrier"))
    except DeephideError as error:
        return Candidate(path, problem=str(error))
    betrays = any(sign.betrays for sign in seen.signs)
    found, safe = seen.prospect.at(bits), seen.prospect.safe()
    warnings = tuple(sign.text for sign in seen.signs)
    # Of what does not fit, `at` says what the most that fits would be.
    if found.payload_bits < 0.9 * bits:
        return Candidate(path, seen.size, problem="the payload does not fit")
    return Candidate(
        path,
        seen.size,
        found.deflection,
        0.0 if betrays else found.detector_error,
        0 if betrays else int(safe.payload_bits),
        warnings,
        betrays,
        outline=seen.outline,
        thumbnail=seen.thumbnail,
    )


def choose(carrier: str, secret: ImageSource | bytes, options: EmbedOptions) -> tuple[Path, int]:
    """Return the best photo of a folder for a secret, and how many were looked at.

    Parameters
    ----------
    carrier : the folder
    secret, options : of the embedding

    Raises
    ------
    InputImageError : no photo of the folder holds the secret without betraying it
    """
    photos = photos_in(carrier)
    bits = payload_bits(secret, options)
    best = ranked([candidate(path, bits) for path in photos])[0]
    if best.problem is not None or best.betrays:
        why = best.problem or best.warnings[0]
        raise InputImageError(
            f"none of the {len(photos)} photos in {carrier} can carry it: {best.path.name}: {why}",
            hint="deephide pick says what is wrong with each",
        )
    return best.path, len(photos)


def ranked(
    found: Sequence[Candidate], key: Callable[[Candidate], float] | None = None
) -> list[Candidate]:
    """Return photos with the best first, those that betray and those that are none last.

    Photos of one scene are told so: stegos of both would give each other away.

    Parameters
    ----------
    found : what `candidate` returned
    key : what is to be small; None means the deflection
    """
    by = key or (lambda each: each.deflection)
    ordered = sorted(
        found, key=lambda each: (each.problem is not None, each.betrays, by(each), each.path)
    )
    out: list[Candidate] = []
    for each in ordered:
        twin = next((other for other in out if _alike(each, other)), None)
        if twin is None:
            out.append(each)
            continue
        note = f"shows the same scene as {twin.path.name}: use only one of them"
        out.append(replace(each, warnings=(*each.warnings, note)))
    return out


def _alike(one: Candidate, other: Candidate) -> bool:
    if one.outline is None or other.outline is None:
        return False
    return float(one.outline @ other.outline) > _ALIKE
