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
        "dd37184e2c7a300473ac030d2dbf9394334d9f7bd51ae3ccc5216e22076b8862",
    ),
}

# Fingerprints of these files, `headers.digest_of` of what the receiver needs, by their SHA-256: who
# has checked the one need not compute the other.
FINGERPRINTS = {
    "dd37184e2c7a300473ac030d2dbf9394334d9f7bd51ae3ccc5216e22076b8862": (
        "4695b5047ef176a4898f7a5d000aaa9238114be42cf40cbee4a47273bb744f84"
    ),
}

# Encoders of other tasks than hiding, in the same form; their files name the generator that they
# share with a model above.
RESTORER = "face256_restoration"
RESTORERS = {
    RESTORER: (
        "face256_restoration.safetensors",
        "1902e8cfdb188c66f423f32b3f634f1635c79638a92ac4c759ffc98fb433740a",
    ),
}

# Everything else that ships: networks that look for and judge faces, and directions, by name.
OTHERS = {
    "lpips_alex": "9f084ae1191109c0fa39fd445fd9446146d24b886d040373a5fc836aeef12f2b",
    "mtcnn": "9ab83bef17d1de3ea802be79e71ea93dcf6cb8736085b875f1e5f019d8273eeb",
    "recogniser": "399f795ca45d48b3c8f26f870221435a3547d192a8a46c7efdc60f064b779f8e",
    "directions/age": "697c2cd27cdf98c3c0b9f20dd3efceea921bd4447734f1902e62a2bab5866882",
    "directions/feminine": "e02cd94d34ba070dd9e2ea215fc8975c0b2a721b9c06b3d6d96cbe2af86a8002",
    "directions/glasses": "53536ae0ba26b5fc5597a961774a10a045da891082527fc481c2943ee29e006d",
    "directions/smile": "4f814bb4b85a910ad23b8f15f3dab4df01e34fd8d350953efa4ea9018a013f9d",
    "directions/teeth": "03438e1e78b7cda6d1ac5c411101f7f093e65cbcd2f6a83d68a374098cbfdbf8",
    "directions/yaw": "181a6cb00cd3a1fffbfcb30ea79d4880711611644ae66ff7948d70d7fbecd0e6",
}

# Bytes of an entropy-coded face by fingerprint: the mean and the 95th percentile, rounded up, of
# the 200 photographs of people in `real/val.zip`, which no training saw.
TYPICAL_BYTES = {
    "4695b5047ef176a4898f7a5d000aaa9238114be42cf40cbee4a47273bb744f84": (273, 408),
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
    "62c81cdccc038c7515a1c396d4d2d7d09dab921eef8d2f60bbc618c331ec5d8f": (
        "the face256 of the end of November 2026, before version 1.0"
    ),
}

# Sketch of the image that a model generates from its mean code, as `verification.load_and_sketch`
# gives it, by fingerprint; both hexadecimal.
SKETCHES = {
    "4695b5047ef176a4898f7a5d000aaa9238114be42cf40cbee4a47273bb744f84": (
        "896e6e897d9e9f7d8ab1b18a85939485855e5e8574797974"
        "7d83837e7c70717c7f5454806c67676d7471717576616176"
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
