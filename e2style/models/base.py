"""An image that is linear in the first rows of a code: where a generator may start from.

Principal components of aligned faces describe a face in very few bytes (Turk and Pentland 1991,
"Eigenfaces for Recognition"). A generator with such a base spends its layers on what a sum of
components cannot represent.

  codes[:, :rows] ──► even, odd ──► left half, C 16 8 ──► patches ──► mirror ──► B 3 128 128

Faces are as likely as their mirror images, so every component is either even or odd, and its left
half is all that is stored.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 8  # side of the square that one place of the feature map covers
# Weights are stored a hundred times as large as they act, so that the steps of Adam suit them.
WEIGHT_SCALE = 0.01
LEAST_NORM = 1e-10  # of a component that shows something


class LinearBase(nn.Module):
    """First rows of a code -> image, linearly, and its adjoint.

    Parameters
    ----------
    side : of the feature map; the image has `PATCH` times as much
    rows : of the code, 512 components each
    channels : of the feature map
    dim : length of one row
    metric : rank of what `project` weighs beyond `attention`, for the even and for the odd parts

    Attributes
    ----------
    odd : (rows * dim,) buffer, whether a component changes its sign in the mirror
    metric_even, metric_odd : (metric, channels * side * side // 2) buffers; an error e in the
        even or odd part counts as attention · e² + |metric e|²
    attention : (side, side // 2) buffer, weight of an error in the left half, for `project`
    """

    def __init__(self, side: int, rows: int, channels: int, dim: int, metric: int = 0) -> None:
        super().__init__()
        self.rows = rows
        self.picture_side = side * PATCH
        shape = (channels, side, side // 2)
        self.weight = nn.Parameter(torch.zeros(rows * dim, *shape))
        self.mean = nn.Parameter(torch.zeros(shape))
        self.patches = nn.Parameter(torch.zeros(channels, 3, PATCH, PATCH))
        self.odd: Tensor
        self.attention: Tensor
        self.register_buffer("odd", torch.zeros(rows * dim, dtype=torch.bool))
        self.register_buffer("attention", torch.ones(side, side // 2))
        self.metric_even: Tensor
        self.metric_odd: Tensor
        if metric:
            for name in ("metric_even", "metric_odd"):
                self.register_buffer(name, torch.zeros(metric, channels * side * (side // 2)))
        self.metric = metric
        self._derived: dict[str, Tensor] = {}

    def forward(self, codes: Tensor) -> Tensor:
        """Codes B n 512 -> B 3 S S, nominally [-1, 1]."""
        return self.image(self.halves(codes))

    def halves(self, codes: Tensor) -> Tensor:
        """Codes B n 512 -> features of left halves, then of mirrored right ones: 2B C s s/2."""
        values = codes[:, : self.rows].flatten(1)
        with torch.autocast(values.device.type, enabled=False):
            # Scaled are the few values, not the many weights.
            values = values * WEIGHT_SCALE
            both = torch.cat([values * ~self.odd, values * self.odd]) @ self.weight.flatten(1)
            even, odd = both.chunk(2)
            even = even + self.mean.flatten()
            return torch.cat([even + odd, even - odd]).reshape(-1, *self.mean.shape)

    def fields(self, side: int) -> Tensor:
        """What one unit of each component of the first row adds to the image: k 3 side side.

        Means over fields.
        """
        return self._kept(f"fields {side}", lambda: self._computed_fields(side))

    def _computed_fields(self, side: int) -> Tensor:
        count = len(self.weight) // self.rows
        halves = F.adaptive_avg_pool2d(self.weight[:count], (side, side // 2))
        left = torch.einsum("kcyx,cr->kryx", halves, self.patches.mean((2, 3))) * WEIGHT_SCALE
        right = torch.where(self.odd[:count, None, None, None], -left, left).flip(3)
        return torch.cat([left, right], 3)

    def image(self, halves: Tensor) -> Tensor:
        """Features of both halves, 2B C s s/2 -> B 3 S S."""
        with torch.autocast(halves.device.type, enabled=False):
            shown = F.conv_transpose2d(halves, self.patches, stride=PATCH)
        return whole(shown)

    def project(self, images: Tensor) -> Tensor:
        """Values of the components in images, B 3 S S -> B rows 512.

        Exact where the components are orthogonal under `attention` and the metric, as they are
        when fitted; an encoder that is trained along makes up for what training changes.
        """
        with torch.autocast(images.device.type, enabled=False):
            left, right = images.float().chunk(2, dim=3)
            features = F.conv2d(torch.cat([left, right.flip(3)]), self.patches, stride=PATCH)
            one, other = (features - self.mean).flatten(1).chunk(2)
            attention = self.attention.expand_as(self.mean).flatten()
            even, odd = self._weighted(one + other, one - other, attention)
            weight = self.weight.flatten(1)
            values = torch.where(self.odd, odd @ weight.t(), even @ weight.t()) * WEIGHT_SCALE
            norm = self.norms()
            # Spare components, of few faces, have norm zero and stay zero.
            values = torch.where(norm > LEAST_NORM, values / norm.clamp_min(LEAST_NORM), 0.0)
        return values.reshape(len(images), self.rows, -1)

    def norms(self) -> Tensor:
        """Squared length of each component under the metric."""
        return self._kept("norms", self._computed_norms)

    def _kept(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """What follows from the weights; kept while nothing is trained."""
        if self.weight.requires_grad:
            self.forget()
            return compute()
        found = self._derived.get(name)
        if found is None or found.device != self.weight.device:
            # A tensor of inference mode could not be used where gradients are asked for later.
            with torch.inference_mode(False):
                found = compute()
            self._derived[name] = found
        return found

    def forget(self) -> None:
        """Drop what was kept, once weights were changed in place."""
        self._derived.clear()

    def _computed_norms(self) -> Tensor:
        weight = self.weight.flatten(1) * WEIGHT_SCALE
        norm = weight.square() @ self.attention.expand_as(self.mean).flatten()
        if self.metric:
            even = (weight[~self.odd] @ self.metric_even.t()).square().sum(1)
            odd = (weight[self.odd] @ self.metric_odd.t()).square().sum(1)
            norm = norm.index_add(0, torch.nonzero(~self.odd).flatten(), even)
            norm = norm.index_add(0, torch.nonzero(self.odd).flatten(), odd)
        return 2 * norm

    def _weighted(self, even: Tensor, odd: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        """Even and odd parts, each N D, times the metric that errors in them are weighed by."""
        if not self.metric:
            return even * attention, odd * attention
        found = (
            part * attention + (part @ metric.t()) @ metric
            for part, metric in ((even, self.metric_even), (odd, self.metric_odd))
        )
        one, other = found
        return one, other


def whole(halves: Tensor) -> Tensor:
    """Left halves, then mirrored right halves, 2B C H W/2 -> B C H W."""
    left, right = halves.chunk(2)
    return torch.cat([left, right.flip(3)], dim=3)
