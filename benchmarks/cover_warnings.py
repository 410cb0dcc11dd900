"""False alarms and misses of the warnings about covers, on the portraits of `../shared`.

    python benchmarks/cover_warnings.py --json cover_warnings.json

Photos are the 40 portraits reduced to 512, 700 and 341 pixels a side, which removes their JPEG
history.  Positives are made of the first: enlarged by several scales and filters, or sent through
JPEG and WebP.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from deephide.covers.history import looks_decompressed, looks_upscaled
from deephide.covers.opening import open_cover

ROOT = Path(__file__).resolve().parents[1]
PORTRAITS = ROOT.parent / "shared" / "data" / "portraits"
REDUCED = {512: "LANCZOS", 700: "BICUBIC", 341: "BOX"}
SCALES = (1.25, 1.5, 1.7, 2, 2.3, 3, 4)
FILTERS = ("NEAREST", "BILINEAR", "BICUBIC", "LANCZOS")
QUALITIES = {"JPEG": (50, 75, 85, 90, 95, 98), "WEBP": (50, 80, 95)}


def resized(picture, side, name):
    return picture.resize((side, side), Image.Resampling[name])


def through(picture, kind, quality):
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return Image.open(buffer).convert("RGB")


def count(pictures):
    arrays = [np.asarray(picture) for picture in pictures]
    notes = [open_cover(Image.fromarray(array)).warnings() for array in arrays]
    words = ("JPEG", "enlarged", "perfectly flat", "fully black", "tiny")
    found = {word: sum(any(word in note for note in each) for each in notes) for word in words}
    found["looks decompressed"] = sum(looks_decompressed(array) for array in arrays)
    found["looks upscaled"] = sum(looks_upscaled(array) for array in arrays)
    return {"pictures": len(arrays), **found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    originals = [Image.open(path).convert("RGB") for path in sorted(PORTRAITS.glob("*.jpg"))]
    if not originals:
        raise SystemExit(f"no portraits in {PORTRAITS}")
    rows = {"portraits as they are (JPEG)": count(originals)}
    for side, name in REDUCED.items():
        rows[f"reduced to {side}"] = count([resized(p, side, name) for p in originals])
    photos = [resized(p, 512, REDUCED[512]) for p in originals]
    for scale in SCALES:
        for name in FILTERS:
            large = [resized(p, int(512 * scale), name) for p in photos]
            rows[f"enlarged {scale} {name.lower()}"] = count(large)
    for kind, qualities in QUALITIES.items():
        for quality in qualities:
            rows[f"{kind} {quality}"] = count([through(p, kind, quality) for p in photos])
    for name, row in rows.items():
        print(f"{name:30s}", "  ".join(f"{key} {value}" for key, value in row.items()))
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
