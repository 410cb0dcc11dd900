"""Measure what stegos for a channel survive, how many photos are refused, and what it costs.

    python benchmarks/robust.py FOLDER [--channel any] [--photos 200] [--payload 258] [--few]
                                [--shrink 1733px] [--except REGEX] [--canvas CHROMIUM]
                                [--command NAME=COMMAND ...] [--keep FOLDER] [--json PATH]

FOLDER holds photos in any format that Pillow reads, each of them embedded in once, with a key of
its own and so many random bytes (258 make a body of 300); then every way is tried that
`deephide survive` tries, qualities between, and decoders that round in other ways.  A (photo, way)
pair counts as survived where `deephide.extract` returns the bytes.  Argon2id runs with little
memory, which changes nothing else; processor times are of this process and leave it out.

With `--few` only ways are tried that the sender does not try before it writes a file, and the
robust readings alone are read, or the strong one: a file that its own battery loses is not written.
With `--except` ways are left out whose names hold what a regular expression describes.

Libvips and mozjpeg need the extra robust.  `--canvas /usr/bin/chromium` saves through a browser's
canvas (with playwright), and each `--command 'ImageMagick 80=convert {in} -quality 80 {out}'` by
another program, which finds the stego's file at {in}; {out} ends in .jpg.  With `--keep` every
stego and its cover are kept as files, for `robust_detect.py --kept`.  Intervals are Wilson's, for
95 %.
"""

import argparse
import base64
import collections
import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from cheap_keys import cheap_keys
from PIL import Image
from stc_common import machine, show

import deephide
from deephide.channels import battery, lattice, profiles, receiving
from deephide.channels.battery import Recompressor
from deephide.channels.strong import reading
from deephide.container import crypto
from deephide.container.keys import SharedKey

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
BETWEEN = (76, 77, 78, 79, 81, 82, 83, 84, 86, 87, 88, 92, 94, 96, 98, 100)
# In a row, as no sender tries them.
NEVER_TRIED = ((92, 92), (82, 88), (80, 85, 90), (92, 84, 77), (75, 80, 85, 90))
# Qualities and tables of mozjpeg, its own and the standard one; `--few` leaves out the sender's.
MOZJPEG = (*((quality, 3) for quality in (88, 86, 84, 83, 82, 78)), (85, 0), (80, 0), (75, 0))
CANVAS = (92, 85, 80, 75)
# Of strong mode, besides WebP 80 and AVIF 60, which its sender tries.
WEBP, AVIF = (95, 90, 85, 70), (90, 80, 70, 45)

