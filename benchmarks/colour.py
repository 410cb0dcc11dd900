"""Detectability of synchronised colour channels, against features that look across channels.

    python benchmarks/colour.py jpeg.zip jpeg.csv [--limit 160] [--payload 0.2] [--json FILE]

The zip holds colour JPEG files, the table their file and source.  Each is scaled down by 3, which
takes the traces of JPEG away, and hides the same number of bits at HILL costs by a perfect code:

    apart        over all channels, each sample with its own direction
    sync N       the same with `stc.costs.sync_channels` at strength N
    in turn      green, red, blue one after the other, where a change in the direction that earlier
                 channels of the pixel took costs a ninth (as CMD-C has it)

Judges: SPAM of the channels, SPAM of their differences, and how often residuals of the three
channels occur together at a pixel (after Goljan, Fridrich and Cogranne 2014).  Photos of one source
are on one side of every split; protocol and ensemble are those of docs/lab.md.
"""

import argparse
import csv
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from stc_common import machine

import stc
from deephide.lab.features import spam
from deephide.lab.protocol import judge_features

SCALE, DISCOUNT = 3, 9
STRENGTHS = (0, 4, 8)
LIMIT = 2  # residuals are truncated to this
DIMENSION = 200
# Axes along which differences are taken, one after the other.
KERNELS = ((0,), (1,), (0, 0), (1, 1), (0, 0, 1, 1))


def read(archive, table, limit):
    """Return the photos as (H, W, 3) uint8, and the number of the source of each."""
    rows = list(csv.DictReader(Path(table).read_text(encoding="utf-8").splitlines()))
    photos, sources = [], []
    with zipfile.ZipFile(archive) as held:
        for row in rows:
            with Image.open(io.BytesIO(held.read(row["file"]))) as image:
                small = np.asarray(image.convert("RGB").reduce(SCALE))
            if image.mode == "RGB" and (small[..., 0] != small[..., 1]).any():
                photos.append(small)
                sources.append(row["source"])
            if len(photos) == limit:
                break
    numbers = {name: k for k, name in enumerate(dict.fromkeys(sources))}
    return photos, np.array([numbers[name] for name in sources])


def costs_of(photo):
    """Return HILL costs of the changes by +1 and -1, (H, W, 3) each."""
    rho = np.stack([stc.costs.hill(np.ascontiguousarray(photo[..., c])) for c in range(3)], axis=-1)
    return stc.costs.wet(photo, rho)


def together(photo, bits, strength, rng):
    """Hide in all channels at once."""
    up, down = costs_of(photo)
    if strength:
        up, down = stc.costs.sync_channels(up, down, bits, rng, strength=strength)
    return stc.simulate(photo, up, down, bits, rng)


def in_turn(photo, bits, rng):
    """Hide a third in each channel, which follows the directions of those before."""
    up, down = costs_of(photo)
    moved = np.zeros(photo.shape[:2], int)
    stego = photo.copy()
    for channel in (1, 0, 2):
        costs = (
            np.where(moved > 0, up[..., channel] / DISCOUNT, up[..., channel]),
            np.where(moved < 0, down[..., channel] / DISCOUNT, down[..., channel]),
        )
        plane = np.ascontiguousarray(photo[..., channel])
        stego[..., channel] = stc.simulate(plane, *costs, bits // 3, rng)
        moved += stego[..., channel].astype(int) - plane
    return stego


def across(photo):
    """Return how often truncated residuals of red, green and blue occur together."""
    out = []
    base = 2 * LIMIT + 1
    for kernel in KERNELS:
        residual = photo.astype(int)
        for axis in kernel:
            residual = np.diff(residual, axis=axis)
        levels = np.clip(np.round(residual / len(kernel)), -LIMIT, LIMIT).astype(int) + LIMIT
        codes = (levels[..., 0] * base + levels[..., 1]) * base + levels[..., 2]
        out.append(np.bincount(codes.ravel(), minlength=base**3) / codes.size)
    return np.concatenate(out)


def features(photo):
    """Return the features of each judge."""
    planes = [np.ascontiguousarray(photo[..., c]) for c in range(3)]
    signed = photo.astype(np.int32)
    pairs = [signed[..., a] - signed[..., b] for a, b in ((0, 1), (2, 1))]
    return {
        "channels": np.mean([spam(plane) for plane in planes], axis=0),
        "differences": np.mean([spam(np.ascontiguousarray(pair)) for pair in pairs], axis=0),
        "across": across(photo),
    }


def facts(cover, stego):
    """Return the change rate, and the mean product of signs of changes at one pixel."""
    change = stego.astype(int) - cover
    products = [change[..., a] * change[..., b] for a, b in ((0, 1), (0, 2), (1, 2))]
    both = sum(np.count_nonzero(each) for each in products)
    return [np.count_nonzero(change) / change.size, sum(p.sum() for p in products) / max(both, 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("covers", metavar="ZIP")
    parser.add_argument("table", metavar="CSV")
    parser.add_argument("--limit", type=int, default=160)
    parser.add_argument("--payload", type=float, default=0.2, help="bits per sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    photos, sources = read(options.covers, options.table, options.limit)
    schemes = {"apart" if not s else f"sync {s}": s for s in STRENGTHS}
    known = {name: [] for name in ("cover", *schemes, "in turn")}
    told = {name: [] for name in known}
    for number, photo in enumerate(photos):
        bits = 3 * (int(options.payload * photo.size) // 3)
        stegos = {"cover": photo}
        for name, strength in schemes.items():
            rng = np.random.default_rng((options.seed, number))
            stegos[name] = together(photo, bits, strength, rng)
        stegos["in turn"] = in_turn(photo, bits, np.random.default_rng((options.seed, number, 1)))
        for name, stego in stegos.items():
            known[name].append(features(stego))
            told[name].append(facts(photo, stego))
        print(f"\r{number + 1} of {len(photos)}", end="", file=sys.stderr, flush=True)
    judges = list(known["cover"][0])
    matrices = {
        name: {judge: np.stack([each[judge] for each in found]) for judge in judges}
        for name, found in known.items()
    }
    for name in known:
        matrices[name]["all"] = np.hstack([matrices[name][judge] for judge in judges])
    rows = []
    for name in (*schemes, "in turn"):
        rate, product = np.mean(told[name], axis=0)
        row = {"scheme": name, "change_rate": rate, "mean product of signs": product}
        for judge in (*judges, "all"):
            verdict = judge_features(
                matrices["cover"][judge], matrices[name][judge], sources, options.seed, DIMENSION
            )
            row[judge] = [np.mean(verdict.errors), np.std(verdict.errors)]
            row[f"{judge}, chance"] = [np.mean(verdict.chance), np.std(verdict.chance)]
        rows.append(row)
        print(json.dumps(row), flush=True)
    report = {"machine": machine(), "photos": len(photos), "sources": int(sources.max()) + 1,
              "payload": options.payload, "rows": rows}  # fmt: skip
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
