"""Cost of keys, time of failures of different causes, and changes that a decoy would show.

    python benchmarks/keys.py speed     derivation, orders, ephemeral keys; seconds, medians
    python benchmarks/keys.py failures  nothing hidden, wrong key, altered image: whole extract
    python benchmarks/keys.py decoy     changes with one container and with two

`failures` takes the cases in random turns, with the model loaded before. It takes wall time and the
time of the processor, which other work on the machine disturbs less, and compares every two cases
with the Mann-Whitney test. There are twelve keys and stegos: how long it takes to sort an order
differs by some percent from key to key, whether right or wrong. `decoy` is
what docs/threat-model.md says about a second passphrase. All need scikit-image's images;
--json PATH also writes the tables, with commit, CPU and versions.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.stats
from PIL import Image
from stc_common import machine, photo, report

import deephide
import stc
from deephide import models
from deephide.container import crypto, elligator, hiding, keys, keystream, layout
from deephide.covers.opening import open_cover

KEYS = 12
CASES = ("nothing", "wrong key", "altered")
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
            "seconds": median_time(lambda: crypto.harden(b"x", os.urandom(16)), repeats),
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
                lambda n=n, stop=first or n: keystream.Order(os.urandom(32), n).places(0, stop),
                repeats,
            )
            rows.append({"what": what, "seconds": seconds})
    return {"medians": rows}


def failures(repeats):
    model = models.load_model(None)
    cover = Image.fromarray(photo(512))
    with tempfile.TemporaryDirectory() as folder:
        return _failures(repeats, model, cover, folder)


def _failures(repeats, model, cover, folder):
    ring = range(KEYS)
    public = [deephide.keygen(f"{folder}/{k}") for k in ring]
    kinds = {
        "passphrase": [({"passphrase": f"right {k}"}, {"passphrase": f"right {k}"}) for k in ring],
        "identity": [({"recipients": [public[k]]}, {"identity": f"{folder}/{k}"}) for k in ring],
    }
    tables = {}
    for kind, pairs in kinds.items():
        stegos = [
            np.asarray(deephide.embed(FACE, cover, model=model, codec="latent", **sent).stego)
            for sent, _ in pairs
        ]
        # A receiver has not embedded before, and reads without the compiler.
        sys.modules.pop("stc.kernels", None)
        deephide.extract(Image.fromarray(stegos[0]), model=model, **pairs[0][1])
        rng = np.random.default_rng(0)
        walls, works = ({name: [] for name in CASES} for _ in range(2))
        for _ in range(repeats):
            for name in rng.permutation(CASES):
                one, two = rng.choice(KEYS, 2, replace=False)
                samples = np.array(cover if name == "nothing" else stegos[one])
                if name == "altered":  # one sample by one: of the public zone or not, as it falls
                    place = tuple(rng.integers(0, size) for size in samples.shape)
                    samples[place] = samples[place] + 1 if samples[place] < 255 else 254
                secret = pairs[two if name == "wrong key" else one][1]
                picture = Image.fromarray(samples)
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
            for name in CASES
        ]
        compared = [
            {
                "one": one,
                "other": other,
                "p wall": float(scipy.stats.mannwhitneyu(walls[one], walls[other]).pvalue),
                "p processor": float(scipy.stats.mannwhitneyu(works[one], works[other]).pvalue),
            }
            for one, other in itertools.combinations(CASES, 2)
        ]
        tables |= {f"{kind}: time of extract": rows, f"{kind}: Mann-Whitney": compared}
    return tables


def decoy(repeats):
    """Count the changes of one container, and of two that avoid each other, over fresh salts."""
    cover = open_cover(Image.fromarray(photo(512)))
    p1, m1 = cover.costs("hill")
    elements = cover.samples.reshape(-1)
    associated = layout.associated_data(*cover.shape)
    crypto.ARGON2_MEMORY_KIB = 32  # the changes do not depend on it
    rows = []
    for payload in (300, 2000):
        plaintext = layout.pack(layout.Header(1, bytes(8)), bytes(payload))
        one, two = [], []
        for _ in range(repeats):
            first = hiding.hide(
                elements, p1, m1, keys.SharedKey(b"decoy").at(bytes(16)), plaintext, associated
            )
            changed = first.elements != elements
            # The most favourable second one: no element of the first one's changes is lost.
            q1, r1 = (np.where(changed, np.inf, cost) for cost in stc.costs.wet(elements, p1))
            second = hiding.hide(
                first.elements, q1, r1, keys.SharedKey(b"real").at(bytes(16)), plaintext, associated
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
