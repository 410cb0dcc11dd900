"""An image that is linear in the first rows of a code: where a generator may start from.

Principal components of aligned faces describe a face in very few bytes (Turk and Pentland 1991,
"Eigenfaces for Recognition"). A generator with such a base spends its layers on what a sum of
components cannot represent.

  codes[:, :rows] ──► even, odd ──► left half, C 16 8 ──► patches ──► mirror ──► B 3 128 128

Faces are as likely as their mirror images, so every component is either even or odd, and its left
half is all that is stored.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 8  # side of the square that one place of the feature map covers
# Weights are stored a hundred times as large as they act, so that the steps of Adam suit them.
WEIGHT_SCALE = 0.01


class LinearBase(nn.Module):
    """First rows of a code -> image, linearly, and its adjoint.

    Parameters
    ----------
    side : of the feature map; the image has `PATCH` times as much
    rows : of the code, 512 components each
    channels : of the feature map
    dim : length of one row

    Attributes
    ----------
    odd : (rows * dim,) buffer, whether a component changes its sign in the mirror
    attention : (side, side // 2) buffer, weight of an error in the left half, for `project`
    """

    def __init__(self, side: int, rows: int, channels: int, dim: int) -> None:
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

    def forward(self, codes: Tensor) -> Tensor:
        """Codes B n 512 -> B 3 S S, nominally [-1, 1]."""
        values = codes[:, : self.rows].flatten(1)
        with torch.autocast(values.device.type, enabled=False):
            weight = self.weight.flatten(1) * WEIGHT_SCALE
            even = (values * ~self.odd) @ weight + self.mean.flatten()
            odd = (values * self.odd) @ weight
            halves = torch.cat([even + odd, even - odd]).reshape(-1, *self.mean.shape)
            halves_of_image = F.conv_transpose2d(halves, self.patches, stride=PATCH)
        left, right = halves_of_image.chunk(2)
        return torch.cat([left, right.flip(3)], dim=3)

    def project(self, images: Tensor) -> Tensor:
        """Values of the components in images, B 3 S S -> B rows 512.

        Exact where the components are orthogonal under `attention`, as they are when fitted; an
        encoder that is trained along makes up for what training changes.
        """
        with torch.autocast(images.device.type, enabled=False):
            left, right = images.float().chunk(2, dim=3)
            features = F.conv2d(torch.cat([left, right.flip(3)]), self.patches, stride=PATCH)
            one, other = (features - self.mean).mul(self.attention).flatten(1).chunk(2)
            weight = self.weight.flatten(1) * WEIGHT_SCALE
            even, odd = (one + other) @ weight.t(), (one - other) @ weight.t()
            norm = 2 * (weight.square() @ self.attention.expand_as(self.mean).flatten())
            values = torch.where(self.odd, odd, even) / norm.clamp_min(1e-12)
        return values.reshape(len(images), self.rows, -1)
