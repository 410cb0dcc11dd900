"""Short runs of the fuzzers: seeds, seeded damage to them, and old findings."""

import warnings
from pathlib import Path

import pytest
from files import files_in
from loading import load_script

HERE = Path(__file__).parent
targets = load_script("tests/fuzz/targets.py")

COUNTS = {
    "container": 1500,
    "extract": 300,
    "image": 500,
    "jpeg": 400,
    "latent": 600,
    "model": 100,
    "robust": 150,
}
FOUND = files_in(HERE / "regressions", "*/*")


@pytest.fixture(scope="module")
def doors():
    """Return the targets as they are asked for; each is built once."""
    built = {}

    def door(name):
        if name not in built:
            built[name] = targets.TARGETS[name]()
        return built[name]

    with pytest.MonkeyPatch.context() as patch:
        from deephide.container import crypto
        from deephide.formats import images

        # Targets lower these; what they were comes back behind this file's tests.
        for module, name in (
            (images, "MAX_PIXELS"),
            (crypto, "ARGON2_MEMORY_KIB"),
            (crypto, "ARGON2_ITERATIONS"),
            (crypto, "ARGON2_LANES"),
        ):
            patch.setattr(module, name, getattr(module, name))
        yield door
    for target in built.values():
        target.folder.cleanup()


@pytest.mark.parametrize("name", sorted(targets.TARGETS))
def test_every_door_withstands_damage(doors, name):
    door = doors(name)
    seeds = door.seeds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders' remarks; the command shows none of them
        for data in seeds:
            door.run(data)
        for data in targets.mutations(seeds, COUNTS[name]):
            door.run(data)


def test_what_the_fuzzer_found_stays_fixed(doors):
    for path in FOUND:
        doors(path.parent.name).run(path.read_bytes())


def test_every_flipped_bit_ends_in_the_message_or_a_promised_error(doors):
    """One bit in 29 here; `benchmarks/bit_flips.py` does all of them."""
    doors("extract")  # the cheap key derivation, and what it was afterwards
    bit_flips = load_script("benchmarks/bit_flips.py")
    samples = bit_flips.run(64, 29, ["samples"])["samples"]
    # Six of the eight bits of a sample say nothing.
    assert set(samples) == {"the exact message", "ExtractionError, exit 5"}
    assert 0.7 < samples["the exact message"] / sum(samples.values()) < 0.8
    assert set(bit_flips.run(64, 499, ["file"])["file"]) == {"InputImageError, exit 3"}
    assert bit_flips.run(64, 499, ["repaired"])["repaired"]


def test_damage_is_the_same_every_time():
    seeds = [b"one seed", b"and another one"]
    first = list(targets.mutations(seeds, 50))
    assert first == list(targets.mutations(seeds, 50)) and len(set(first)) > 40


def test_a_wrong_success_is_noticed(doors, monkeypatch):
    door = doors("latent")
    monkeypatch.setattr(
        door.codec, "decompress", lambda code, quantizer: quantizer.table_index.astype("int32") * 0
    )
    with pytest.raises(targets.WrongSuccessError):
        door.run(b"\0garbage")
