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
    "3338a52b8106a6dd646f39267aabfae16eacd1f2c539b6ad717db9d9ceac8c45": (
        "graphs/face256.json",
        "75aa35646b734daf570972444a48cd19a83cece3b2e67798e2a0ed02dc25f41f",
    ),
    "8c53fe67b496c45dc3b5ad23a38da8c20b4d15c03903e12239556bf41bcc9db8": (
        "graphs/face256_restoration.json",
        "eb0819483698a8b0aadf11037eb0fcd6a5db101b13e709234ba1fb240f1c9d9e",
    ),
}
