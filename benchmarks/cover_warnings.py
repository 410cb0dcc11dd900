"""False alarms and misses of the warnings about covers, on the covers and portraits of `../shared`.

    python benchmarks/cover_warnings.py --json cover_warnings.json

Ordinary photos are the gray tiles (those of City100 apart: see docs/threat-model.md), the camera's
JPEG files scaled down to a third, and the portraits scaled down to 512, 700 and 341 pixels, which
removes their JPEG history.  All else is made of every tenth of those: sent through JPEG and WebP,
as frames of videos, enlarged, filtered.  Recompressed files are held against the camera's own.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from deephide.covers import history
from deephide.covers.jpeg import open_file
from deephide.errors import DeephideError

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REDUCED = {512: "LANCZOS", 700: "BICUBIC", 341: "BOX"}
FILTERS = ("NEAREST", "BILINEAR", "BICUBIC", "LANCZOS")
QUALITIES = (50, 60, 70, 75, 80, 85, 90, 95, 98, 100)
TRACES = {
    "colours": lambda samples: history.find_conversion(samples) is not None,
    "lattice": history.looks_decompressed,
    "predictable": history.looks_predictable,
    "demosaiced": history.looks_demosaiced,
    "upscaled": history.looks_upscaled,
    "median": history.looks_median_filtered,
}
BETRAYING = ("colours", "lattice", "predictable", "demosaiced")


def members(name, suffix):
    with zipfile.ZipFile(DATA / "covers" / name) as archive:
        for member in sorted(archive.namelist()):
            if member.endswith(suffix):
                yield member, archive.read(member)


def gray_tiles():
    """Return the tiles, and those of City100 with their camera."""
    tiles, city = [], {"nikon": [], "iphone": []}
    for name, raw in members("gray256.zip", ".png"):
        kind = next((camera for camera in city if f"city100-{camera}" in name), None)
        (tiles if kind is None else city[kind]).append(Image.open(io.BytesIO(raw)).convert("L"))
    return tiles, city


def colour_photos():
    found = []
    for index, (_, raw) in enumerate(members("jpeg.zip", ".jpg")):
        image = Image.open(io.BytesIO(raw))
        if image.mode == "RGB":
            size = (round(image.width / 3), round(image.height / 3))
            found.append(image.resize(size, Image.Resampling[FILTERS[1 + index % 3]]))
    for path in sorted((DATA / "portraits").glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        found += [image.resize((s, s), Image.Resampling[name]) for s, name in REDUCED.items()]
    return [image for image in found if np.ptp(np.asarray(image), axis=2).any()]


def through(image, kind, quality, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality, **options)
    return Image.open(buffer).convert(image.mode)


def video(image, red, blue):
    """Limited range, chroma at half the size."""
    luma = np.array([red, 1 - red - blue, blue])
    chroma = [
        (np.array([0, 0, 1]) - luma) / (2 - 2 * blue),
        (np.array([1, 0, 0]) - luma) / (2 - 2 * red),
    ]
    matrix = np.stack([luma * 219, chroma[0] * 224, chroma[1] * 224]) / 255
    planes = np.rint(np.asarray(image) @ matrix.T + [16, 128, 128])
    size = planes[:, :, 0].shape
    for index in (1, 2):
        half = Image.fromarray(planes[:, :, index].astype(np.uint8)).reduce(2)
        planes[:, :, index] = np.asarray(half.resize(size[::-1], Image.Resampling.BILINEAR))
    back = (planes - [16, 128, 128]) @ np.linalg.inv(matrix).T
    return Image.fromarray(np.clip(np.rint(back), 0, 255).astype(np.uint8))


def enlarged(image, scale, name):
    size = (int(image.width * scale), int(image.height * scale))
    return image.resize(size, Image.Resampling[name])


def crop(image, width=128, height=96):
    """Cut a part off the grid of JPEG."""
    return image.crop((5, 3, 5 + width, 3 + height))


def count(images):
    """Return how many images have each trace."""
    found = dict.fromkeys(TRACES, 0)
    for samples in map(samples_of, images):
        for name, check in TRACES.items():
            found[name] += bool(check(samples))
    return {"images": len(images), **found}


def count_first(images):
    """Return how many images have each trace as the first one, in their order."""
    found = dict.fromkeys(TRACES, 0)
    for samples in map(samples_of, images):
        first = next((name for name, check in TRACES.items() if check(samples)), None)
        if first is not None:
            found[first] += 1
    betrayed = sum(found[name] for name in BETRAYING)
    return {"images": len(images), **found, "betrayed": betrayed}


def samples_of(image):
    return np.atleast_3d(np.asarray(image))


def recompressed(files):
    """Return how many of some JPEG files look compressed twice."""
    found, read = 0, 0
    for raw in files:
        try:
            coefficients = open_file(raw).coefficients
        except DeephideError:
            continue
        read += 1
        table = coefficients.file.quantization[0]
        found += bool(history.looks_recompressed(coefficients.planes()[0], table))
    return {"images": read, "twice": found}


def file_of(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def ordinary():
    """Yield a name and a counter for each kind of ordinary photos."""
    tiles, city = gray_tiles()
    yield "gray tiles", lambda: count(tiles)
    yield "gray tiles, 128 x 96", lambda: count([crop(tile) for tile in tiles])
    yield "colour photos", lambda: count(colour_photos())
    for camera, images in city.items():
        yield f"City100, {camera}", lambda images=images: count(images)
    files = [raw for _, raw in members("jpeg.zip", ".jpg")]
    yield "JPEG files of cameras", lambda: recompressed(files)


def changed(step):
    """Yield a name and a counter for each kind of images made of them."""
    gray, colour = gray_tiles()[0][::step], colour_photos()[::step]
    both = [*gray, *colour]

    def row(images, change):
        return lambda: count_first([change(image) for image in images])

    for quality in QUALITIES:
        for name, sampling in (("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)):
            save = partial(through, kind="JPEG", quality=quality, subsampling=sampling)
            yield f"JPEG {quality} {name}", row(colour, save)
        save = partial(through, kind="JPEG", quality=quality)
        yield f"gray JPEG {quality}", row(gray, save)
        yield f"gray JPEG {quality}, cut", row(gray, lambda image, save=save: crop(save(image)))
    for quality in (20, 50, 80, 95, 100):
        yield f"WebP {quality}", row(colour, partial(through, kind="WEBP", quality=quality))
    yield "video BT.601", row(colour, partial(video, red=0.299, blue=0.114))
    yield "video BT.709", row(colour, partial(video, red=0.2126, blue=0.0722))
    for scale in (1.25, 1.5, 1.7, 2, 3):
        for name in FILTERS:
            yield f"enlarged {scale} {name}", row(both, partial(enlarged, scale=scale, name=name))
    for size in (3, 5):
        median = ImageFilter.MedianFilter(size)
        yield f"median {size} x {size}", row(both, lambda image, by=median: image.filter(by))
    for first, second in itertools.product((60, 75, 85, 90), (75, 85, 90, 95)):

        def twice(first=first, second=second):
            return recompressed(file_of(through(image, "JPEG", first), second) for image in gray)

        yield f"twice JPEG {first}, then {second}", twice


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="PATH")
    parser.add_argument("--step", type=int, default=10, help="change every N-th photo")
    parser.add_argument("--only", default="", help="rows whose name begins with this")
    options = parser.parse_args()
    found, start = {}, time.process_time()
    for name, counter in itertools.chain(ordinary(), changed(options.step)):
        if not name.startswith(options.only):
            continue
        found[name] = counter()
        line = "  ".join(f"{key} {value}" for key, value in found[name].items() if value)
        print(f"{name:26s}", line, flush=True)
    print(f"{time.process_time() - start:.0f} s of processor time")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
