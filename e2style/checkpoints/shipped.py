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
        "024af284c40b8efca3fd92f517fe2170aaaba8a3ddf20b88c94c90b81eb729f5",
    ),
}

# Fingerprints of these files, `headers.digest_of` of what the receiver needs, by their SHA-256: who
# has checked the one need not compute the other.
FINGERPRINTS = {
    "024af284c40b8efca3fd92f517fe2170aaaba8a3ddf20b88c94c90b81eb729f5": (
        "62c81cdccc038c7515a1c396d4d2d7d09dab921eef8d2f60bbc618c331ec5d8f"
    ),
}

# Encoders of other tasks than hiding, in the same form; their files name the generator that they
# share with a model above.
RESTORER = "face256_restoration"
RESTORERS = {
    RESTORER: (
        "face256_restoration.safetensors",
        "b56ff204af0dc6af341dd799ca4a2d424bfbbe60940fafad5e6360eb15c05868",
    ),
}

# Everything else that ships: networks that look for and judge faces, and directions, by name.
OTHERS = {
    "lpips_alex": "9f084ae1191109c0fa39fd445fd9446146d24b886d040373a5fc836aeef12f2b",
    "mtcnn": "9ab83bef17d1de3ea802be79e71ea93dcf6cb8736085b875f1e5f019d8273eeb",
    "recogniser": "399f795ca45d48b3c8f26f870221435a3547d192a8a46c7efdc60f064b779f8e",
    "directions/age": "f95e3db7a0dbd916e62046991fe925b4ebae70fc41b906d79bf1eac82bbb935a",
    "directions/feminine": "769a05a23fa6e74e31a3f6949720f097b4412940d94044113f218b01bd27aad3",
    "directions/glasses": "043c0c067e8f8eb5600cfabac918978ea97537bdd2ba5961f8a9c7c5fa1ef26e",
    "directions/smile": "a5d8cc62385e2574bdc88e20031de3ca5c4d5c68354983aa5f6fdecfb7355eaa",
    "directions/teeth": "1f7989ac1f5f0884e390a25fd2a73cf4eae661849c79a00a662423c6ce8111a6",
    "directions/yaw": "968db1b2a262318c8b212f2d82a5565d034ece79a65b57bd982f626474a1b3d0",
}

# Bytes of an entropy-coded face by fingerprint: the mean and the 95th percentile, rounded up, of
# the 200 photographs of people in `real/val.zip`, which no training saw.
TYPICAL_BYTES = {
    "62c81cdccc038c7515a1c396d4d2d7d09dab921eef8d2f60bbc618c331ec5d8f": (273, 408),
}

# Models that shipped once, by fingerprint, so that what was hidden with them names them.
FORMER = {
    "8d51dfe7c9281468a02fd59d431918981ba5e4df3c56761bde37ad405aa6b5e6": "face128 of version 0.1",
    "296bf76320265e641d9435dc840c4f7eee2c469d81d3f40fd6a76e86a89f7231": (
        "the first face256 of November 2026, before version 1.0"
    ),
    "17f6bb6223aa7e4d7d9513f13850407f0160686c240d88b75e3b970c222f7e40": (
        "the face256 of late November 2026, before version 1.0"
    ),
}

# Sketch of the image that a model generates from its mean code, as `verification.load_and_sketch`
# gives it, by fingerprint; both hexadecimal.
SKETCHES = {
    "62c81cdccc038c7515a1c396d4d2d7d09dab921eef8d2f60bbc618c331ec5d8f": (
        "896e6e897d9f9f7d8ab2b28a85939385855e5e8574797974"
        "7d83837d7c71717c805454806d68686d7571717677626277"
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
