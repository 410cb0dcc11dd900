"""Steps of the gradient on a code before it is sent, through the frozen generator.

    code ─► rounded as it will be sent ─► G ─► errors, structure, identity ◄─ image
      └───► bits under the tables of the quality

Optimisation behind an encoder, as in Table I of the paper and in Abdal et al. 2019
("Image2StyleGAN"), with the cost of a code in it: the encoder finds the code of an image, and here
the integers are chosen that are worth their bits in this one. A receiver sees a code like others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from e2style.errors import ConfigError
from e2style.images import to_tensor
from e2style.losses.structure import StructureLoss
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import Quantizer

__all__ = ["refine"]

RATE = 0.05  # of Adam, in steps of the quantizer
IDENTITY = 0.3  # weight beside those of the squared error and of structure, which are 1
# What a bit may cost, at a step of 1: as errors of rounding, it grows with the square of the step.
BIT = 2.4e-5


def refine(
    network: InversionNetwork,
    quantizer: Quantizer,
    images: Sequence[Image.Image],
    codes: NDArray[np.float32],
    steps: int,
    identity: nn.Module,
) -> NDArray[np.float32]:
    """Codes whose integers show the images better for their bits.

    Parameters
    ----------
    network : in eval mode; not changed
    quantizer : by which the codes will be rounded
    images : N aligned faces, RGB; compared at the side of the generator
    codes : (N, n, 512), what the model inverts them to
    steps : of the gradient, at least 1; five bring most of the likeness, more of them structure
    identity : loss of (generated, target), B 3 S S each, a recogniser behind it

    Returns
    -------
    (N, n, 512)

    Raises
    ------
    ConfigError : fewer than one step
    """
    if steps < 1:
        raise ConfigError(f"steps: got {steps}, must be at least 1")
    refiner = _Refiner(network, quantizer, identity)
    pairs = zip(images, codes, strict=True)
    return np.stack([refiner(image, code, steps) for image, code in pairs])


class _Refiner:
    """What the codes of one quality have in common."""

    def __init__(
        self, network: InversionNetwork, quantizer: Quantizer, identity: nn.Module
    ) -> None:
        config, self.device = network.config.generator, network.w_avg.device
        self.network, self.quantizer, self.identity = network, quantizer, identity
        self.side = config.size
        # Rows behind a base are not sent.
        self.rows = config.base_rows if config.base_side else config.n_codes
        self.centre = self._tensor(quantizer.w_avg)[: self.rows]
        self.step = self._tensor(quantizer.step)[: self.rows]
        self.price = _Price(quantizer, self.rows, self.device)
        self.bit = BIT * float(quantizer.step[0, 0]) ** 2
        self.structure = StructureLoss()

    def __call__(
        self, image: Image.Image, code: NDArray[np.float32], steps: int
    ) -> NDArray[np.float32]:
        rows, step = self.rows, self.step
        target = to_tensor([image], self.side).to(self.device)
        values = ((self._tensor(code)[:rows] - self.centre) / step).requires_grad_()
        rest = self._tensor(_sent(self.quantizer, code))[rows:]
        optimizer = torch.optim.Adam([values], lr=RATE, betas=(0.9, 0.99))

        def now() -> NDArray[np.float32]:
            changed = code.copy()
            changed[:rows] = (self.centre + values.detach() * step).cpu().numpy()
            return changed

        for _ in range(steps):
            sent = self._tensor(_sent(self.quantizer, now()))[:rows]
            # The gradient passes through the rounding as if there were none.
            through = sent + (values - values.detach()) * step
            shown = self.network.synthesize(torch.cat([through, rest])[None])
            loss = F.mse_loss(shown, target) + self.structure(shown, target)
            loss = loss + IDENTITY * self.identity(shown, target) + self.bit * self.price(values)
            (values.grad,) = torch.autograd.grad(loss, values)
            optimizer.step()
        return now()

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.tensor(array, device=self.device)


def _sent(quantizer: Quantizer, code: NDArray[np.float32]) -> NDArray[np.float32]:
    """Code (n, 512) as the receiver will have it."""
    sent: NDArray[np.float32] = quantizer.dequantise(quantizer.quantise(code[None]))[0]
    return sent


class _Price:
    """Bits of values, in steps, under the tables of a quantizer, straight between the integers."""

    def __init__(self, quantizer: Quantizer, rows: int, device: torch.device) -> None:
        self.lengths = torch.tensor(quantizer.lengths(), dtype=torch.float32, device=device)
        self.tables = torch.tensor(quantizer.table_index[:rows].astype(np.int64), device=device)
        self.radius = quantizer.radius

    def __call__(self, values: Tensor) -> Tensor:
        """(rows, 512) -> scalar."""
        cut = values.clamp(-self.radius, self.radius)
        below = cut.detach().floor().clamp(-self.radius, self.radius - 1)
        at = below.long() + self.radius
        low, high = self.lengths[self.tables, at], self.lengths[self.tables, at + 1]
        return (low + (high - low) * (cut - below)).sum()
