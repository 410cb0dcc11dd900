"""Models that ship with the package: their files, hashes, and measured figures.

Read without torch.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "DEFAULT",
    "FINGERPRINTS",
    "FORMER",
    "OTHERS",
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
        "3338a52b8106a6dd646f39267aabfae16eacd1f2c539b6ad717db9d9ceac8c45",
    ),
}

# Fingerprints of these files, `headers.digest_of` of what the receiver needs, by their SHA-256: who
# has checked the one need not compute the other.
FINGERPRINTS = {
    "3338a52b8106a6dd646f39267aabfae16eacd1f2c539b6ad717db9d9ceac8c45": (
        "17f6bb6223aa7e4d7d9513f13850407f0160686c240d88b75e3b970c222f7e40"
    ),
}

# Encoders of other tasks than hiding, in the same form; their files name the generator that they
# share with a model above.
RESTORER = "face256_restoration"
RESTORERS = {
    RESTORER: (
        "face256_restoration.safetensors",
        "8c53fe67b496c45dc3b5ad23a38da8c20b4d15c03903e12239556bf41bcc9db8",
    ),
}

# Everything else that ships: networks that look for and judge faces, and directions, by name.
OTHERS = {
    "lpips_alex": "9f084ae1191109c0fa39fd445fd9446146d24b886d040373a5fc836aeef12f2b",
    "mtcnn": "9ab83bef17d1de3ea802be79e71ea93dcf6cb8736085b875f1e5f019d8273eeb",
    "recogniser": "399f795ca45d48b3c8f26f870221435a3547d192a8a46c7efdc60f064b779f8e",
    "directions/age": "9af1e8c96364dbce132fa7cf7ae6e20cfb2c366afabf93346fb8959d42c96d5d",
    "directions/feminine": "aa24a577dfca42c06c52f6f31d727a5ac66f88632090baff77264623544577bf",
    "directions/glasses": "79b5931c8594346e8cff0b05e5db49529c1a13cd74873f600d8ab701cdf4b42b",
    "directions/smile": "29f9c81f99420ba435047c8d4565045120b46589d845cbf1e8f132cc4b59e55a",
    "directions/teeth": "6f9bbf92b90094039f60b6c31d47a763ece20a4c453fdccb53cfe7841f4c75b5",
    "directions/yaw": "eb09ab511e95f259203bd90573621d45928107efda0d756f86a593f7f4edef6d",
}

# Bytes of an entropy-coded face by fingerprint: the mean and the 95th percentile, rounded up, of
# the 200 photographs of people in `real/val.zip`, which no training saw.
TYPICAL_BYTES = {
    "17f6bb6223aa7e4d7d9513f13850407f0160686c240d88b75e3b970c222f7e40": (273, 408),
}

# Models that shipped once, by fingerprint, so that what was hidden with them names them.
FORMER = {
    "8d51dfe7c9281468a02fd59d431918981ba5e4df3c56761bde37ad405aa6b5e6": "face128 of version 0.1",
    "296bf76320265e641d9435dc840c4f7eee2c469d81d3f40fd6a76e86a89f7231": (
        "the face256 of November 2026, before version 1.0"
    ),
}

# Sketch of the image that a model generates from its mean code, as `verification.load_and_sketch`
# gives it, by fingerprint; both hexadecimal.
SKETCHES = {
    "17f6bb6223aa7e4d7d9513f13850407f0160686c240d88b75e3b970c222f7e40": (
        "896e6e897d9f9f7e8bb2b28b85939486855d5d8573797973"
        "7d83837d7c70707c7f54547f6c67676b7571717576616176"
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
    return Path(__file__).resolve().parents[1] / "weights" / name
