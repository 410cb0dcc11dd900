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
    "76f8113c1772114046b0611f52df2a1ad6efbb433ff715cecb01e4f2fe47d7be": (
        "graphs/face256.json",
        "c6e7149a03365450092b6e7091e38f7b64724290f0ae656e820fba01996ebbd9",
    ),
    "650143461391bdd1a2d76754474fd082d1be5392416848cb37cf063164f2735f": (
        "graphs/face256_restoration.json",
        "93a451aaec619cc12389c8eebf868bd64a2371d6afc340e05cf7cd07c8d878f1",
    ),
}
