"""Previews of a secret: what the receiver would see, for each number of bytes, before hiding."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import inference, models
from deephide.codecs import choice, faces, latent
from deephide.codecs.base import Request
from deephide.codecs.image import squeeze
from deephide.container import layout
from deephide.covers.room import MAX_DEFAULT_BUDGET, MIN_DEFAULT_BUDGET
from deephide.errors import CapacityError
from deephide.formats.images import load_image
from deephide.models import LazyModel, ModelSource
from deephide.options import EmbedOptions

__all__ = ["BUDGETS", "Preview", "Previewer"]

# Bytes of a small image, container included, at each step.
BUDGETS = (200, 300, 450, 700, 1000, 1500, 2200, 3200, MAX_DEFAULT_BUDGET)


@dataclass(frozen=True, eq=False)
class Preview:
    """A secret as the receiver would see it, at one of several steps.

    `codec` is "latent" or "image"; `reason` says why, as `EmbedResult.reason` does.  `sizes` are
    the bytes that each step takes, container included (those of an image are what it may take);
    `step` is the one that is shown, counted from 1; `takes` are its bytes.
    """

    codec: str
    reason: str
    image: Image.Image = field(repr=False)
    sizes: tuple[int, ...]
    step: int
    takes: int

    @property
    def options(self) -> dict[str, int | str | None]:
        """What `deephide.embed` is to be given so that it sends just this."""
        if self.codec == "latent":
            return {"codec": "latent", "quality": self.step}
        return {"codec": "image", "budget": self.sizes[self.step - 1]}


@dataclass(frozen=True)
class _Room:
    """Room in a carrier of which only is known what it holds safely, container included."""

    safe_bytes: int

    @property
    def limit(self) -> int:
        return MAX_DEFAULT_BUDGET

    def safe(self) -> int:
        return self.payload_within(self.safe_bytes)

    def for_image(self) -> int:
        most = min(max(self.safe_bytes, MIN_DEFAULT_BUDGET), MAX_DEFAULT_BUDGET)
        return self.payload_within(most)

    def hidden_bytes(self, payload: int) -> int:
        return payload + layout.OVERHEAD_BYTES

    def payload_within(self, hidden: int) -> int:
        return max(0, hidden - layout.OVERHEAD_BYTES)


@dataclass(frozen=True, eq=False)
class _Known:
    """What was found out about one secret: the codec, and the code of a face."""

    codec: str
    reason: str
    code: NDArray[np.float32] | None


class Previewer:
    """Shows a secret at any step; the code of the last one is kept, so that the next step is quick.

    Parameters
    ----------
    model : as for `deephide.embed`
    """

    def __init__(self, model: ModelSource = None) -> None:
        self._model = LazyModel.of(model)
        self._last: tuple[tuple[bytes, str, int], _Known] | None = None

    def show(self, secret: bytes, codec: str, safe_bytes: int, step: int | None = None) -> Preview:
        """Return what the receiver would see.

        Parameters
        ----------
        secret : the file of an image; all of it travels, of a face the central square
        codec : "auto", "latent" or "image"
        safe_bytes : what the carrier holds safely, container included
        step : from 1; None takes what `deephide.embed` would take

        Raises
        ------
        CapacityError : no image is so small
        InputImageError, CheckpointError : as `deephide.embed`
        """
        room = _Room(safe_bytes)
        known = self._known(secret, codec, room)
        if known.code is not None:
            return self._face(known, known.code, step)
        return _image(known, secret, room, step)

    def _known(self, secret: bytes, codec: str, room: _Room) -> _Known:
        given = (secret, codec, room.safe_bytes)
        if self._last is None or self._last[0] != given:
            self._last = (given, self._find_out(secret, codec, room))
        return self._last[1]

    def _find_out(self, secret: bytes, codec: str, room: _Room) -> _Known:
        if codec == "image":
            return _Known("image", "codec image", None)
        options = EmbedOptions(codec=codec, face=None)
        request = Request(secret, self._model, options, room)
        if codec == "latent":
            found = latent.CODEC.code(request, None)
            return _Known("latent", found.encoded.reason, found.code)
        encoded = choice.encode(request)
        if encoded.codec != "latent":
            return _Known(encoded.codec, encoded.reason, None)
        square = faces.load_square(secret)
        return _Known("latent", encoded.reason, inference.invert(self._model.load(), square))

    def _face(self, known: _Known, code: NDArray[np.float32], step: int | None) -> Preview:
        model = self._model.load()
        coded = [
            latent.fit_quality(model, code, wanted=quality, ceiling=None, most=None)
            for quality in range(1, len(model.quantizers) + 1)
        ]
        sizes = tuple(len(payload) + layout.OVERHEAD_BYTES for _, _, payload in coded)
        chosen = min(max(step or model.quality, 1), len(sizes))
        quality, integers, _ = coded[chosen - 1]
        image = inference.generate(model, models.dequantise(model, integers, quality))
        return Preview("latent", known.reason, image, sizes, chosen, sizes[chosen - 1])


def _image(known: _Known, secret: bytes, room: _Room, step: int | None) -> Preview:
    usual = bisect_right(BUDGETS, room.for_image() + layout.OVERHEAD_BYTES)
    chosen = min(max(step or usual, 1), len(BUDGETS))
    image = load_image(secret)
    for number in range(chosen, len(BUDGETS) + 1):
        found = squeeze(image, room.payload_within(BUDGETS[number - 1]))
        if found is not None:
            takes = room.hidden_bytes(len(found.payload))
            return Preview("image", known.reason, found.preview, BUDGETS, number, takes)
    raise CapacityError(
        f"no image fits in {BUDGETS[-1]} bytes, container included, however small",
        needed_bits=8 * (BUDGETS[-1] + 1),
        capacity_bits=8 * BUDGETS[-1],
        hint="choose another picture",
    )
