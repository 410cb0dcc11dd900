"""Detection of JPEG stegos with DCTR features and an ensemble of Fisher discriminants.

    python benchmarks/jpeg_detect.py covers.zip [--covers 300] [--quality 95]
                                     [--payloads 300,750] [--cost juniward] [--json PATH]

The zip is what `covers.py` makes: scenes of 512 x 512, a folder for each photo, all of which take
turns.  Each scene is compressed once, and random bytes of each length are embedded in it as
`deephide.embed` does, with keys of their own; Argon2id runs with little memory, which changes
nothing in the image.

Features are those of Holub and Fridrich, "Low-Complexity Features for JPEG Steganalysis Using
Undecimated DCT" (IEEE TIFS 10(2), 2015), of luma, 8,000 of them; `--check` compares those of the
first covers with the features of the package sealwatch, where that is installed.  Classifier and
protocol are those of `deephide lab` (docs/lab.md): P_E over ten splits by photo, what chance looks
like there, and the error at the trained threshold.
"""

import argparse
import collections
import io
import itertools
import sys
from pathlib import Path

import numpy as np
from cheap_keys import cheap_keys
from stc_common import machine, show

import deephide
from deephide.lab.covers import ImageSet, groups_of
from deephide.lab.jpeg_features import dctr, luma
from deephide.lab.protocol import judge_features, judge_nothing

DIMENSION = 200  # features per learner


def names_in_turns(names, count):
    """Return up to `count` names of scenes, the photos taking turns."""
    photos = collections.defaultdict(list)
    for name, group in zip(names, groups_of(names), strict=True):
        photos[group].append(name)
    turns = itertools.zip_longest(*photos.values())
    return [name for turn in turns for name in turn if name is not None][:count]


def check(samples, quality):
    """Return the largest difference from the features that sealwatch computes."""
    import sealwatch

    step = max(8 * (2 - quality / 50), 0.2)
    theirs = np.concatenate(list(sealwatch.dctr.extract(samples, step).values()))
    return float(np.abs(dctr(samples, quality) - theirs).max())


def in_words(verdict):
    """Return the figures of a verdict as means over its splits."""
    rows = {"P_E": verdict.errors, "chance": verdict.chance, "trained": verdict.trained_errors}
    return {name: round(float(np.mean(each)), 3) for name, each in rows.items() if each}


def stego_of(raw, payload, seed, cost):
    """Hide so many random bytes in a JPEG file; the key is this stego's own."""
    secret = np.random.default_rng((seed, payload)).bytes(payload)
    return deephide.embed(secret, raw, f"key {seed} {payload}", codec="file", cost=cost)


def measure(options):
    """Return the report."""
    pictures = ImageSet(Path(options.zip))
    chosen = names_in_turns(pictures.names, options.covers)
    used, plain, differences = [], [], []
    hidden, rates, safe = collections.defaultdict(list), collections.defaultdict(list), []
    for seed, name in enumerate(chosen):
        print(f"\r{seed + 1} of {len(chosen)}", end="", file=sys.stderr, flush=True)
        buffer = io.BytesIO()
        pictures.read(name).save(buffer, "JPEG", quality=options.quality)
        raw = buffer.getvalue()
        try:
            results = {
                payload: stego_of(raw, payload, seed, options.cost) for payload in options.payloads
            }
        except deephide.CapacityError:
            continue
        samples = luma(raw)
        if seed < options.check:
            differences.append(check(samples, options.quality))
        used.append(name)
        plain.append(dctr(samples, options.quality))
        safe.append(results[options.payloads[0]].safe_bits)
        for payload, result in results.items():
            hidden[payload].append(dctr(luma(result.file), options.quality))
            rates[payload].append(result.change_rate)
    print(file=sys.stderr)
    plain, groups = np.array(plain), groups_of(used)
    rows = {"nothing": in_words(judge_nothing(plain, groups, 1, DIMENSION))}
    for payload, features in hidden.items():
        rows[f"{payload} bytes"] = {
            **in_words(judge_features(plain, np.array(features), groups, 1, DIMENSION)),
            "change rate": round(float(np.mean(rates[payload])), 6),
        }
    return {
        "machine": machine(),
        "covers": len(used),
        "left out, too small for a payload": len(chosen) - len(used),
        "photos": np.unique(groups).size,
        "quality": options.quality,
        "cost": options.cost,
        "safe bits, median": int(np.median(safe)),
        "largest difference from sealwatch": max(differences, default=None),
        "rows": rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("zip", metavar="ZIP", help="what covers.py made")
    parser.add_argument("--covers", type=int, default=300)
    parser.add_argument("--quality", type=int, default=95)
    parser.add_argument("--payloads", default="300,750", help="bytes, separated by commas")
    parser.add_argument("--cost", default="auto", help="a cost function for coefficients")
    parser.add_argument("--check", type=int, default=0, metavar="COVERS")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    options.payloads = [int(each) for each in options.payloads.split(",")]
    cheap_keys()
    show(measure(options), options.json)


if __name__ == "__main__":
    main()
