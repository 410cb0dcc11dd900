"""Measure what stegos for a channel survive, how many photos are refused, and what it costs.

    python benchmarks/robust.py FOLDER [--channel any] [--photos 200] [--payload 258] [--few]
                                [--json PATH]

FOLDER holds photos in any format that Pillow reads, each of them embedded in once, with a key of
its own and so many random bytes (258 make a body of 300); then every way is tried that
`deephide survive` tries, qualities between, and decoders that round in other ways.  A (photo, way)
pair counts as survived where `deephide.extract` returns the bytes.  Argon2id runs with little
memory, which changes nothing else; processor times are of this process and leave it out.

With `--few` only ways are tried that the sender does not try before it writes a file, and the
robust readings alone are read: a file that its own battery loses is not written.

Libvips and mozjpeg need the extra robust.  Intervals are Wilson's, for 95 %.
"""

import argparse
import collections
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from stc_common import machine, show

import deephide
from deephide.channels import battery, lattice, profiles, receiving
from deephide.channels.battery import Recompressor
from deephide.container import crypto
from deephide.container.keys import SharedKey

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
BETWEEN = (76, 77, 78, 79, 81, 82, 83, 84, 86, 87, 88, 92, 94, 96, 98, 100)
# In a row, as no sender tries them.
NEVER_TRIED = ((82, 88), (80, 85, 90), (92, 84, 77), (75, 80, 85, 90))

# Of the ways that no stego of an ordinary photo survives, or that differ little from others.
FEWER = {
    *(f"{factor} of the size, JPEG 85" for factor in (0.9, 0.75, 0.6, 0.5)),
    *("8 rows and columns less, JPEG 75", "JPEG 50", "JPEG 70", "WebP 80", "AVIF 80", "AVIF 60"),
    *("libvips 90", "libvips 80", "libvips 75", "PNG"),
}


def saved(kind, **options):
    """Return a step that saves with Pillow."""

    def step(picture):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return step


def decoded_otherwise(method):
    """Return a function from a JPEG file to a PNG file, by way of another inverse transform."""

    def way(raw):
        import jpeglib

        path = Path("/tmp") / "robust-benchmark.jpg"
        path.write_bytes(raw)
        image = jpeglib.read_spatial(str(path), dct_method=method)
        return saved("PNG", compress_level=1)(Image.fromarray(np.asarray(image.spatial)))

    return way


def strong_ways():
    """Yield recompressors of strong mode: the sender's own, and others that it never tried."""
    yield from battery.strong_battery()
    yield from battery.half_the_size()
    kernels = Image.Resampling
    for factor, kernel, quality in (
        (0.53, kernels.BICUBIC, 75), (0.58, kernels.BOX, 80), (0.64, kernels.BILINEAR, 75),
        (0.71, kernels.LANCZOS, 90), (0.78, kernels.HAMMING, 75), (0.87, kernels.BICUBIC, 75),
        (0.95, kernels.LANCZOS, 80),
    ):  # fmt: skip
        name = f"{factor} of the size, {kernel.name.lower()}, JPEG {quality}, not tried before"
        yield Recompressor(name, (battery.resized(factor, kernel, quality),))
    for box in ((7, 1, 1, 6), (0, 0, 8, 8), (4, 4, 4, 4), (1, 2, 0, 0)):
        name = "{} + {} columns and {} + {} rows less, not tried before".format(
            *box[::2], *box[1::2]
        )
        yield Recompressor(name, (battery.cropped(*box),))
    for quality in (90, 70, 60):
        yield Recompressor(f"JPEG {quality}", (saved("JPEG", quality=quality),))
    for quality in (90, 70):
        yield Recompressor(f"WebP {quality}", (saved("WEBP", quality=quality),))
    for quality in (75, 45):
        yield Recompressor(f"AVIF {quality}", (saved("AVIF", quality=quality, speed=8),))
    yield Recompressor("PNG", (saved("PNG", compress_level=1),))


