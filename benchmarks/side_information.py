r"""Detectability with and without side information, on covers without a past, or on JPEG.

    python benchmarks/side_information.py gray256.zip gray256.csv -o runs/side
    python benchmarks/side_information.py jpeg.zip jpeg.csv --quality 75 -o runs/side75
    python benchmarks/side_information.py jpeg.zip jpeg.csv --own-quality --payloads 300B \
        -o runs/own
    python benchmarks/side_information.py scenes.zip --side 1024 --shrink 1 --quality 75 \
        --payloads 300B -o runs/megapixel75

The zip holds photos, the table their file, set and source; without a table, photos in one folder
are of one scene, as `covers.py` makes both.  Each is made smaller by --shrink as `embed --shrink`
does, and with --quality compressed as `--quality-jpeg` does; then containers of each payload are
hidden with the errors of rounding known, and, as the ablation, without.  Payloads are bytes in all,
as 112B, or bits per sample, as 0.4.  The stegos are kept, and a stopped run goes on.

With --own-quality JPEG files are carriers as they come, of which no errors of rounding are known.
Payloads are for a megapixel there, and each file gets what is as dense by the square root law.
Files of cameras, and of each of a few qualities, are judged apart too.

Photos of one scene are on one side of every split: the two cameras of City100 and the flights of
which there are many frames.  Detectors and protocol are those of docs/lab.md.
"""

import argparse
import csv
import io
import json
import math
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from cheap_keys import cheap_keys
from covers import scene_of
from jpeg_detect import names_in_turns
from PIL import Image
from stc_common import machine, show

from deephide.container import hiding
from deephide.container.keys import Access
from deephide.covers import jpeg
from deephide.covers.jpeg import JpegCover
from deephide.covers.precovers import Making, make
from deephide.errors import DeephideError
from deephide.lab import jpeg_features
from deephide.lab.conditions import Payload
from deephide.lab.covers import ImageSet, groups_of
from deephide.lab.features import rich, spam
from deephide.lab.protocol import judge_features

FRAMING = 44  # bytes of a container around its plaintext
DIMENSION = {"spam": 200, "rich": 250, "dctr": 200, "gfr": 250}
LARGEST = 256  # samples on a side before anything is made of a photo, by default
MEGAPIXEL = 2**20
QUALITIES = (75, 90, 95)  # of which there are files enough to be judged apart


def read_covers(archive, table, limit):
    """Return the names of the photos and the number of the scene of each."""
    if table is None:
        names = ImageSet(Path(archive)).names
        names = names_in_turns(names, limit or len(names))
        return names, groups_of(names)
    rows = list(csv.DictReader(Path(table).read_text(encoding="utf-8").splitlines()))
    rows = rows[: limit or len(rows)]
    held = set(zipfile.ZipFile(archive).namelist())
    rows = [row for row in rows if row["file"] in held]
    scenes = {name: k for k, name in enumerate(dict.fromkeys(map(scene_of, rows)))}
    return [row["file"] for row in rows], np.array([scenes[scene_of(row)] for row in rows])


def own_qualities(table, names):
    """Return the quality of each JPEG file, and which files are to be judged together."""
    rows = {row["file"]: row for row in csv.DictReader(Path(table).open(encoding="utf-8"))}
    quality = np.array([int(rows[name]["qf_luma"]) for name in names])
    cameras = np.array([not rows[name]["set"].startswith("alaska") for name in names])
    parts = {"all": quality > 0, "cameras": cameras}
    return quality, parts | {f"quality {each}": quality == each for each in QUALITIES}


def cropped(raw, side):
    """Return the middle of a photo, so many samples on a side."""
    with Image.open(io.BytesIO(raw)) as image:
        image.load()
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def hidden(cover, size, rng):
    """Return the stego's elements of a container of so many bytes, and what it took."""
    secret = Access(rng.bytes(8).hex(), None, (), False, rng.bytes).sealer(bytes(32))
    key = secret.at(cover.salt(cover.elements))
    plaintext = rng.bytes(max(size - FRAMING, 10))
    found = hiding.hide(
        cover.elements, *cover.costs(), key, plaintext, cover.associated, random=rng.bytes
    )
    return found.elements, found.changes


def features(cover, elements, quality):
    """Return what the detectors see of a stego."""
    if isinstance(cover, JpegCover):
        samples = jpeg_features.luma(cover.encode(elements))
        return {
            "dctr": jpeg_features.dctr(samples, quality),
            "gfr": jpeg_features.gfr(samples, quality),
        }
    plane = elements.reshape(cover.samples.shape)[:, :, 0]
    return {"spam": spam(plane), "rich": rich(plane)}


def squared_error(cover, elements):
    """Return the squared error that changes add to that of rounding, for each element."""
    change = elements.astype(np.float64) - cover.elements
    errors = 0.0 if cover.errors is None else cover.errors.reshape(-1)
    return float(((change - errors) ** 2 - errors**2).mean())


def covers_of(raw, options):
    """Return the cover of a photo without its errors of rounding and, where it has any, with."""
    if options.own_quality:
        return {"without": jpeg.open_file(raw)}
    making = Making(scale=options.shrink, quality=options.quality)
    cover, _ = make(cropped(raw, options.side), making)
    if options.quality is None:
        return {"without": replace(cover, errors=None), "with": cover}
    return {"without": JpegCover(cover.coefficients), "with": cover}


