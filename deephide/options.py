"""Options of an embedding: one list, made once and passed on whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from deephide.container.key_files import KeySource, PathSource
from deephide.container.keys import Access
from deephide.models import ModelSource

if TYPE_CHECKING:
    from deephide.making import Making

__all__ = ["EmbedOptions", "FaceChoice", "Keywords"]

# "auto", "largest", a number counted from 1, or None for the central square.
FaceChoice: TypeAlias = "int | str | None"


class Keywords(TypedDict, total=False):
    """Options that `deephide.embed` and `deephide.embed_file` take by name alone."""

    key_file: KeySource
    recipients: Sequence[str]
    pad: bool
    budget: int | None
    rounding: str
    face: FaceChoice
    quality: int | None
    refine: int
    features: PathSource | None
    channel: str | None
    shrink: float | str | None
    quality_jpeg: int | None
    max_pixels: int | None
    name: str | None


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """Everything that can be chosen about an embedding besides what is hidden where.

    Parameters
    ----------
    passphrase : any text; if there is no key at all, it is derived from the model, so that anyone
        who has the model can extract
    key_file : path of a file of random bytes, or its content; needed besides the passphrase, if
        there is one, or instead of it
    recipients : public keys as `keygen` returns them, 1 to 16; excludes passphrase and key file
    model : name, path or loaded model; None means the default one
    cost : a cost function of `stc.costs`: "hill", "suniward", "wow" or "mipod" for samples,
        "juniward", "uerd" or "jmipod" for JPEG files; "auto" is the first of each
    codec : "latent" sends a face as the model's code, "image" any image as a small one, "file"
        any bytes, "paper" a face in nine bits per integer as the paper does; "auto" takes latent
        for a square image of a face that the model reconstructs closely, or more closely than a
        small image would, and whose code is safe in the carrier, else image
    pad : fill the payload up to a size class, so that its length says less
    budget : bytes that an image or a face may take, everything counted that is hidden: no more
        than 8 * budget is `EmbedResult.payload_bits` (besides a channel's error correction), or
        CapacityError is raised.  None means
        what is safe in this carrier, for an image within 200 to 4096 bytes besides the container,
        for a face the model's usual quality
    rounding : of the paper codec, "nearest", "floor" or "truncate"
    face : which face of the secret is cut out and hidden: "largest", or a number from 1, the
        largest first; None keeps the whole, of which the codecs latent and paper take the central
        square; "auto" looks for the largest in a secret that is not aligned already, which the
        codec "auto" takes where the picture is about it (see `deephide.codecs.faces`)
    quality : of a face's code, from 1 for the fewest bytes; None leaves it to the budget
    refine : steps of the gradient that improve a face's code before it is sent, through the
        generator and the recogniser in `features`; five bring most of the likeness, more of them
        structure.  Needs torch, and a few tenths of a second a step; 0 means none
    features : folder with a recogniser, `mobilefacenet.npz` or `model_ir_se50.pth`
    channel : what the stego is to survive: "any" for JPEG compression of quality 75 or better,
        "any:60", a known table such as "jpeg:80", or "whatsapp", "instagram", "facebook"; "strong"
        for resizing, cropping, WebP and AVIF too, which any detector finds; the program then makes
        the JPEG file itself. None means nothing: the carrier's file is kept
    shrink : make the photo smaller first, by a factor such as 0.75, or to so many pixels of the
        longer side as in "1600px"; the errors of rounding, which nobody else knows, say where
        changes are hard to detect.  A factor of 1 rounds a photo of 16 bits per sample.  With a
        channel, pixels of the longer side in place of the channel's own; strong mode has none.
        None means that the carrier's file is kept
    quality_jpeg : make a JPEG file of this quality, 50 to 100, of a photo that is none or that is
        made smaller; None means 95 where a JPEG file is made
    max_pixels : images of more are refused before they are decoded; None means 2**26, the most
    name : that a hidden file is to have; None means that of its path, "" none at all; what some
        system could not store, or take for a path, is replaced

    Raises
    ------
    ValueError : no such face, a budget below 1, steps without a recogniser, a cost that channels
        do not know, or a size or quality that cannot be made
    """

    passphrase: str | None = field(default=None, repr=False)
    key_file: KeySource = field(default=None, repr=False)
    recipients: Sequence[str] = ()
    model: ModelSource = None
    cost: str = "auto"
    codec: str = "auto"
    pad: bool = False
    budget: int | None = None
    rounding: str = "nearest"
    face: FaceChoice = "auto"
    quality: int | None = None
    refine: int = 0
    features: PathSource | None = None
    channel: str | None = None
    shrink: float | str | None = None
    quality_jpeg: int | None = None
    max_pixels: int | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        face = self.face
        if not (face in ("auto", "largest", None) or (type(face) is int and face >= 1)):
            raise ValueError(
                f"face: got {face!r}, allowed: 'auto', 'largest', a number from 1, or None"
            )
        if self.budget is not None and self.budget < 1:
            raise ValueError(f"budget: got {self.budget} bytes, at least 1 is needed")
        if self.refine < 0 or bool(self.refine) != (self.features is not None):
            raise ValueError(f"refine: got {self.refine} steps; they and features need one another")
        if self.channel is not None and self.cost not in ("auto", "juniward"):
            raise ValueError(f"cost: got {self.cost!r}, allowed for a channel: auto, juniward")
        if self.channel is None:
            _ = self.making
        elif self.quality_jpeg is not None:
            raise ValueError("channel: excludes quality_jpeg, because it says the quality itself")
        elif self.shrink is not None:
            from deephide.making import channel_side

            channel_side(self.channel, self.shrink)

    @cached_property
    def making(self) -> Making | None:
        """What is to be made of the carrier first; None where its file is kept, or for a channel.

        Raises
        ------
        ValueError : a size or quality that cannot be made
        """
        from deephide.making import Making

        if self.channel is not None:
            return None
        return Making.of(self.shrink, self.quality_jpeg)

    def access(self, random: Callable[[int], bytes] = os.urandom) -> Access:
        """Return who is to open the container."""
        return Access(self.passphrase, self.key_file, self.recipients, self.pad, random)