def ways(channel, few=False):
    """Yield name and function, from the stego's file to what comes back."""
    if channel == "strong":
        for each in strong_ways():
            yield each.name, lambda raw, each=each: each.apply(battery.as_shown(raw))
        return
    tried = {each.name for each in battery.battery(profiles.parse(channel))}
    more = [battery.hops((q,)) for q in BETWEEN]
    for each in (*battery.channels_to_try(), *map(battery.hops, NEVER_TRIED), *more):
        if few and (each.name in FEWER or tried & {each.name, f"{each.name} 4:2:0"}):
            continue
        yield each.name, lambda raw, each=each: each.apply(battery.as_shown(raw))
    if few:
        return
    for method, name in enumerate(("islow", "ifast", "float")):
        yield f"PNG by {name}", decoded_otherwise(method)


def read_as_robust(raw, shared):
    """Return the plaintext as the robust readings give it, which `extract` tries among others."""
    luma = receiving.luma_of_file(raw)
    return receiving.reveal(luma, shared.at(lattice.salt_of(luma)).channel_keys())


def wilson(hits, tries):
    """Return the 95 % interval of a share."""
    if not tries:
        return 0.0, 1.0
    z, p = 1.96, hits / tries
    middle = (p + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z * np.sqrt(p * (1 - p) / tries + z * z / (4 * tries * tries)) / (1 + z * z / tries)
    return round(float(middle - half), 4), round(float(middle + half), 4)


def measure(options):
    """Return the report."""
    chosen = sorted(p for p in Path(options.folder).iterdir() if p.suffix.lower() in SUFFIXES)
    hits, tried = collections.Counter(), collections.Counter()
    rows, refused = [], []
    for number, path in enumerate(chosen[options.skip : options.skip + options.photos]):
        secret = np.random.default_rng(number).bytes(options.payload)
        key, start = f"key {number}", time.process_time()
        try:
            found = deephide.embed(secret, path, key, codec="file", channel=options.channel)
        except deephide.CapacityError as error:
            refused.append([path.name, str(error)])
            print(f"{path.name}: {error}", file=sys.stderr, flush=True)
            continue
        took, start = time.process_time() - start, time.process_time()
        deephide.extract(found.file, key)
        back = time.process_time() - start
        lost, shared = [], SharedKey(crypto.key_input(key, bytes(32)))
        for name, way in ways(options.channel, options.few):
            try:
                came_back = way(found.file)
                if options.few:
                    survived = read_as_robust(came_back, shared).endswith(secret)
                else:
                    survived = deephide.extract(came_back, key).data == secret
            except deephide.DeephideError:
                survived = False
            except Exception as error:
                print(f"{name}: {error!r}", file=sys.stderr)
                continue
            tried[name] += 1
            hits[name] += survived
            if not survived:
                lost.append(name)
        report = found.channel
        rows.append(
            {
                "photo": path.name,
                "megapixels": round(found.stego.width * found.stego.height / 1e6, 2),
                "step": report.step,
                "headroom": report.headroom,
                "changes": found.changes,
                "psnr": round(found.psnr, 2),
                "embed s": round(took, 2),
                "extract s": round(back, 2),
                "lost": lost,
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return {
        "machine": machine(),
        "channel": options.channel,
        "reading": profiles.parse(options.channel).reading.name,
        "payload": options.payload,
        "photos": len(rows) + len(refused),
        "refused": refused,
        "ways": {
            name: [hits[name], tried[name], *wilson(hits[name], tried[name])] for name in tried
        },
        "steps": collections.Counter(str(row["step"]) for row in rows),
        "psnr, median and least": [
            float(f([row["psnr"] for row in rows] or [0])) for f in (np.median, np.min)
        ],
        "embed s, median": float(np.median([row["embed s"] for row in rows] or [0])),
        "extract s, median": float(np.median([row["extract s"] for row in rows] or [0])),
        "rows": rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--channel", default="any")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--skip", type=int, default=0, help="photos to leave out at the beginning")
    parser.add_argument("--payload", type=int, default=258)
    parser.add_argument(
        "--few", action="store_true", help="fewer ways, and the robust readings alone"
    )
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    crypto.ARGON2_MEMORY_KIB, crypto.ARGON2_ITERATIONS, crypto.ARGON2_LANES = 32, 1, 1
    show(measure(options), options.json)


if __name__ == "__main__":
    main()
