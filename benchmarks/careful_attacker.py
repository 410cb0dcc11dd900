"""What a careful attacker learns of a small payload: figures of docs/threat-model.md.

    python benchmarks/careful_attacker.py gray256.zip gray256.csv [--limit 300] [--json FILE]

The zip holds gray photos of one size that were never JPEG files, the table their file, set and
source.  Stegos hold so many bytes in all by the program's trellis at HILL costs.

matched   the attacker trains on stegos of the same source as the sender's: SPAM, rich subset
pooled    he has 1, 10 or 100 images of one sender, all covers or all stegos, and adds up the votes
          of the detector of `matched`; draws from the tested half of each split
original  he has the photo before it was scaled down: by a kernel that he tries too (his copy is
          then the cover), or by one that he must fit from others; he judges what is left over
closed    the cover is a decoded JPEG file, or its levels were stretched: he counts samples that
          another compression changes, or whose value never occurs

P_E is the mean of false alarms and misses at the best threshold, beside that of pairs swapped at
random; the interval holds 95 % of 1,000 resamples of the photos.
"""

import argparse
import io
import sys
import zipfile

import numpy as np
from PIL import Image
from side_information import read_covers
from stc_common import machine, show

from deephide.lab import ensemble
from deephide.lab.conditions import Payload
from deephide.lab.features import rich, spam
from deephide.lab.protocol import judge_features, judge_scores, least_error, splits
from deephide.lab.schemes import PLANE_SCHEMES

SCHEME = "hill-stc"
DIMENSION = {"spam": 200, "rich": 250}
POOLED = (1, 10, 100)
SPLITS, DRAWS = 5, 2000
SCALE = 0.75
KERNELS = {
    name: Image.Resampling[name] for name in ("LANCZOS", "BICUBIC", "BILINEAR", "HAMMING", "BOX")
}
QUALITY = 90


def as_json(verdict):
    """Return P_E, its interval or spread, and chance."""
    found = {"p_e": np.mean(verdict.errors), "chance": np.mean(verdict.chance)}
    if verdict.interval:
        found["interval"] = verdict.interval
    else:
        found["spread over splits"] = np.std(verdict.errors)
    return found


def hidden(plane, bits, seed):
    """Return the stego of a plane."""
    return PLANE_SCHEMES[SCHEME](plane, bits, np.random.default_rng(seed))


def pooled(covers, stegos, groups, seed):
    """Return P_E of the mean vote over several images of one sender, for each number of them.

    Draws of many images from one half have most of them in common, so that a small difference of
    that half looks large: the same with swapped pairs shows how large.
    """
    rng = np.random.default_rng(seed)
    found = {count: ([], []) for count in POOLED}
    for mask, _ in zip(splits(groups, rng), range(SPLITS), strict=False):
        judge = ensemble.train(covers[mask], stegos[mask], rng, dimension=DIMENSION["rich"])
        votes = np.stack([judge.votes(side[~mask]) for side in (covers, stegos)])
        swapped = np.where(rng.random(votes.shape[1]) < 0.5, votes, votes[::-1])
        for count, errors in found.items():
            if count <= votes.shape[1]:
                for sides, kept in zip((votes, swapped), errors, strict=True):
                    kept.append(least_error(*(means(side, count, rng) for side in sides)))
    return {
        str(count): {
            "p_e": np.mean(errors),
            "spread over splits": np.std(errors),
            "chance": np.mean(chance),
            "spread of chance": np.std(chance),
        }
        for count, (errors, chance) in found.items()
        if errors
    }


def means(votes, count, rng):
    """Return the means of random sets of so many votes."""
    return np.array([rng.choice(votes, count, replace=False).mean() for _ in range(DRAWS)])


def scaled(plane, kernel):
    """Return a plane scaled down, unrounded."""
    size = [round(SCALE * length) for length in plane.shape[::-1]]
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, kernel))


