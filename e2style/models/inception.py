"""Inception v3 as the Fréchet distance is defined on it (Heusel et al. 2017).

The network of 2015-12-05 that TensorFlow's FID uses, in the layout of its port to torch: averages
leave out the padding, and the last block pools by maximum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 299
FEATURES = 2048

# One layer: name, channels, kernel, stride. A step is one layer, or two side by side; a chain is a
# list of steps; a block is a list of chains beside a pooling.
Layer = tuple[str, int, tuple[int, int], int]
Chain = list[tuple[Layer, ...]]


def _layer(name: str, channels: int, kernel: tuple[int, int], stride: int = 1) -> tuple[Layer, ...]:
    return ((name, channels, kernel, stride),)


_1, _3, _5, _1x3, _3x1, _1x7, _7x1 = (1, 1), (3, 3), (5, 5), (1, 3), (3, 1), (1, 7), (7, 1)


def _block_a() -> list[Chain]:
    return [
        [_layer("branch1x1", 64, _1)],
        [_layer("branch5x5_1", 48, _1), _layer("branch5x5_2", 64, _5)],
        [
            _layer("branch3x3dbl_1", 64, _1),
            _layer("branch3x3dbl_2", 96, _3),
            _layer("branch3x3dbl_3", 96, _3),
        ],
    ]


def _block_b() -> list[Chain]:
    return [
        [_layer("branch3x3", 384, _3, 2)],
        [
            _layer("branch3x3dbl_1", 64, _1),
            _layer("branch3x3dbl_2", 96, _3),
            _layer("branch3x3dbl_3", 96, _3, 2),
        ],
    ]


def _block_c(width: int) -> list[Chain]:
    return [
        [_layer("branch1x1", 192, _1)],
        [
            _layer("branch7x7_1", width, _1),
            _layer("branch7x7_2", width, _1x7),
            _layer("branch7x7_3", 192, _7x1),
        ],
        [
            _layer("branch7x7dbl_1", width, _1),
            _layer("branch7x7dbl_2", width, _7x1),
            _layer("branch7x7dbl_3", width, _1x7),
            _layer("branch7x7dbl_4", width, _7x1),
            _layer("branch7x7dbl_5", 192, _1x7),
        ],
    ]


def _block_d() -> list[Chain]:
    return [
        [_layer("branch3x3_1", 192, _1), _layer("branch3x3_2", 320, _3, 2)],
        [
            _layer("branch7x7x3_1", 192, _1),
            _layer("branch7x7x3_2", 192, _1x7),
            _layer("branch7x7x3_3", 192, _7x1),
            _layer("branch7x7x3_4", 192, _3, 2),
        ],
    ]


def _block_e() -> list[Chain]:
    def apart(name: str) -> tuple[Layer, ...]:
        return (*_layer(f"{name}a", 384, _1x3), *_layer(f"{name}b", 384, _3x1))

    return [
        [_layer("branch1x1", 320, _1)],
        [_layer("branch3x3_1", 384, _1), apart("branch3x3_2")],
        [_layer("branch3x3dbl_1", 448, _1), _layer("branch3x3dbl_2", 384, _3),
         apart("branch3x3dbl_3")],
    ]  # fmt: skip


class _Conv(nn.Module):
    """Convolution, BN, ReLU; strided ones are not padded."""

    def __init__(
        self, n_in: int, n_out: int, kernel: tuple[int, int], stride: int = 1, *, pad: bool = True
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if pad and stride == 1 else (0, 0)
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(n_out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class _Block(nn.Module):
    """Chains of convolutions beside a pooling: "average" or "largest" with a 1x1, or "halve"."""

    def __init__(self, n_in: int, chains: list[Chain], pool: str, pooled: int = 0) -> None:
        super().__init__()
        self.chains = chains
        self.pool = pool
        self.width = pooled or n_in
        for chain in chains:
            width = n_in
            for step in chain:
                for name, channels, kernel, stride in step:
                    self.add_module(name, _Conv(width, channels, kernel, stride))
                width = sum(layer[1] for layer in step)
            self.width += width
        if pooled:
            self.branch_pool = _Conv(n_in, pooled, _1)

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for chain in self.chains:
            y = x
            for step in chain:
                y = torch.cat([self.get_submodule(layer[0])(y) for layer in step], 1)
            parts.append(y)
        if self.pool == "halve":
            parts.append(F.max_pool2d(x, 3, 2))
        elif self.pool == "largest":
            parts.append(self.branch_pool(F.max_pool2d(x, 3, 1, 1)))
        else:
            parts.append(self.branch_pool(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)))
        return torch.cat(parts, 1)


class Inception(nn.Module):
    """Images B 3 H W uint8 -> features B 2048."""

    num_features = FEATURES

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleDict(
            {
                "Conv2d_1a_3x3": _Conv(3, 32, _3, 2),
                "Conv2d_2a_3x3": _Conv(32, 32, _3, pad=False),
                "Conv2d_2b_3x3": _Conv(32, 64, _3),
                "Conv2d_3b_1x1": _Conv(64, 80, _1),
                "Conv2d_4a_3x3": _Conv(80, 192, _3, pad=False),
            }
        )
        self.blocks = nn.ModuleDict()
        width = 192
        for name, chains, pool, pooled in (
            ("5b", _block_a(), "average", 32),
            ("5c", _block_a(), "average", 64),
            ("5d", _block_a(), "average", 64),
            ("6a", _block_b(), "halve", 0),
            ("6b", _block_c(128), "average", 192),
            ("6c", _block_c(160), "average", 192),
            ("6d", _block_c(160), "average", 192),
            ("6e", _block_c(192), "average", 192),
            ("7a", _block_d(), "halve", 0),
            ("7b", _block_e(), "average", 192),
            ("7c", _block_e(), "largest", 192),
        ):
            block = _Block(width, chains, pool, pooled)
            self.blocks[f"Mixed_{name}"] = block
            width = block.width

    def forward(self, images: Tensor) -> Tensor:
        """B 3 H W uint8, RGB -> B 2048, float32."""
        x = (enlarge_as_tensorflow(images.float(), SIDE) - 128) / 128
        for name, layer in self.stem.items():
            x = layer(x)
            if name in {"Conv2d_2b_3x3", "Conv2d_4a_3x3"}:
                x = F.max_pool2d(x, 3, 2)
        for block in self.blocks.values():
            x = block(x)
        return x.mean((2, 3))


def enlarge_as_tensorflow(x: Tensor, side: int) -> Tensor:
    """Bilinear to side x side as TensorFlow 1 does it: sample k lies at k * size / side."""
    for axis in (2, 3):
        size = x.shape[axis]
        at = torch.arange(side, dtype=torch.float32, device=x.device) * (size / side)
        low = at.long()
        high = (low + 1).clamp(max=size - 1)
        shape = [-1 if k == axis else 1 for k in range(4)]
        part = (at - low).reshape(shape)
        x = x.index_select(axis, low).lerp(x.index_select(axis, high), part)
    return x