# Of the ways that no stego of an ordinary photo survives, or that differ little from others.
FEWER = {
    *(f"{factor} of the size, JPEG 85" for factor in (0.9, 0.75, 0.6, 0.5)),
    *("8 rows and columns less, JPEG 75", "JPEG 50", "JPEG 70", "WebP 80", "AVIF 80", "AVIF 60"),
    "PNG",
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


def through(command):
    """Return a function from a JPEG file to what another program makes of it."""

    def way(raw):
        with tempfile.TemporaryDirectory() as folder:
            before, after = Path(folder) / "in.jpg", Path(folder) / "out.jpg"
            before.write_bytes(raw)
            paths = {"{in}": str(before), "{out}": str(after)}
            words = [paths.get(word, word) for word in shlex.split(command)]
            subprocess.run(words, check=True, capture_output=True)
            return after.read_bytes()

    return way


def mozjpeg(quality, table):
    """Return a function from a JPEG file to what mozjpeg makes of it with one of its tables."""

    def way(raw):
        import pyvips

        image = pyvips.Image.new_from_buffer(raw, "")
        return bytes(image.jpegsave_buffer(**battery.vips_options(quality, True, table)))

    return way


class Canvas:
    """A browser that decodes a file, draws it, and saves it as JPEG."""

    SCRIPT = """async ([data, quality]) => {
        const image = new Image();
        image.src = "data:image/jpeg;base64," + data;
        await image.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        canvas.getContext("2d").drawImage(image, 0, 0);
        return canvas.toDataURL("image/jpeg", quality / 100).split(",")[1];
    }"""

    def __init__(self, program):
        from playwright.sync_api import sync_playwright

        browser = sync_playwright().start().chromium
        arguments = ["--no-sandbox"]
        self.page = browser.launch(executable_path=program, args=arguments).new_page()

    def saved(self, quality):
        """Return a function from a JPEG file to what the browser saves."""

        def way(raw):
            data = base64.b64encode(raw).decode()
            return base64.b64decode(self.page.evaluate(self.SCRIPT, [data, quality]))

        return way


def strong_ways(few):
    """Yield recompressors of strong mode: the sender's own, and others that it never tried."""
    if not few:
        yield from battery.strong_battery()
    yield from battery.half_the_size()
    kernels = Image.Resampling
    for factor, kernel, quality in (
        (0.53, kernels.BICUBIC, 75), (0.56, kernels.BOX, 80), (0.61, kernels.BOX, 75),
        (0.64, kernels.BILINEAR, 75), (0.71, kernels.LANCZOS, 90), (0.73, kernels.NEAREST, 85),
        (0.78, kernels.HAMMING, 75), (0.81, kernels.BOX, 80), (0.87, kernels.BICUBIC, 75),
        (0.95, kernels.LANCZOS, 80),
    ):  # fmt: skip
        name = f"{factor} of the size, {kernel.name.lower()}, JPEG {quality}, not tried before"
        yield Recompressor(name, (battery.resized(factor, kernel, quality),))
    for box in ((7, 1, 1, 6), (0, 8, 8, 0), (4, 4, 4, 4), (1, 2, 0, 0)):
        name = "{} + {} columns and {} + {} rows less, not tried before".format(
            *box[::2], *box[1::2]
        )
        yield Recompressor(name, (battery.cropped(*box),))
    for quality in (90, 70, 60):
        yield Recompressor(f"JPEG {quality}", (saved("JPEG", quality=quality),))
    for quality in WEBP:
        yield Recompressor(f"WebP {quality}", (saved("WEBP", quality=quality),))
    for quality in AVIF:
        yield Recompressor(f"AVIF {quality}", (saved("AVIF", quality=quality, speed=8),))
    yield Recompressor("PNG", (saved("PNG", compress_level=1),))


def other_ways(options):
    """Return names and functions of the programs that the options name, and of mozjpeg."""
    found = {}
    if battery.has_vips():
        for quality, table in MOZJPEG:
            kind = "" if table == 3 else ", standard table"
            found[f"mozjpeg {quality}{kind}, not tried before"] = mozjpeg(quality, table)
    if options.canvas:
        canvas = Canvas(options.canvas)
        found |= {f"Chromium's canvas {quality}": canvas.saved(quality) for quality in CANVAS}
    for each in options.command:
        name, _, command = each.partition("=")
        found[name] = through(command)
    return found


def ways(channel, few, others):
    """Yield name and function, from the stego's file to what comes back."""
    if channel == "strong":
        yield from others.items()
        for each in strong_ways(few):
            yield each.name, lambda raw, each=each: each.apply(battery.as_shown(raw))
        return
    tried = {each.name for each in battery.battery(battery.attempts(profiles.parse(channel))[0])}
    for name, way in others.items():
        if not few or name.partition(", not tried")[0] not in tried:
            yield name, way
    more = [battery.hops((q,)) for q in BETWEEN]
    for each in (*battery.channels_to_try(), *map(battery.hops, NEVER_TRIED), *more):
        if few and (each.name in FEWER or tried & {each.name, f"{each.name} 4:2:0"}):
            continue
        yield each.name, lambda raw, each=each: each.apply(battery.as_shown(raw))
    if few:
        return
    for method, name in enumerate(("islow", "ifast", "float")):
        yield f"PNG by {name}", decoded_otherwise(method)


def read_as_robust(raw, shared, strong):
    """Return the plaintext as the robust readings give it, which `extract` tries among others."""
    luma = receiving.luma_of_file(raw)
    key = shared.at(lattice.salt_of(luma))
    if strong:
        return reading.reveal(receiving.samples_of_file(raw), key.strong_keys())
    return receiving.reveal(luma, key.channel_keys())


def wilson(hits, tries):
    """Return the 95 % interval of a share."""
    if not tries:
        return 0.0, 1.0
    z, p = 1.96, hits / tries
    middle = (p + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z * np.sqrt(p * (1 - p) / tries + z * z / (4 * tries * tries)) / (1 + z * z / tries)
    return round(float(middle - half), 4), round(float(middle + half), 4)


def outcomes(file, key, secret, options, others):
    """Yield every way's name, and whether what is hidden survived it."""
    shared = SharedKey(crypto.key_input(key, bytes(32)))
    for name, way in ways(options.channel, options.few, others):
        if options.left_out and re.search(options.left_out, name):
            continue
        try:
            came_back = way(file)
            if options.few:
                found = read_as_robust(came_back, shared, options.channel == "strong")
                yield name, found.endswith(secret)
            else:
                yield name, deephide.extract(came_back, key).data == secret
        except deephide.DeephideError:
            yield name, False
        except Exception as error:
            print(f"{name}: {error!r}", file=sys.stderr)


def keep(found, stem, folder):
    """Keep a stego and its cover as files."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for kind, raw in (("cover", found.channel.cover), ("stego", found.file)):
        (Path(folder) / f"{stem}.{kind}.jpg").write_bytes(raw)


class Results:
    """What became of the photos so far."""

    def __init__(self):
        self.hits, self.tried = collections.Counter(), collections.Counter()
        self.rows, self.refused = [], []

    def add(self, path, number, options, others):
        """Embed in a photo and try every way."""
        secret = np.random.default_rng(number).bytes(options.payload)
        key, start = f"key {number}", time.process_time()
        try:
            found = deephide.embed(
                secret, path, key, codec="file", channel=options.channel, shrink=options.shrink
            )
        except deephide.CapacityError as error:
            self.refused.append([path.name, str(error)])
            print(f"{path.name}: {error}", file=sys.stderr, flush=True)
            return
        took, start = time.process_time() - start, time.process_time()
        if options.keep:
            keep(found, path.stem, options.keep)
        deephide.extract(found.file, key)
        back = time.process_time() - start
        survived = dict(outcomes(found.file, key, secret, options, others))
        self.tried.update(list(survived))
        self.hits.update(name for name, well in survived.items() if well)
        self.rows.append(
            {
                "photo": path.name,
                "megapixels": round(found.stego.width * found.stego.height / 1e6, 2),
                "step": found.channel.step,
                "headroom": found.channel.headroom,
                "changes": found.changes,
                "psnr": round(found.psnr, 2),
                "embed s": round(took, 2),
                "extract s": round(back, 2),
                "lost": [name for name, well in survived.items() if not well],
            }
        )
        print(json.dumps(self.rows[-1]), file=sys.stderr, flush=True)

    def report(self, options):
        """Return the report."""
        rows, hits, tried = self.rows, self.hits, self.tried
        return {
            "machine": machine(),
            "channel": options.channel,
            "shrink": options.shrink,
            "reading": profiles.parse(options.channel).reading.name,
            "payload": options.payload,
            "photos": len(rows) + len(self.refused),
            "refused": self.refused,
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


def measure(options):
    """Return the report; of the photos so far, if the run is interrupted."""
    chosen = sorted(p for p in Path(options.folder).iterdir() if p.suffix.lower() in SUFFIXES)
    results, others = Results(), other_ways(options)
    with contextlib.suppress(KeyboardInterrupt):
        chosen = chosen[options.skip : options.skip + options.photos]
        for number, path in enumerate(chosen, options.skip):
            results.add(path, number, options, others)
    return results.report(options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--channel", default="any")
    parser.add_argument("--shrink", metavar="PIXELS", help="as in deephide embed")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--skip", type=int, default=0, help="photos to leave out at the beginning")
    parser.add_argument("--payload", type=int, default=258)
    parser.add_argument(
        "--few", action="store_true", help="fewer ways, and the robust readings alone"
    )
    parser.add_argument("--except", dest="left_out", metavar="REGEX", help="ways to leave out")
    parser.add_argument("--canvas", metavar="CHROMIUM")
    parser.add_argument("--command", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--keep", metavar="FOLDER")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    cheap_keys()
    show(measure(options), options.json)


if __name__ == "__main__":
    main()