def left_over(image, candidates):
    """Return the variance that no mixture of the candidates explains."""
    known = (*candidates, np.ones_like(candidates[0]))
    columns = np.stack([each.ravel() for each in known], axis=1)
    weights, *_ = np.linalg.lstsq(columns, image.ravel().astype(np.float64), rcond=None)
    return float(np.var(image.ravel() - columns @ weights))


def resized(plane, bits, seed):
    """Return scores of cover and stego for an attacker with the original, by what he tries."""
    floats = {name: scaled(plane, kernel) for name, kernel in KERNELS.items()}
    cover = np.clip(np.round(floats["LANCZOS"]), 0, 255).astype(np.uint8)
    stego = hidden(cover, bits, seed)
    others = [each for name, each in floats.items() if name != "LANCZOS"]
    return {
        "kernel tried": [np.count_nonzero(side != cover) for side in (cover, stego)],
        "kernel fitted": [left_over(side, others) for side in (cover, stego)],
    }


def decoded(plane):
    """Return a plane as its JPEG file shows it."""
    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, "JPEG", quality=QUALITY)
    with Image.open(buffer) as image:
        return np.asarray(image)


def closed(plane, bits, seed):
    """Return scores of cover and stego for covers whose samples are not free."""
    jpeg = decoded(plane)
    stretched = np.round(np.arange(256) * 1.4 - 51).clip(0, 255).astype(np.uint8)
    wide = stretched[plane]
    allowed = np.isin(np.arange(256), wide)
    return {
        # Compressed once more, most blocks of a decoded file come back as they were.
        "decoded JPEG": [
            np.count_nonzero(decoded(side) != side) for side in (jpeg, hidden(jpeg, bits, seed))
        ],
        "stretched levels": [
            int((~allowed[side]).sum()) for side in (wide, hidden(wide, bits, seed))
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("covers", metavar="ZIP")
    parser.add_argument("table", metavar="CSV")
    parser.add_argument("--payload", default="300B")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--features", action="store_true", help="only matched and pooled")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    names, groups = read_covers(options.covers, options.table, None)
    if options.limit and options.limit < len(names):
        # Some of every set, since the table is sorted by set.
        used = np.unique(np.linspace(0, len(names) - 1, options.limit).astype(int))
        names, groups = [names[k] for k in used], np.unique(groups[used], return_inverse=True)[1]
    known = {name: ([], []) for name in DIMENSION}
    told, rates = {}, []
    with zipfile.ZipFile(options.covers) as archive:
        for number, name in enumerate(names):
            with Image.open(io.BytesIO(archive.read(name))) as image:
                plane = np.asarray(image.convert("L"))
            seed = (options.seed, number)
            bits = Payload.parse(options.payload).bits(plane.size)
            stego = hidden(plane, bits, seed)
            rates.append(np.count_nonzero(stego != plane) / plane.size)
            for side, found in zip((plane, stego), zip(*known.values(), strict=True), strict=True):
                for extract, rows in zip((spam, rich), found, strict=True):
                    rows.append(extract(side))
            attacks = () if options.features else (resized, closed)
            for attack, pair in [item for a in attacks for item in a(plane, bits, seed).items()]:
                told.setdefault(attack, []).append(pair)
            print(f"\r{number + 1} of {len(names)}", end="", file=sys.stderr, flush=True)
    report = {"machine": machine(), "photos": len(names), "scenes": int(groups.max()) + 1,
              "payload": options.payload, "change rate": np.mean(rates)}  # fmt: skip
    for name, sides in known.items():
        covers, stegos = map(np.stack, sides)
        verdict = judge_features(covers, stegos, groups, options.seed, DIMENSION[name])
        report[f"matched, {name}"] = as_json(verdict)
    report["pooled, rich"] = pooled(covers, stegos, groups, options.seed)
    for attack, pairs in told.items():
        scores = np.array(pairs, float).T
        report[attack] = as_json(judge_scores(*scores, groups, options.seed))
    show(report, options.json)


if __name__ == "__main__":
    main()
