"""Hide in files of other programs, extract, and compare everything else in them: none may be wrong.

    python benchmarks/foreign_files.py FOLDER... --made 1000 --json foreign.json

Files come from the folders (test suites of imaging libraries, for instance) and are made here, of
small seeded images, by every encoder at hand: Pillow, tifffile, and where they
are installed OpenCV, ImageMagick, libvips, ffmpeg and optipng.  For each file the outcome is
one of

    stego      written, extracted, other decoders see the same image but for steps of one level, and
               all chunks, tags, segments and further images are what they were
    refused    by an error of the package that names a reason
    wrong      anything else

The container takes Argon2id's least memory, so that files and not keys take the time.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import io
import itertools
import json
import logging
import random
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from cheap_keys import cheap_keys
from PIL import Image

import deephide
from deephide.formats import webp
from deephide.formats.jpeg import coder, segments
from deephide.formats.png import chunks
from deephide.formats.png import file as png
from deephide.formats.tiff import moving
from deephide.formats.tiff.directories import is_tiff, read

SECRET = b"a text of 30 bytes, no more .."
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".mpo"}
OUTPUTS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"BM": ".bmp", b"II": ".tif", b"MM": ".tif",
           b"RIFF": ".webp"}  # fmt: skip


def photo(height, width, channels, seed):
    rng = np.random.default_rng(seed)
    walk = rng.normal(0, 3 + seed % 5, (height, width, channels)).cumsum(1) + 128
    return np.clip(walk, 0, 255).astype(np.uint8)


def saved(samples, kind, **options):
    buffer = io.BytesIO()
    samples = samples[:, :, 0] if samples.shape[2] == 1 else samples
    Image.fromarray(samples).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation=1):
    found = Image.Exif()
    found[0x010E], found[0x0112] = "a description", orientation
    found.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return found.tobytes()


def by_pillow(samples, seed):
    """Yield (name, file) of Pillow's formats and options."""
    colours = samples.shape[2]
    more = {"exif": exif(1 + seed % 8)} if seed % 3 == 0 else {}
    for level in (0, 1, 6, 9):
        yield f"pillow png {level}", saved(samples, "PNG", compress_level=level, **more)
    yield "pillow png optimize", saved(samples, "PNG", optimize=True, dpi=(300, 300))
    yield "pillow bmp", saved(samples, "BMP")
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
        tags = {270: "José", 297: (0, 1), 317: 2 if compression == "tiff_lzw" else 1}
        yield (
            f"pillow tiff {compression}",
            saved(samples, "TIFF", compression=compression, tiffinfo=tags),
        )
    if colours > 1:
        yield "pillow webp", saved(samples, "WEBP", lossless=True, exact=True, method=0, **more)
    if colours != 4:
        for quality, options in itertools.product((60, 85, 96), ({}, {"progressive": True})):
            options |= {"optimize": quality == 85, "subsampling": seed % 3}
            yield (
                f"pillow jpeg {quality}",
                saved(samples, "JPEG", quality=quality, **options, **more),
            )


def by_tifffile(samples, seed):
    """Yield TIFF files of every layout."""
    import tifffile

    colours = samples.shape[2]
    layouts = ({}, {"tile": (32, 48)}, {"rowsperstrip": 5}, {"planarconfig": "separate"})
    for order, big, packed, layout in itertools.product("<>", (0, 1), (None, "zlib"), layouts):
        options = dict(layout)
        data = samples[:, :, 0] if colours == 1 else samples
        if "planarconfig" in options:
            if colours == 1:
                continue
            data = np.moveaxis(samples, 2, 0)
        buffer = io.BytesIO()
        tifffile.imwrite(
            buffer, data, byteorder=order, bigtiff=bool(big), compression=packed,
            predictor=bool(packed) and seed % 2 == 0, description="text", resolution=(72, 72),
            photometric="minisblack" if colours == 1 else "rgb", **options,
        )  # fmt: skip
        yield f"tifffile {packed or 'plain'}", buffer.getvalue()


