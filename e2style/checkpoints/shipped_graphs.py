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
    "dd37184e2c7a300473ac030d2dbf9394334d9f7bd51ae3ccc5216e22076b8862": (
        "graphs/face256.json",
        "18adb2892a8a838fa2c6249e86b4eed4ac3b807d1ccd4b476341cacb20877397",
    ),
    "1902e8cfdb188c66f423f32b3f634f1635c79638a92ac4c759ffc98fb433740a": (
        "graphs/face256_restoration.json",
        "3c92cb36becebfdb38e45ac22307693a975b0e52768ef15d53444916697e9e68",
    ),
}
