"""Loaded model, as `e2style.load` returns it: a network, its quantizers and its card."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from e2style.card import DEFAULT_LIKENESS, Configured, ModelCard
from e2style.config import InversionConfig
from e2style.devices import exact
from e2style.errors import DataError
from e2style.models.inversion import InversionNetwork
from e2style.models.styled_base import StyledBaseGenerator
from e2style.quantizer import Quantizer

__all__ = ["DEFAULT_LIKENESS", "InversionModel", "ModelCard"]


class InversionModel(Configured):
    """A loaded model of the family.

    Attributes
    ----------
    config : InversionConfig
    card : ModelCard or None
    quantizer : Quantizer or None where none was fitted; of several, the usual one
    quantizers : all of them, from the fewest bits to the most
    quality : number of the usual one, from 1
    fingerprint : 32 bytes, SHA-256 of the generator and the quantizer
    accept_psnr : dB at 64 x 64; an image regenerated worse than this is no face to the model
    accept_bits : bits under the tables; an image whose code takes more is no face to the model
    accept_likeness : an image whose `likeness` is less is no face to the model
    accept_face : the model is one of faces: an image that none fills, as the detector says, is none
    device : where the network lives
    """

    def __init__(
        self,
        network: InversionNetwork,
        *,
        fingerprint: bytes,
        quantizers: Sequence[Quantizer] = (),
        quality: int = 1,
        card: ModelCard | None = None,
        accept_psnr: float = 0.0,
        accept_bits: float = math.inf,
        accept_likeness: float = DEFAULT_LIKENESS,
        accept_face: bool = False,
        device: str = "cpu",
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.config: InversionConfig = network.config
        self.fingerprint = fingerprint
        self.quantizers = tuple(quantizers)
        self.quality = quality
        self.quantizer = self.quantizers[quality - 1] if self.quantizers else None
        self.card = card
        self.accept_psnr = accept_psnr
        self.accept_bits = accept_bits
        self.accept_likeness = accept_likeness
        self.accept_face = accept_face
        self.device = torch.device(device)

    @property
    def batch_size(self) -> int:
        """Images to work on at a time where there are many: on a CPU one at 1024 x 1024."""
        pixels = 1 << (18 if self.device.type == "cpu" else 24)
        return max(1, min(16, pixels // self.output_size**2))

    @torch.inference_mode()
    def invert(self, images: Tensor, stages: int | None = None) -> Tensor:
        """Invert aligned images (paper, Sec. III).

        Parameters
        ----------
        images : B 3 S S float in [-1, 1], RGB, aligned like FFHQ; S is best
            `image_size`, scaled as `e2style.data.scaling` does
        stages : encoders used; None means all

        Returns
        -------
        B n 512 float32

        Raises
        ------
        DataError : another shape, or more stages than the model has
        """
        with _single_thread(self.device), exact(self.device):
            codes = self.network.invert(images.to(self.device, torch.float32), stages)
        rows = self.config.generator.sent_rows
        if self.quantizers and rows < self.n_codes:
            # Trained to be rounded away: not rounded they spoil the image by 3 dB.
            codes[:, rows:] = self.network.w_avg[rows:]
        return codes

    @torch.inference_mode()
    def synthesize(self, codes: Tensor) -> Tensor:
        """Images of codes: B n 512 -> B 3 R R, nominally [-1, 1], stored noise.

        Raises
        ------
        DataError : another shape
        """
        self._check(codes)
        with _single_thread(self.device), exact(self.device):
            return self.network.synthesize(codes.to(self.device, torch.float32))

    @torch.inference_mode()
    def with_styles(self, codes: Tensor) -> Tensor:
        """Codes of the same images, whose rows behind a base say what the base rows imply.

        `invert` leaves those rows at the mean; told, they can be mixed with those of another face,
        whose light and colours they bring. Codes of other models are returned as they are.

        Parameters
        ----------
        codes : B n 512

        Raises
        ------
        DataError : another shape
        """
        self._check(codes)
        generator = self.network.generator
        if not isinstance(generator, StyledBaseGenerator):
            return codes
        with _single_thread(self.device), exact(self.device):
            return generator.with_styles(codes.to(self.device, torch.float32))

    def _check(self, codes: Tensor) -> None:
        wanted = (self.n_codes, self.config.generator.style_dim)
        if codes.ndim != 3 or tuple(codes.shape[1:]) != wanted:
            raise DataError(f"codes: got shape {tuple(codes.shape)}, needs (B, {wanted[0]}, 512)")


@contextlib.contextmanager
def _single_thread(device: torch.device) -> Iterator[None]:
    """Keep the order of summation, and so the last bit, independent of the thread count.

    A coefficient that lies on the edge between two integers must not depend on how many
    cores the machine has. Batches go through `network` directly where speed counts more.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
