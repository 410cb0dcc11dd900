"""Architectures of the networks that judge: SRNet and Yedroudj-Net.

Both take luma as it is, B 1 H W in 0..255, of any size from 32, and return B 2: evidence for a
cover and for a stego.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephide.lab.features import SQUARE_3, SQUARE_5

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "build", "high_pass_bank", "parameters"]

_BANK_SIDE = 5
# The eight neighbours of a sample, from the right and anticlockwise.
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
# Weights of a directed residual, by how many steps away the sample lies.
_FIRST = {0: -1, 1: 1}
_SECOND = {-1: 1, 0: -2, 1: 1}
_THIRD = {-1: 1, 0: -3, 1: 3, 2: -1}


def high_pass_bank() -> NDArray[np.float32]:
    """Return the thirty linear residuals of the rich model, none divided by its order.

    Fridrich and Kodovský 2012, Fig. 2: eight of the first order, four of the second, eight of the
    third, the 3 x 3 and the 5 x 5 kernel, and four halves of each ("edge").

    Returns
    -------
    kernels : (30, 1, 5, 5) float32, each with sum 0
    """
    found = [
        _directed(weights, step)
        for weights, steps in ((_FIRST, _AROUND), (_SECOND, _AROUND[:4]), (_THIRD, _AROUND))
        for step in steps
    ]
    for square in (SQUARE_3, SQUARE_5):
        whole = np.array(square, np.float32)
        half = whole.copy()
        half[len(whole) // 2 + 1 :] = 0
        margin = (_BANK_SIDE - len(whole)) // 2
        found += [np.pad(each, margin) for each in (whole, *(np.rot90(half, k) for k in range(4)))]
    return np.stack(found)[:, None].astype(np.float32)


def _directed(weights: dict[int, int], step: tuple[int, int]) -> NDArray[np.float32]:
    kernel = np.zeros((_BANK_SIDE, _BANK_SIDE), np.float32)
    for away, weight in weights.items():
        kernel[2 + away * step[0], 2 + away * step[1]] = weight
    return kernel


@functools.cache
def _parts() -> tuple[Any, Any]:
    """Return the two layers that torch lacks: the sum of branches, and the magnitude."""
    from torch import Tensor, nn

    class Sum(nn.Module):
        def __init__(self, *branches: nn.Module) -> None:
            super().__init__()
            self.branches = nn.ModuleList(branches)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = sum((branch(x) for branch in self.branches), start=x.new_zeros(()))
            return found

    class Magnitude(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.abs()

    return Sum, Magnitude


def srnet() -> nn.Module:
    """SRNet of Boroumand, Chen and Fridrich (IEEE TIFS 14(5), 2019), for one channel.

    ::

        1-2    conv-BN-ReLU                                64, 16
        3-7    x + conv-BN-ReLU-conv-BN                    16
        8-11   conv(1)/2-BN + conv-BN-ReLU-conv-BN-pool/2  16, 64, 128, 256
        12     conv-BN-ReLU-conv-BN-mean                   512
               linear                                      2

    Convolutions are 3 x 3 without biases, which batch normalisation would take out again; pools
    average 3 x 3 samples.  Layers 1 to 7 do not pool, since that would average the stego noise.
    """
    from torch import nn

    add, _ = _parts()

    def conv(old: int, new: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
        layer = nn.Conv2d(old, new, side, stride, padding=side // 2, bias=False)
        return [layer, nn.BatchNorm2d(new)]

    def pair(old: int, new: int) -> list[nn.Module]:
        return [*conv(old, new), nn.ReLU(), *conv(new, new)]

    layers: list[nn.Module] = []
    for old, new in ((1, 64), (64, 16)):
        layers += [*conv(old, new), nn.ReLU()]
    layers += [add(nn.Identity(), nn.Sequential(*pair(16, 16))) for _ in range(5)]
    for old, new in ((16, 16), (16, 64), (64, 128), (128, 256)):
        long = nn.Sequential(*pair(old, new), nn.AvgPool2d(3, 2, padding=1))
        layers.append(add(nn.Sequential(*conv(old, new, 1, 2)), long))
    layers += [*pair(256, 512), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2)]
    for layer in layers:
        for each in layer.modules():
            if isinstance(each, nn.Conv2d):
                nn.init.kaiming_normal_(each.weight, nonlinearity="relu")
            elif isinstance(each, nn.Linear):
                nn.init.normal_(each.weight, std=0.01)
                nn.init.zeros_(each.bias)
    return nn.Sequential(*layers)


def yedroudj() -> nn.Module:
    """Yedroudj-Net of Yedroudj, Comby and Chaumont (ICASSP 2018).

    ::

        0    the high-pass bank, constant       30
        1    conv(5)-abs-BN-truncate 3          30
        2    conv(5)-BN-truncate 2-pool/2       30
        3-4  conv(3)-BN-ReLU-pool/2             32, 64
        5    conv(3)-BN-ReLU-mean               128
             linear-ReLU-linear-ReLU-linear     256, 1024, 2

    Pools average 5 x 5 samples, with the margins of the authors' configuration.
    """
    import torch
    from torch import nn

    _, magnitude = _parts()

    def conv(old: int, new: int, side: int) -> nn.Module:
        layer = nn.Conv2d(old, new, side, padding=side // 2, bias=False)
        nn.init.xavier_uniform_(layer.weight)
        return layer

    def pool() -> nn.Module:
        return nn.AvgPool2d(5, 2, padding=1, ceil_mode=True)

    bank = nn.Conv2d(1, 30, _BANK_SIDE, padding=_BANK_SIDE // 2, bias=False)
    bank.weight = nn.Parameter(torch.from_numpy(high_pass_bank()), requires_grad=False)
    layers = [bank, conv(30, 30, 5), magnitude(), nn.BatchNorm2d(30), nn.Hardtanh(-3, 3)]
    layers += [conv(30, 30, 5), nn.BatchNorm2d(30), nn.Hardtanh(-2, 2), pool()]
    for old, new in ((30, 32), (32, 64), (64, 128)):
        layers += [conv(old, new, 3), nn.BatchNorm2d(new), nn.ReLU(), pool()]
    layers[-1:] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for old, new in ((128, 256), (256, 1024), (1024, 2)):
        linear = nn.Linear(old, new)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {"srnet": srnet, "yedroudj": yedroudj}


def build(name: str, seed: int) -> nn.Module:
    """Return a network with random weights, the same for the same seed.

    Parameters
    ----------
    name : of ARCHITECTURES
    seed : of the weights

    Raises
    ------
    ValueError : no such architecture
    """
    import torch

    if name not in ARCHITECTURES:
        raise ValueError(f"network: got {name!r}, allowed: {', '.join(ARCHITECTURES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[name]()


def parameters(network: nn.Module) -> int:
    """Return how many numbers of a network are learnt."""
    return sum(each.numel() for each in network.parameters() if each.requires_grad)
