"""Randomness of the zones, as they are read without the key and with it."""

import math

import numpy as np
import pytest
from loading import load_script
from PIL import Image

from deephide.container import hiding, keys, layout
from deephide.covers.opening import open_cover

nist = load_script("benchmarks/nist.py")

PI = (
    "11001001000011111101101010100010001000010110100011"
    "00001000110100110001001100011001100010100010111000"
)
SHORT = "11001100000101010110110001001100111000000000001001" + (
    "001101010100010001001111010110100000001101011111001100111001101101100010110010"
)


def bits_of(text):
    return np.array([int(each) for each in text], dtype=np.uint8)


@pytest.mark.parametrize(
    ("test", "text", "options", "expected"),
    [
        ("frequency", PI, {}, [0.109599]),
        ("block_frequency", PI, {"size": 10}, [0.706438]),
        ("runs", PI, {}, [0.500798]),
        ("longest_run", SHORT, {"size": 8}, [0.180598]),
        ("serial", "0011011101", {"length": 3}, [0.808792, 0.670320]),
        ("approximate_entropy", PI, {"length": 2}, [0.235301]),
        ("cumulative_sums", PI, {}, [0.219194, 0.114866]),
    ],
)
def test_the_examples_of_the_publication(test, text, options, expected):
    found = getattr(nist, test)(bits_of(text), **options)
    assert found == pytest.approx(expected, abs=2e-5)


def test_the_spectrum_agrees_with_a_slow_transform():
    # The publication's own examples of this test do not follow from its text.
    bits = bits_of(PI)
    n, below = bits.size, 0
    for j in range(n // 2):
        wave = np.exp(-2j * np.pi * j * np.arange(n) / n)
        below += abs(((2.0 * bits - 1.0) * wave).sum()) < np.sqrt(n * np.log(20))
    deviation = (below - 0.95 * n / 2) / np.sqrt(n * 0.95 * 0.05 / 4)
    assert nist.spectral(bits) == pytest.approx([math.erfc(abs(deviation) / math.sqrt(2))])


def slow_rank(rows):
    rows, rank = list(rows), 0
    for bit in range(32):
        pivot = next((r for r in rows if r >> bit & 1), None)
        if pivot is not None:
            rows.remove(pivot)
            rows = [r ^ pivot if r >> bit & 1 else r for r in rows]
            rank += 1
    return rank


def test_ranks_agree_with_a_slow_elimination(monkeypatch):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, 1024 * 60).astype(np.uint8)
    bits[: 1024 * 5] = 0
    bits[1024 * 5 : 1024 * 6 : 33] = 1
    counts = [0, 0, 0]
    for matrix in bits.reshape(-1, 32, 32):
        rows = [int("".join(map(str, row)), 2) for row in matrix]
        counts[min(32 - slow_rank(rows), 2)] += 1
    seen = []
    monkeypatch.setattr(nist, "_chi", lambda found, _: seen.append(found.tolist()) or 0.5)
    nist.matrix_rank(bits)
    assert seen == [counts]


STRUCTURED = {
    "frequency": lambda bits, rng: bits | (rng.random(bits.size) < 0.02),
    "block frequency": lambda bits, rng: np.where(
        np.arange(bits.size) // 128 % 2, bits | (rng.random(bits.size) < 0.1), bits
    ),
    "runs": lambda bits, rng: np.where(rng.random(bits.size) < 0.02, np.roll(bits, 1), bits),
    "longest run": lambda bits, rng: np.where(np.arange(bits.size) % 5000 < 30, 1, bits),
    "matrix rank": lambda bits, rng: np.where(
        np.arange(bits.size) % 64 >= 32, np.roll(bits, 32), bits
    ),
    "spectral": lambda bits, rng: np.where(np.arange(bits.size) % 32 == 0, 1, bits),
    "serial": lambda bits, rng: np.where(rng.random(bits.size) < 0.1, np.roll(bits, 7), bits),
    "approximate entropy": lambda bits, rng: np.where(
        rng.random(bits.size) < 0.02, np.roll(bits, 7), bits
    ),
    "cumulative sums": lambda bits, rng: bits | (rng.random(bits.size) < 0.02),
}


@pytest.mark.parametrize("name", nist.ALL)
def test_each_test_accepts_noise_and_can_fail(name):
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2, 1_000_000).astype(np.uint8)
    assert min(nist.ALL[name](bits)) > 1e-3
    assert min(nist.ALL[name](STRUCTURED[name](bits, rng).astype(np.uint8))) < 1e-4


@pytest.fixture(scope="module")
def streams():
    """The bits of all zones: with the right key, with wrong ones, and of clean photos."""
    rng = np.random.default_rng(9)
    right, wrong, clean = [], [], []
    for seed in range(2):
        # Grain of one to three levels on soft shapes, and an overexposed corner.
        soft = rng.normal(110, 50, (13, 17, 3)).repeat(24, 0).repeat(24, 1)
        soft += rng.normal(0, rng.uniform(1, 3), soft.shape)
        soft[:60, :90] = 255
        cover = open_cover(Image.fromarray(soft.clip(0, 255).astype(np.uint8)))
        elements = cover.samples.reshape(-1)
        associated = layout.associated_data(*cover.shape)
        zones = layout.Zones(elements.size)
        size = zones.max_body_bytes - layout.MIN_BODY_BYTES
        plaintext = layout.pack(layout.Header(1, bytes(8)), bytes(size))
        p1, m1 = cover.costs("hill")
        key = keys.SharedKey(b"right %d" % seed).at(bytes(16))
        stego = hiding.hide(elements, p1, m1, key, plaintext, associated, random=rng.bytes).elements
        for which, samples, secret in (
            (right, stego, key),
            (wrong, stego, keys.SharedKey(b"wrong %d" % seed).at(bytes(16))),
            (clean, elements, key),
        ):
            which.append(layout.to_bits(hiding.read_zones(samples, secret)))
    return {
        "right": np.concatenate(right),
        "wrong": np.concatenate(wrong),
        "clean": np.concatenate(clean),
    }


@pytest.mark.slow
@pytest.mark.parametrize("source", ["right", "wrong", "clean"])
@pytest.mark.parametrize("name", nist.ALL)
def test_streams_pass_as_random(streams, source, name):
    bits = streams[source]
    assert bits.size > 300_000
    options = {"length": 12} if name == "serial" else {}
    # Ninety p-values or so, all seeded: none of them is to be below 1 in 10,000.
    assert min(nist.ALL[name](bits, **options)) > 1e-4


@pytest.mark.slow
def test_raster_order_would_not_pass(streams):
    # Why the order matters: the lowest bits of a photo with a white corner, as they come.
    rng = np.random.default_rng(9)
    soft = rng.normal(110, 50, (13, 17, 3)).repeat(24, 0).repeat(24, 1)
    soft[:60, :90] = 255
    bits = soft.clip(0, 255).astype(np.uint8).reshape(-1) & 1
    assert max(nist.runs(bits) + nist.longest_run(bits)) < 1e-6
