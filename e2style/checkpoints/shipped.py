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
        "51b7c26978a869facec0bcf382cbfe215612613beaf2afa682aa362d5abf6d42",
    ),
}

# Fingerprints of these files, `headers.digest_of` of what the receiver needs, by their SHA-256: who
# has checked the one need not compute the other.
FINGERPRINTS = {
    "51b7c26978a869facec0bcf382cbfe215612613beaf2afa682aa362d5abf6d42": (
        "21bbc4fe3c2e877efce007ac2b9899caa8793f9c3cd6ab319ed03750e6508fc3"
    ),
}

# Encoders of other tasks than hiding, in the same form; their files name the generator that they
# share with a model above.
RESTORER = "face256_restoration"
RESTORERS = {
    RESTORER: (
        "face256_restoration.safetensors",
        "3f34152a26eabd164a64b9302ea6dca6ca824f8500d87694d2dc0a4f374a17ac",
    ),
}

# Everything else that ships: networks that look for, judge and draw faces, and directions, by
# name.
OTHERS = {
    "lpips_alex": "9f084ae1191109c0fa39fd445fd9446146d24b886d040373a5fc836aeef12f2b",
    "mtcnn": "9ab83bef17d1de3ea802be79e71ea93dcf6cb8736085b875f1e5f019d8273eeb",
    "prior": "9b0b2e58733cd5bf7b9d62109ccb8a3109c372a2f4758f36a25a557a02267e0b",
    "recogniser": "399f795ca45d48b3c8f26f870221435a3547d192a8a46c7efdc60f064b779f8e",
    "directions/age": "f4dd293acd7d5da5ab6b7e19f75fd14fe72007c62a5f5ce6e61303428e8160ee",
    "directions/feminine": "f98bdad583b2142e13b86ba58a1604a3f29879a58d7571549e04d63819c8d060",
    "directions/glasses": "dd909879fdae359ac32945eb2f8a408f082f103746f944a485a5a2a957f51cc4",
    "directions/smile": "e8d148ea59808384c2c03cacd61c5f42a604c6fe5e37a2908e5f12c695aef209",
    "directions/teeth": "07f10b5d785597b5ef72a40269609d94d64a331a992c947e4012694ff2b974d4",
    "directions/yaw": "5466f12f4cff3a5aba3063c92e8dc8959924ab4a8fc45e43e5a324676bdcfef9",
}

# Bytes of an entropy-coded face by fingerprint: the mean and the 95th percentile, rounded up, of
# the 200 photographs of people in `real/val.zip`, which no training saw.
TYPICAL_BYTES = {
    "21bbc4fe3c2e877efce007ac2b9899caa8793f9c3cd6ab319ed03750e6508fc3": (273, 408),
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
    "388a63c66e68392b02968f948ae616f0bb1afb3db00d7fa52039376455847aa5": (
        "the face256 that version 1.0 was prepared with"
    ),
}

# Sketch of the image that a model generates from its mean code, as `verification.load_and_sketch`
# gives it, by fingerprint; both hexadecimal.
SKETCHES = {
    "21bbc4fe3c2e877efce007ac2b9899caa8793f9c3cd6ab319ed03750e6508fc3": (
        "896e6f897d9e9e7d8ab1b18a85939485855e5f8573797974"
        "7d83837d7c71717c805455806b67676d7471717676616177"
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
