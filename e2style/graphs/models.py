"""Loaded model that runs its graphs, without torch: arrays in, arrays out.

Graphs of a model file, by name:

- `invert.1`: images (B, 3, S, S), S as the config says -> codes (B, n, 512) of the first stage;
- `invert.2` and so on: the same images and the codes of the stage before -> codes;
- `generate`: codes (B, n, 512) -> images (B, 3, R, R).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from e2style.card import Configured, ModelCard
from e2style.config import InversionConfig
from e2style.errors import DataError
from e2style.graphs.sessions import Networks
from e2style.quantizer import Quantizer

__all__ = ["GENERATE", "GraphModel", "invert_name"]

Floats = NDArray[np.float32]

GENERATE = "generate"


def invert_name(step: int) -> str:
    """Name of the graph of an inversion's step, from 1."""
    return f"invert.{step}"


@dataclasses.dataclass(frozen=True, eq=False)
class GraphModel(Configured):
    """A model of the family; attributes as in `e2style.InversionModel`.

    Attributes
    ----------
    networks : its graphs
    w_avg : (n, 512), the mean code
    parameters : how many weights generator and encoders have
    """

    networks: Networks
    config: InversionConfig
    fingerprint: bytes
    w_avg: Floats
    quantizers: tuple[Quantizer, ...]
    quality: int
    card: ModelCard | None
    accept_psnr: float
    accept_bits: float
    accept_likeness: float
    accept_face: bool
    parameters: dict[str, int]

    @property
    def quantizer(self) -> Quantizer | None:
        """The usual one, or None where none was fitted."""
        return self.quantizers[self.quality - 1] if self.quantizers else None

    def invert(self, images: Floats, stages: int | None = None) -> Floats:
        """Invert aligned images.

        Parameters
        ----------
        images : (B, 3, S, S) in [-1, 1], RGB, aligned like FFHQ; S is `image_size`
        stages : encoders used; None means all

        Returns
        -------
        (B, n, 512)

        Raises
        ------
        DataError : another shape, or more stages than the model has
        """
        channels, side = self.config.encoder.in_channels, self.image_size
        if images.ndim != 4 or images.shape[1:] != (channels, side, side):
            raise DataError(
                f"images: got shape {images.shape}, needs (B, {channels}, {side}, {side})"
            )
        # A base alone finds the code in one step as well, that of no encoder.
        steps = max(self.config.steps, 1) if stages is None else stages
        if stages is not None and not 1 <= stages <= self.config.steps:
            raise DataError(f"stages: got {stages}, allowed 1 to {self.config.steps}")
        codes = self.networks.run(invert_name(1), images)[0]
        for step in range(2, steps + 1):
            # A network that refines its own codes again and again has one graph for it.
            name = invert_name(2 if self.config.iterations else step)
            codes = self.networks.run(name, images, codes)[0]
        codes = self._checked(codes, len(images), (self.n_codes, self.config.generator.style_dim))
        rows = self.config.generator.sent_rows
        if self.quantizers and rows < self.n_codes:
            codes[:, rows:] = self.w_avg[rows:]  # as `InversionModel.invert` does
        return codes

    def synthesize(self, codes: Floats) -> Floats:
        """Images of codes: (B, n, 512) -> (B, 3, R, R), nominally [-1, 1], stored noise.

        Raises
        ------
        DataError : another shape
        """
        wanted = (self.n_codes, self.config.generator.style_dim)
        if codes.ndim != 3 or codes.shape[1:] != wanted:
            raise DataError(f"codes: got shape {codes.shape}, needs (B, {wanted[0]}, 512)")
        found = self.networks.run(GENERATE, codes)[0]
        return self._checked(found, len(codes), (3, self.output_size, self.output_size))

    @staticmethod
    def _checked(found: Floats, batch: int, shape: tuple[int, ...]) -> Floats:
        if found.shape != (batch, *shape) or found.dtype != np.float32:
            raise DataError(f"the model's graph gives shape {found.shape}, not {(batch, *shape)}")
        return found
