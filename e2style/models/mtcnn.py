"""The three networks of MTCNN (Zhang et al. 2016, Fig. 2): a cascade that finds faces.

Images are RGB, (x - 127.5) / 128. Tensor names are those of the weights that are around.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

LANDMARKS = 5  # left eye, right eye, nose, left and right corner of the mouth, as seen


def _pool(x: Tensor, side: int) -> Tensor:
    return F.max_pool2d(x, side, 2, ceil_mode=True)


def _flat(x: Tensor) -> Tensor:
    """B C H W -> B (W H C), the order that the dense layers were trained on."""
    return x.permute(0, 3, 2, 1).flatten(1)


class ProposalNetwork(nn.Module):
    """P-Net: a face score and a box for each window of 12 pixels, every 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """B 3 H W -> probability of a face B h w, corrections of the box B 4 h w."""
        x = _pool(self.prelu1(self.conv1(x)), 2)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(1)[:, 1], self.conv4_2(x)


class RefinementNetwork(nn.Module):
    """R-Net: judges windows of 24 pixels."""

    side = 24

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """B 3 24 24 -> probability of a face B, corrections of the box B 4."""
        x = _pool(self.prelu1(self.conv1(x)), 3)
        x = _pool(self.prelu2(self.conv2(x)), 3)
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_flat(x)))
        return self.dense5_1(x).softmax(1)[:, 1], self.dense5_2(x)


class OutputNetwork(nn.Module):
    """O-Net: judges windows of 48 pixels and says where eyes, nose and mouth are."""

    side = 48

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2 = nn.Linear(256, 2), nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 2 * LANDMARKS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """B 3 48 48 -> probability B, corrections of the box B 4, landmarks B 5 2 as (x, y).

        Landmarks are fractions of the window.
        """
        x = _pool(self.prelu1(self.conv1(x)), 3)
        x = _pool(self.prelu2(self.conv2(x)), 3)
        x = _pool(self.prelu3(self.conv3(x)), 2)
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_flat(x)))
        points = self.dense6_3(x).reshape(-1, 2, LANDMARKS).transpose(1, 2)
        return self.dense6_1(x).softmax(1)[:, 1], self.dense6_2(x), points


class Cascade(nn.Module):
    """The three networks together, as one file holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = ProposalNetwork(), RefinementNetwork(), OutputNetwork()
