"""Conditions of an experiment: a scheme, a payload, and the stegos that they make of covers."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.lab import deep_hiding
from deephide.lab.covers import ImageSet
from deephide.lab.schemes import PLANE_SCHEMES

__all__ = [
    "COVER",
    "FACE",
    "NETWORKS",
    "SCHEMES",
    "Condition",
    "Payload",
    "Scene",
    "conditions_of",
    "hide",
]

Samples: TypeAlias = NDArray[np.uint8]

COVER, FACE = "cover", "embed-face"
NETWORKS = deep_hiding.KINDS
# `embed` hides bytes, `embed-face` a face, the networks an image as large as the cover.
SCHEMES = (*PLANE_SCHEMES, "embed", FACE, *NETWORKS)
_PASSPHRASE = "lab"


@dataclass(frozen=True)
class Payload:
    """So many bits per sample, or so many bytes."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Payload:
        """Read "0.4", bits per sample, or "300B", bytes; raises ValueError."""
        in_bytes = text.endswith("B")
        amount = float(text.removesuffix("B"))
        if not (amount.is_integer() and amount >= 1 if in_bytes else 0 < amount <= 1):
            raise ValueError(f"payload: got {text!r}; allowed: 0 to 1 bits per sample, or as 300B")
        return cls(amount, "bytes" if in_bytes else "bits per sample")

    def __str__(self) -> str:
        return f"{self.amount:.0f}B" if self.unit == "bytes" else f"{self.amount:g}"

    def bits(self, samples: int) -> int:
        """Bits to hide in so many samples."""
        return int(8 * self.amount) if self.unit == "bytes" else int(self.amount * samples)


@dataclass(frozen=True)
class Condition:
    """A scheme with its payload; None where the scheme decides by itself, or for the covers."""

    scheme: str
    payload: Payload | None = None

    @property
    def name(self) -> str:
        """Name of the folder of its features."""
        return self.scheme if self.payload is None else f"{self.scheme}_{self.payload}"


def conditions_of(
    schemes: Iterable[str],
    payloads: Iterable[Payload],
    networks: Container[str] = (),
    secrets: bool = False,
) -> list[Condition]:
    """Every scheme with every payload, after the covers themselves.

    Parameters
    ----------
    schemes : of SCHEMES
    payloads : for those schemes that do not decide by themselves how much they hide
    networks : of NETWORKS, those at hand
    secrets : whether there are faces to hide

    Raises
    ------
    ValueError : an unknown scheme, or one that lacks what it needs
    """
    payloads = tuple(payloads)
    found = [Condition(COVER)]
    for scheme in schemes:
        if scheme not in SCHEMES:
            raise ValueError(f"scheme: got {scheme!r}, allowed: {', '.join(SCHEMES)}")
        fixed = scheme == FACE or scheme in NETWORKS
        for lacks, what in (
            (scheme in NETWORKS and scheme not in networks, "its networks"),
            (scheme == FACE and not secrets, "faces as secrets"),
            (not fixed and not payloads, "a payload"),
        ):
            if lacks:
                raise ValueError(f"scheme: {scheme} needs {what}")
        found += [Condition(scheme)] if fixed else [Condition(scheme, p) for p in payloads]
    return found


@dataclass(frozen=True)
class Scene:
    """What schemes may use: the name of the cover, the covers, the secrets, and the networks."""

    name: str
    covers: ImageSet
    secrets: ImageSet | None
    networks: dict[str, Path]
    mode: str

    def samples(self) -> Samples:
        """The cover, (H, W, 1) or (H, W, 3) uint8."""
        return _samples(self.covers.read(self.name, self.mode))

    def secret(self, rng: np.random.Generator) -> Image.Image:
        """One of the secrets; of the other covers where there are none."""
        source = self.secrets or self.covers
        return source.read(source.names[int(rng.integers(len(source.names)))])


def _samples(image: Image.Image) -> Samples:
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def hide(condition: Condition, scene: Scene, seed: int) -> tuple[Samples, int]:
    """Return the stego and the number of bits in it; the same for the same arguments.

    Parameters
    ----------
    condition : scheme and payload
    scene : the cover and what else is needed
    seed : of the whole experiment

    Raises
    ------
    DeephideError, stc.StcError : the cover cannot take the payload
    """
    name = f"{seed}/{condition.name}/{scene.name}"
    digest = hashlib.sha256(name.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    if condition.scheme in NETWORKS:
        return _hide_by_network(condition.scheme, scene, rng)
    cover = scene.samples()
    if condition.scheme == COVER:
        return cover, 0
    if condition.scheme.startswith("embed"):
        return _embed(condition, cover, scene, rng)
    if condition.payload is None:
        raise ValueError(f"scheme: {condition.scheme} needs a payload")
    bits = condition.payload.bits(cover.size)
    scheme, channels = PLANE_SCHEMES[condition.scheme], cover.shape[2]
    planes = [
        scheme(np.ascontiguousarray(cover[:, :, c]), bits // channels, rng) for c in range(channels)
    ]
    return np.stack(planes, axis=2), bits // channels * channels


def _embed(
    condition: Condition, cover: Samples, scene: Scene, rng: np.random.Generator
) -> tuple[Samples, int]:
    import deephide

    carrier = Image.fromarray(cover if cover.shape[2] == 3 else cover[:, :, 0])
    secret: Image.Image | bytes
    if condition.payload is None:
        secret, codec = scene.secret(rng), "latent"
    else:
        secret, codec = rng.bytes(condition.payload.bits(cover.size) // 8), "file"
    result = deephide.embed(secret, carrier, _PASSPHRASE, codec=codec, _random=rng.bytes)
    return _samples(result.stego), result.payload_bits


def _hide_by_network(kind: str, scene: Scene, rng: np.random.Generator) -> tuple[Samples, int]:
    cover = scene.covers.read(scene.name)
    secret = scene.secret(rng).resize(cover.size, Image.Resampling.BICUBIC)
    stego = _network(scene.networks[kind]).hide(np.asarray(cover), np.asarray(secret))
    return _samples(Image.fromarray(stego).convert(scene.mode)), 8 * stego.size


@functools.cache
def _network(path: Path) -> deep_hiding.DeepHider:
    return deep_hiding.load(path)