def by_opencv(samples, seed):
    try:
        import cv2
    except ImportError:
        return
    array = samples[:, :, ::-1] if samples.shape[2] == 3 else samples
    for level in (0, 1, 6, 9):
        yield (
            f"opencv png {level}",
            cv2.imencode(".png", array, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes(),
        )
    for suffix in (".tif", ".bmp", ".jpg"):
        if samples.shape[2] == 4 and suffix == ".jpg":
            continue
        yield f"opencv {suffix}", cv2.imencode(suffix, array)[1].tobytes()
    del seed


COMMANDS = (
    ("convert", ["convert", "{in}", "{out}.png"]),
    ("convert", ["convert", "{in}", "-quality", "91", "{out}.png"]),
    ("convert", ["convert", "{in}", "-interlace", "PNG", "{out}.png"]),
    ("convert", ["convert", "{in}", "-compress", "LZW", "{out}.tif"]),
    ("convert", ["convert", "{in}", "-compress", "Zip", "-endian", "MSB", "{out}.tif"]),
    ("convert", ["convert", "{in}", "-compress", "RLE", "{out}.tif"]),
    ("convert", ["convert", "{in}", "-orient", "RightTop", "{out}.tif"]),
    ("convert", ["convert", "{in}", "{out}.bmp"]),
    ("convert", ["convert", "{in}", "-alpha", "off", "-quality", "92", "{out}.jpg"]),
    ("convert", ["convert", "{in}", "-define", "webp:lossless=true", "{out}.webp"]),
    ("vips", ["vips", "copy", "{in}", "{out}.png"]),
    ("vips", ["vips", "copy", "{in}", "{out}.tif[tile,compression=deflate,predictor=horizontal]"]),
    ("vips", ["vips", "copy", "{in}", "{out}.tif[bigtiff,compression=lzw]"]),
    ("ffmpeg", ["ffmpeg", "-v", "error", "-i", "{in}", "-pred", "mixed", "{out}.png"]),
    ("ffmpeg", ["ffmpeg", "-v", "error", "-i", "{in}", "{out}.tif"]),
    ("optipng", ["optipng", "-quiet", "-nc", "-nb", "{in}", "-out", "{out}.png"]),
    ("tiffcp", ["tiffcp", "-c", "lzw:2", "-B", "{in}.tif", "{out}.tif"]),
    ("tiffcp", ["tiffcp", "-c", "zip", "-t", "{in}.tif", "{out}.tif"]),
    ("tiffcp", ["tiffcp", "-f", "lsb2msb", "-c", "none", "{in}.tif", "{out}.tif"]),
    ("jpegtran", ["jpegtran", "-progressive", "-outfile", "{out}.jpg", "{in}.jpg"]),
)


def by_commands(samples, folder):
    """Yield what programs make of an image, as many as are installed."""
    source = folder / "source.png"
    source.write_bytes(saved(samples, "PNG"))
    source.with_name("source.png.tif").write_bytes(saved(samples, "TIFF"))
    source.with_name("source.png.jpg").write_bytes(saved(samples[:, :, :1], "JPEG", quality=88))
    for name, command in COMMANDS:
        if shutil.which(name) is None:
            continue
        for old in folder.glob("made*"):
            old.unlink()
        words = [word.format(**{"in": source, "out": folder / "made"}) for word in command]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            continue
        for path in folder.glob("made.*"):
            yield f"{name} {path.suffix}", path.read_bytes()


def made(count, folder, first=0):
    """Yield (name, file), `count` of them at least, of images with other contents each."""
    done = 0
    for seed in itertools.count(first):
        channels = (3, 1, 4)[seed % 3]
        samples = photo(64 + seed % 40, 70 + seed % 37, channels, seed)
        makers = [by_pillow(samples, seed), by_tifffile(samples, seed), by_opencv(samples, seed)]
        if seed % 100 < 12:
            makers.append(by_commands(samples, folder))
        for name, raw in itertools.chain(*makers):
            done += 1
            yield name, raw
        if done >= count:
            return


def found(folders):
    seen = set()
    for path in sorted(each for folder in folders for each in Path(folder).rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        raw = path.read_bytes()
        digest = hashlib.sha256(raw).digest()
        if raw and digest not in seen and len(raw) < 4 << 20:
            seen.add(digest)
            yield path.name, raw


def shown(raw):
    """Return the samples as Pillow shows them, of the first image; None where it does not."""
    try:
        with Image.open(io.BytesIO(raw)) as image:
            return np.asarray(image).astype(np.int16)
    except Exception:  # there are files that we read and Pillow does not
        return None


def same_around(old, new):
    """Raise where two files differ in anything but image data and what follows from its length."""
    if old.startswith(chunks.SIGNATURE):
        a, b = png.parse(old), png.parse(new)
        assert (a.before, a.after) == (b.before, b.after), "chunks differ"
    elif is_tiff(old):
        moving.compare(read(old), read(new))
    elif webp.is_webp(old):
        parts = [
            [each.raw[s:e] for name, s, e in each.chunks if name != b"VP8L"]
            for each in (webp.parse(old), webp.parse(new))
        ]
        assert parts[0] == parts[1], "chunks differ"
    elif segments.is_jpeg(old):
        a, b = segments.parse(old), segments.parse(new)
        assert old[a.end :] == new[b.end :], "what follows the first image differs"
        tables = {t for t in range(len(a.tables)) if a.tables[t].symbols != b.tables[t].symbols
                  or a.tables[t].counts != b.tables[t].counts}  # fmt: skip
        assert coder.outside(a, tables) == coder.outside(b, tables), "segments differ"
    else:
        assert len(old) == len(new), "the length differs"


def one(raw, folder):
    """Return the outcome of one file and what there is to say about it."""
    suffix = next((name for start, name in OUTPUTS.items() if raw.startswith(start)), ".png")
    carrier, stego = folder / f"carrier{suffix}", folder / f"stego{suffix}"
    carrier.write_bytes(raw)
    stego.unlink(missing_ok=True)
    try:
        deephide.embed_file(SECRET, carrier, stego, "p", codec="file")
    except deephide.DeephideError as error:
        if type(error) is deephide.DeephideError or stego.exists():
            return "wrong", repr(error)
        return "refused", str(error)
    except Exception as error:
        return "wrong", repr(error)
    new = stego.read_bytes()
    try:
        assert deephide.extract(stego, "p").data == SECRET, "another secret"
        same_around(raw, new)
        before, after = shown(raw), shown(new)
        assert (before is None) == (after is None), "Pillow shows one of the two only"
        if before is not None and not segments.is_jpeg(raw):
            assert before.shape == after.shape, "another shape"
            assert np.abs(before - after).max() <= 1, "a step of more than one level"
    except Exception as error:
        return "wrong", repr(error)
    return "stego", ""


def measure(files, limit):
    counts, reasons, wrong = collections.Counter(), collections.Counter(), []
    with tempfile.TemporaryDirectory() as name:
        for label, raw in itertools.islice(files, limit):
            outcome, text = one(raw, Path(name))
            counts[outcome] += 1
            counts[f"{outcome} {raw[:4]!r}"] += 1
            if outcome == "refused":
                reasons[text.split(":")[0][:90]] += 1
            elif outcome == "wrong":
                wrong.append((label, text[:300]))
                print("WRONG", label, text[:300], flush=True)
    return counts, reasons, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--made", type=int, default=1000, help="files to make besides")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="of those made")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    cheap_keys()
    random.seed(0)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        files = itertools.chain(
            found(options.folders), made(options.made, Path(name), options.first)
        )
        counts, reasons, wrong = measure(files, options.limit)
    report = {
        "counts": dict(counts), "refused": dict(reasons.most_common()), "wrong": wrong,
        "seconds": round(time.monotonic() - start),
    }  # fmt: skip
    text = json.dumps(report, indent=1)
    if options.json:
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
