"""Measure what the keys cost and whether failures can be told apart by time.

    python benchmarks/keys.py speed     derivation, orders, ephemeral keys; seconds, medians
    python benchmarks/keys.py failures  nothing hidden, wrong key, altered picture: whole extract
    python benchmarks/keys.py decoy     changes with one container and with two

`failures` runs the cases in turns, with the model loaded before, takes wall time and the time of
the processor (other work on the machine disturbs it less), and compares every two cases with the
Mann-Whitney test. `decoy` is
what docs/threat-model.md says about a second passphrase. All need scikit-image's pictures;
--json PATH also writes the tables, with commit, CPU and versions.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.stats
from PIL import Image
from stc_common import machine, photo, report

import deephide
import stc
from deephide import (
    container,
    cover_costs,
    crypto,
    elligator,
    hiding,
    image_io,
    keys,
    keystream,
    models,
)

FACE = Path(__file__).parent / "demo_faces" / "face1.png"


def median_time(function, repeats):
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def speed(repeats):
    rows = [
        {
            "what": "Argon2id",
            "seconds": median_time(lambda: crypto.derive_keys(b"x", os.urandom(16)), repeats),
        },
        {
            "what": "ephemeral",
            "seconds": median_time(lambda: keys._draw_ephemeral(os.urandom), repeats),
        },
        {
            "what": "map",
            "seconds": median_time(lambda: elligator.from_representative(b"x" * 32), repeats),
        },
    ]
    for n in (786_432, 3_000_000, 12_000_000):
        for what, first in ((f"order {n}", None), (f"first {n // 16}", n // 16)):
            seconds = median_time(
                lambda n=n, first=first: keystream.keyed_order(os.urandom(32), n, first), repeats
            )
            rows.append({"what": what, "seconds": seconds})
    return {"medians": rows}


def failures(repeats):
    model = models.load_model(None)
    cover = Image.fromarray(photo(512))
    with tempfile.TemporaryDirectory() as folder:
        return _failures(repeats, model, cover, folder)


def _failures(repeats, model, cover, folder):
    identity = f"{folder}/one"
    public = deephide.keygen(identity)
    deephide.keygen(f"{folder}/two")
    kinds = {
        "passphrase": (
            deephide.embed(FACE, cover, "right", codec="latent").stego,
            {"passphrase": "right"},
            {"passphrase": "wrong"},
        ),
        "identity": (
            deephide.embed(FACE, cover, codec="latent", recipients=[public]).stego,
            {"identity": identity},
            {"identity": f"{folder}/two"},
        ),
    }
    tables = {}
    for kind, (stego, right, wrong) in kinds.items():
        deephide.extract(stego, **right)
        samples = np.asarray(stego)
        rng = np.random.default_rng(0)

        def altered(samples=samples, rng=rng):
            # One sample by one; the body or the public zone, as it falls.
            damaged = samples.copy()
            place = tuple(rng.integers(0, size) for size in damaged.shape)
            damaged[place] = damaged[place] + 1 if damaged[place] < 255 else 254
            return Image.fromarray(damaged)

        cases = {
            "nothing": (lambda: cover, right),
            "wrong key": (lambda stego=stego: stego, wrong),
            "altered": (altered, right),
        }
        walls, works = ({name: [] for name in cases} for _ in range(2))
        for _ in range(repeats):
            for name, (make, secret) in cases.items():
                picture = make()
                wall, work = time.perf_counter(), time.process_time()
                try:
                    deephide.extract(picture, model=model, **secret)
                except deephide.ExtractionError:
                    walls[name].append(time.perf_counter() - wall)
                    works[name].append(time.process_time() - work)
        rows = [
            {
                "case": name,
                "runs": float(len(walls[name])),
                "wall s": statistics.median(walls[name]),
                "processor s": statistics.median(works[name]),
                "quartile s": float(np.quantile(works[name], 0.25)),
                "3rd s": float(np.quantile(works[name], 0.75)),
            }
            for name in cases
        ]
        pairs = [
            {
                "one": one,
                "other": other,
                "p wall": float(scipy.stats.mannwhitneyu(walls[one], walls[other]).pvalue),
                "p processor": float(scipy.stats.mannwhitneyu(works[one], works[other]).pvalue),
            }
            for one, other in itertools.combinations(cases, 2)
        ]
        tables |= {f"{kind}: time of extract": rows, f"{kind}: Mann-Whitney": pairs}
    return tables


def decoy(repeats):
    """Count the changes of one container, and of two that avoid each other, over fresh salts."""
    cover = image_io.load_cover(Image.fromarray(photo(512)))
    p1, m1 = cover_costs.cover_costs(cover, "hill")
    elements = cover.samples.reshape(-1)
    associated = container.associated_data(*cover.shape)
    crypto.ARGON2_MEMORY_KIB = 32  # the changes do not depend on it
    rows = []
    for payload in (300, 2000):
        plaintext = container.pack(container.Header(1, bytes(8)), bytes(payload))
        one, two = [], []
        for _ in range(repeats):
            first = hiding.hide(elements, p1, m1, keys.SharedKey(b"decoy"), plaintext, associated)
            changed = first.elements != elements
            # The most favourable second one: no element of the first one's changes is lost.
            q1, r1 = (np.where(changed, np.inf, cost) for cost in stc.costs.wet(elements, p1))
            second = hiding.hide(
                first.elements, q1, r1, keys.SharedKey(b"real"), plaintext, associated
            )
            one.append(first.changes)
            two.append(int(np.count_nonzero(second.elements != elements)))
        spread = statistics.stdev(one)
        rows.append(
            {
                "payload bytes": float(payload),
                "changes, one": statistics.mean(one),
                "deviation": spread,
                "changes, two": statistics.mean(two),
                "deviations": (statistics.mean(two) - statistics.mean(one)) / spread,
            }
        )
    return {"changes": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("speed", "failures", "decoy"))
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    part = {"speed": speed, "failures": failures, "decoy": decoy}[options.part]
    report(f"keys {options.part}", machine(), part(options.repeats), options.json)


if __name__ == "__main__":
    main()
