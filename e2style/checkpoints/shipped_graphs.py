"""Table of the graphs that lie beside shipped weights, and not in their header.

By the SHA-256 of the weights: the file in `e2style/weights`, and its own SHA-256. Written by
`python recipes/graphs.py`. Read without torch.
"""

from __future__ import annotations

__all__ = ["BESIDE"]

BESIDE: dict[str, tuple[str, str]] = {
    "9ab83bef17d1de3ea802be79e71ea93dcf6cb8736085b875f1e5f019d8273eeb": (
        "graphs/mtcnn.json",
        "50ecb5ded99ed9a2fa9660442bdfc1cbc211f9b6e3cc7c63747324e579cae971",
    ),
    "399f795ca45d48b3c8f26f870221435a3547d192a8a46c7efdc60f064b779f8e": (
        "graphs/recogniser.json",
        "4da322a41b2d5b0e2e93f367f1c06134997429081cfe8fc88431c8ba4dd98dea",
    ),
    "51b7c26978a869facec0bcf382cbfe215612613beaf2afa682aa362d5abf6d42": (
        "graphs/face256.json",
        "d9f39fda5087625f475aa78638462b7c8eaca55f523494fe7e0c4817497219bc",
    ),
    "3f34152a26eabd164a64b9302ea6dca6ca824f8500d87694d2dc0a4f374a17ac": (
        "graphs/face256_restoration.json",
        "f109db88a9a44ed8a0914d1891fe06a704750017abf22aaec3349bda2a255436",
    ),
}
