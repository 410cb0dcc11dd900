"""Gaussian noise by place in the training order, drawn where it is needed.

What a sample gets depends on seed, place and pixel alone: not on the device, nor on how many
processes share a batch. A counter goes through an integer hash, which every device computes alike
(lowbias32 of Wellons 2018, an avalanche of 32 bits); Box and Muller's transform makes it normal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["normal"]

_MASK = 0xFFFFFFFF


def normal(places: Tensor, shape: tuple[int, ...], *, seed: int, stream: int = 0) -> Tensor:
    """Standard normal numbers, B and then `shape`, on the device of `places`.

    Parameters
    ----------
    places : (B,) int64, places in the training order
    shape : of what each place gets
    seed : of the training
    stream : number of the map; others are independent

    Returns
    -------
    B *shape float32; two devices agree to the last bits of logarithm and cosine
    """
    count = math.prod(shape)
    pairs = torch.arange((count + 1) // 2, device=places.device)
    key = _hashed(_hashed(places & _MASK) ^ (places >> 32) ^ _hash_of(seed, stream))
    one = _hashed(_hashed(pairs[None] * 2) ^ key[:, None])
    two = _hashed(_hashed(pairs[None] * 2 + 1) ^ key[:, None])
    # 24 bits are what a float32 between 0 and 1 has; half a step keeps the logarithm finite.
    radius = (((one >> 8).float() + 0.5) * 2.0**-24).log().mul(-2).sqrt()
    angle = (two >> 8).float() * (2 * math.pi * 2.0**-24)
    drawn = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
    return drawn[:, :count].reshape(len(places), *shape)


def _hashed(x: Tensor) -> Tensor:
    """32 bits in int64 -> 32 bits; a product beyond 64 bits wraps alike everywhere."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def _hash_of(seed: int, stream: int) -> int:
    """The same of two numbers, on the host."""
    x = (seed * 0x9E3779B9 + stream * 0x85EBCA6B + 0x165667B1) & _MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)
