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
        "76f8113c1772114046b0611f52df2a1ad6efbb433ff715cecb01e4f2fe47d7be",
    ),
}

# Fingerprints of these files, `headers.digest_of` of what the receiver needs, by their SHA-256: who
# has checked the one need not compute the other.
FINGERPRINTS = {
    "76f8113c1772114046b0611f52df2a1ad6efbb433ff715cecb01e4f2fe47d7be": (
        "388a63c66e68392b02968f948ae616f0bb1afb3db00d7fa52039376455847aa5"
    ),
}

# Encoders of other tasks than hiding, in the same form; their files name the generator that they
# share with a model above.
RESTORER = "face256_restoration"
RESTORERS = {
    RESTORER: (
        "face256_restoration.safetensors",
        "650143461391bdd1a2d76754474fd082d1be5392416848cb37cf063164f2735f",
    ),
}

# Everything else that ships: networks that look for and judge faces, and directions, by name.
OTHERS = {
    "lpips_alex": "9f084ae1191109c0fa39fd445fd9446146d24b886d040373a5fc836aeef12f2b",
    "mtcnn": "9ab83bef17d1de3ea802be79e71ea93dcf6cb8736085b875f1e5f019d8273eeb",
    "recogniser": "399f795ca45d48b3c8f26f870221435a3547d192a8a46c7efdc60f064b779f8e",
    "directions/age": "1979a5d04fe2394f4d74a031a0a93a7094a93c56e02cd2734fa6a5f67f9b4926",
    "directions/feminine": "593de4211ded19ec74d942a77f9eea859e2a4a37c5f43dfc64a144e7b585c904",
    "directions/glasses": "1d8156dba8224a222749c51e60d23c1cef4bb3291866196453ffeea1bf90c2ce",
    "directions/smile": "469e5e80a4d1000cd0074f05c7f786eeea991721f310be67a09392a92b493284",
    "directions/teeth": "2d2c675d30cb1718f0fbf50f1008797ae0abb8d1441d55747c3d2b6b5ffc926f",
    "directions/yaw": "8773535d33895e62f16f695bff23a9af75942356c22931e00ce130b6b8e9d431",
}

# Bytes of an entropy-coded face by fingerprint: the mean and the 95th percentile, rounded up, of
# the 200 photographs of people in `real/val.zip`, which no training saw.
TYPICAL_BYTES = {
    "388a63c66e68392b02968f948ae616f0bb1afb3db00d7fa52039376455847aa5": (273, 408),
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
    "4695b5047ef176a4898f7a5d000aaa9238114be42cf40cbee4a47273bb744f84": (
        "the last face256 of November 2026, before version 1.0"
    ),
}

# Sketch of the image that a model generates from its mean code, as `verification.load_and_sketch`
# gives it, by fingerprint; both hexadecimal.
SKETCHES = {
    "388a63c66e68392b02968f948ae616f0bb1afb3db00d7fa52039376455847aa5": (
        "896e6f897d9e9f7d8ab1b28a85939485845d5e8573797974"
        "7c83837d7b70717c7f5455806c67676d7471717576616176"
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