def size_of(payload, cover, options):
    """Return the bytes in all that a payload means in a cover."""
    if not options.own_quality:
        return payload.bits(cover.elements.size) // 8
    width, height, _ = cover.shape
    return round(payload.bits(MEGAPIXEL) / 8 * math.sqrt(width * height / MEGAPIXEL))


def measure_photo(raw, options, seed, quality):
    """Return features, stegos and facts of a photo under all conditions; None if one fails."""
    try:
        covers = covers_of(raw, options)
        cover = list(covers.values())[-1]
        rows = {"cover": (cover.elements, 0)}
        for payload in options.payloads:
            size = size_of(payload, cover, options)
            for name, used in covers.items():
                rng = np.random.default_rng((seed, size))
                rows[f"{payload} {name}"] = hidden(used, size, rng)
    except DeephideError as error:
        print(f"\nleft out: {error}", file=sys.stderr)
        return None
    out = {}
    for name, (elements, changes) in rows.items():
        found = features(cover, elements, quality)
        facts = [changes / elements.size, squared_error(cover, elements)]
        out[name] = {"facts": facts, "stego": elements, **found}
    return out


def kept_at(options, name):
    """Return the file of what was measured of a photo."""
    return Path(options.output) / f"{name.replace('/', '--')}.npz"


def collect(options):
    """Measure what is not measured yet; return names, scenes and which are judged together."""
    names, scenes = read_covers(options.covers, options.table, options.limit)
    quality, parts = [options.quality] * len(names), {"all": np.ones(len(names), bool)}
    if options.own_quality:
        quality, parts = own_qualities(options.table, names)
    archive, folder = zipfile.ZipFile(options.covers), Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    kept = []
    for seed, name in enumerate(names):
        print(f"\r{seed + 1} of {len(names)}", end="", file=sys.stderr, flush=True)
        path = kept_at(options, name)
        if not path.exists():
            found = measure_photo(archive.read(name), options, seed, quality[seed])
            flat = (
                {}
                if found is None
                else {
                    f"{condition}|{kind}": np.asarray(value)
                    for condition, each in found.items()
                    for kind, value in each.items()
                }
            )
            np.savez(path, **flat)
        with np.load(path) as stored:
            kept.append(bool(stored.files))
    print(file=sys.stderr)
    kept = np.array(kept)
    names = [n for n, k in zip(names, kept, strict=True) if k]
    return names, scenes[kept], {part: each[kept] for part, each in parts.items()}


def load(options, names, condition, kind):
    """Return what was kept of all photos under a condition."""
    found = []
    for name in names:
        with np.load(kept_at(options, name)) as stored:
            found.append(stored[f"{condition}|{kind}"].astype(np.float64))
    return np.array(found)


def judge_part(facts, covers, stegos, groups):
    """Return the row of a condition, for photos of these groups."""
    rate, error = facts.mean(axis=0)
    row = {"covers": len(groups), "change rate": rate, "added squared error": error}
    for kind in covers:
        verdict = judge_features(covers[kind], stegos[kind], groups, 1, DIMENSION[kind])
        row[kind] = {
            "P_E": round(float(np.mean(verdict.errors)), 4),
            "deviation": round(float(np.std(verdict.errors)), 4),
            "chance": round(float(np.mean(verdict.chance)), 4),
            "chance deviation": round(float(np.std(verdict.chance)), 4),
            "trained": round(float(np.mean(verdict.trained_errors)), 4),
        }
    return row


def judge(options):
    """Return the report."""
    names, scenes, parts = collect(options)
    samples = options.quality is None and not options.own_quality
    detectors = ("spam", "rich") if samples else ("dctr", "gfr")
    covers = {kind: load(options, names, "cover", kind) for kind in detectors}
    rows = {}
    for payload in options.payloads:
        for side in ("without",) if options.own_quality else ("without", "with"):
            condition = f"{payload} {side}"
            facts = load(options, names, condition, "facts")
            stegos = {kind: load(options, names, condition, kind) for kind in detectors}
            for part, mask in parts.items():
                if not mask.any():
                    continue
                some, others = (
                    {kind: each[mask] for kind, each in every.items()} for every in (covers, stegos)
                )
                groups = np.unique(scenes[mask], return_inverse=True)[1]
                row = judge_part(facts[mask], some, others, groups)
                rows[condition if part == "all" else f"{condition}, {part}"] = row
                print(payload, side, part, json.dumps(row), flush=True)
    return {
        "machine": machine(),
        "covers": len(names),
        "scenes": np.unique(scenes).size,
        "shrink": None if options.own_quality else options.shrink,
        "quality": "own" if options.own_quality else options.quality,
        "rows": rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("covers", metavar="ZIP")
    parser.add_argument("table", metavar="CSV", nargs="?")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER")
    parser.add_argument("--shrink", type=float, default=0.75)
    parser.add_argument("--side", type=int, default=LARGEST, help="of the part of a photo used")
    parser.add_argument("--quality", type=int, help="of JPEG; without it samples are judged")
    parser.add_argument("--own-quality", action="store_true", help="JPEG files as they come")
    parser.add_argument("--payloads", default="112B,0.1,0.4", help="separated by commas")
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    if options.own_quality and not options.table:
        parser.error("--own-quality needs the table")
    options.payloads = [Payload.parse(each) for each in options.payloads.split(",")]
    cheap_keys()
    show(judge(options), Path(options.output) / "report.json")


if __name__ == "__main__":
    main()
