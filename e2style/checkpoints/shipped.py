"""Models that ship with the package: their files, hashes, and measured figures.

Read without torch.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = [
    "DEFAULT",
    "RESTORER",
    "RESTORERS",
    "SHIPPED",
    "SKETCHES",
    "TYPICAL_BYTES",
    "built_in",
    "names",
    "weights_file",
]

DEFAULT = "face256"
# Files inside the package, with the SHA-256 that they must have.
SHIPPED = {
    "face256": (
        "face256.safetensors",
        "e74d9c525959e12c33d3a1f195e9f613fceebb9b466e9d5fc8518e288891aa57",
    ),
}

# Encoders of other tasks than hiding, in the same form; their files name the generator that they
# share with a model above.
RESTORER = "face256_restoration"
RESTORERS = {
    RESTORER: (
        "face256_restoration.safetensors",
        "fb69e167ae2638622bfbb85bad016a4dd9447fb273e5c36662e3b8bfc1a67756",
    ),
}

# Bytes of an entropy-coded face by fingerprint: the median and the 95th percentile, rounded up, of
# the 272 faces of `val.zip`, which no training saw.
TYPICAL_BYTES = {
    "296bf76320265e641d9435dc840c4f7eee2c469d81d3f40fd6a76e86a89f7231": (221, 318),
}

# Sketch of the image that a model generates from its mean code, as `verification.load_and_sketch`
# gives it, by fingerprint; both hexadecimal.
SKETCHES = {
    "296bf76320265e641d9435dc840c4f7eee2c469d81d3f40fd6a76e86a89f7231": (
        "9971709889a4a48998b4b49795a09f9595616095807d7d7f"
        "8b85858b8d7b7b8d8f56558f786a6a778272728286686886"
    ),
}


def names() -> list[str]:
    """Names of the models that ship with the package and can hide a face."""
    return sorted(SHIPPED)


def built_in() -> dict[str, tuple[str, str]]:
    """File and SHA-256 of everything that ships, by name."""
    return SHIPPED | RESTORERS


def weights_file(name: str) -> Path:
    """Path of a file that lies inside the package."""
    return Path(str(resources.files("e2style.weights") / name))
