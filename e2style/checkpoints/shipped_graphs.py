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
    "024af284c40b8efca3fd92f517fe2170aaaba8a3ddf20b88c94c90b81eb729f5": (
        "graphs/face256.json",
        "d854ecea95e43057aeb92e6f67d529ec8f51b34a3b7e194067a1c70bdaa6a293",
    ),
    "b56ff204af0dc6af341dd799ca4a2d424bfbbe60940fafad5e6360eb15c05868": (
        "graphs/face256_restoration.json",
        "401fe5485428296be98d24b73edc8b2167a3505739cad2792e4b75da0ece72bd",
    ),
}
