"""Randomness of the bits of an image, without the key and with it.

    python benchmarks/randomness.py [--bits 10000000] [--json PATH]

Three streams of 10^7 bits from ten photos that scikit-image ships, all zones as a reader gets
them: stegos with the right key before decryption, the same with wrong keys, and clean photos.
A fourth stream is the system's random generator. Two more are ephemeral keys as they lie in an
image for recipients, and ordinary X25519 public keys, which must fail. Every stream goes through
the tests of `nist.py` as a whole, and in 100 pieces, whose p-values ought to be uniform
(Kolmogorov-Smirnov).

The photos are cut into parts of 384 x 288, which are read at the greatest length of the body, each
time under a fresh key. A part of n elements gives 0.46 n bits at a time and has 2 n to give, in its
two lowest planes; four times is the most.
"""

import argparse
import os
import statistics
from pathlib import Path

import nist
import numpy as np
import scipy.stats
from PIL import Image
from stc_common import machine, report

from deephide.container import crypto, hiding, keys, layout
from deephide.covers.opening import open_cover

PHOTOS = (
    "astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png", "motorcycle_right.png",
    "ihc.png", "rocket.jpg", "retina.jpg", "hubble_deep_field.jpg", "grass.png",
)  # fmt: skip
PART = (384, 288)
PIECES = 100


def parts():
    """Yield covers, part by part of every photo."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    for name in PHOTOS:
        with Image.open(folder / name) as opened:
            picture = opened.convert("RGB")
        for top in range(0, picture.height - PART[1] + 1, PART[1]):
            for left in range(0, picture.width - PART[0] + 1, PART[0]):
                box = (left, top, left + PART[0], top + PART[1])
                yield open_cover(picture.crop(box))


def streams(size):
    crypto.ARGON2_MEMORY_KIB = 32  # keys of any origin will do
    found = {name: [] for name in ("right key", "wrong key", "clean photos")}
    covers, count = list(parts()), 0
    for _ in range(4):
        for cover in covers:
            if count >= size:
                break
            elements = cover.samples.reshape(-1)
            zones = layout.Zones(elements.size)
            associated = layout.associated_data(*cover.shape)
            room = zones.max_body_bytes - layout.MIN_BODY_BYTES
            plaintext = layout.pack(layout.Header(1, bytes(8)), bytes(room))
            key = keys.SharedKey(os.urandom(16)).at(bytes(16))
            p1, m1 = cover.costs("hill")
            try:
                stego = hiding.hide(elements, p1, m1, key, plaintext, associated).elements
            except hiding.CapacityError:
                continue  # mostly black: no photo to hide anything in
            wrong = keys.SharedKey(os.urandom(16)).at(bytes(16))
            found["right key"].append(layout.to_bits(hiding.read_zones(stego, key)))
            found["wrong key"].append(layout.to_bits(hiding.read_zones(stego, wrong)))
            found["clean photos"].append(layout.to_bits(hiding.read_zones(elements, wrong)))
            count += found["right key"][-1].size
    if count < size:
        raise SystemExit(f"the photos give {count} bits only")
    joined = {name: np.concatenate(each)[:size] for name, each in found.items()}
    system = np.frombuffer(os.urandom(size // 8), dtype=np.uint8)
    return joined | {"os.urandom": np.unpackbits(system)}, len(covers)


def key_streams(size):
    """Ephemeral keys as representatives, and as everybody else sends them."""
    count = -(-size // 256)
    hidden = b"".join(keys._draw_ephemeral(os.urandom)[1] for _ in range(count))
    plain = b"".join(crypto.x25519_public(os.urandom(32)) for _ in range(count))
    return {
        name: layout.to_bits(data)[:size]
        for name, data in (("representative", hidden), ("plain X25519", plain))
    }


def judge(found):
    rows, second = [], []
    short = {"serial": {"length": 8}, "approximate entropy": {"length": 6}}
    for name, test in nist.ALL.items():
        every = {source: test(bits) for source, bits in found.items()}
        for index in range(len(next(iter(every.values())))):
            rows.append({"test": name[:14]} | {s: p[index] for s, p in every.items()})
        if name == "matrix rank":  # a piece has too few matrices
            continue
        line = {"test": name[:14]}
        for source, bits in found.items():
            pieces = bits[: bits.size // PIECES * PIECES].reshape(PIECES, -1)
            p = [test(piece, **short.get(name, {}))[0] for piece in pieces]
            line[source] = float(scipy.stats.kstest(p, "uniform").pvalue)
        second.append(line)
    return rows, second


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, default=10_000_000)
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    found, count = streams(options.bits)
    rows, second = judge(found)
    of_keys, second_of_keys = judge(key_streams(options.bits))
    every = [p for row in rows for p in list(row.values())[1:4]]
    every += [row["representative"] for row in of_keys]
    about = machine() | {
        "bits": options.bits,
        "parts": count,
        "smallest p": f"{min(every):.2g} of {len(every)}",
        "median p": f"{statistics.median(every):.2f}",
    }
    tables = {
        "p-values": rows,
        f"uniformity over {PIECES} pieces": second,
        "ephemeral keys: p-values": of_keys,
        f"ephemeral keys: uniformity over {PIECES} pieces": second_of_keys,
    }
    report("randomness", about, tables, options.json)


if __name__ == "__main__":
    main()
