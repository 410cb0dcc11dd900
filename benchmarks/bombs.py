"""What `extract` takes of small files that claim the most pixels, before anything is authenticated.

    python benchmarks/bombs.py --json bombs.json

One process for each file: its memory at the peak, and the processor time of all its threads, with
Argon2id at its ordinary cost and the compiled loops on disk.  Two rows are files as large as their
samples, which are no bombs, for comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from deephide.formats import webp

SIDE = 8192  # 2**26 pixels, the most that are allowed
COLOUR = (90, 120, 30, 200)

# The peak of this program alone: getrusage would count what its parent held when it started it.
_EXTRACT = """
import re, sys
import deephide
try:
    deephide.extract(sys.argv[1], "no passphrase of this file")
except deephide.DeephideError as error:
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]))
    print(type(error).__name__)
"""


def by_pillow(path, mode, side=SIDE, **options):
    colour = COLOUR[: len(Image.new(mode, (1, 1)).getbands())]
    with Image.new(mode, (side, side), colour if len(colour) > 1 else colour[0]) as image:
        image.save(path, **options)


def by_tifffile(path, **options):
    import tifffile

    samples = np.empty((SIDE, SIDE, 4), np.uint8)
    samples[:] = COLOUR
    tifffile.imwrite(
        path, samples, compression="zlib", photometric="rgb", extrasamples=["unassalpha"], **options
    )


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def many_scans(path, limit, side=SIDE):
    """Write a flat progressive JPEG file, 4:4:4, whose coefficients come bit by bit, one by one.

    Both Huffman tables have a code of one zero bit: for a difference of zero, and for a run of
    2**14 blocks without coefficients, whose length is 14 zero bits more.
    """
    blocks = (side // 8) ** 2
    assert blocks % (1 << 14) == 0
    run = bytes(-(-15 * (blocks >> 14) // 8))
    one = bytes([1]) + bytes(15)  # one code of one bit
    out = [b"\xff\xd8", segment(0xDB, bytes([0]) + bytes([1]) * 64)]
    frame = struct.pack(">BHHB", 8, side, side, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    out.append(segment(0xC2, frame))
    out.append(segment(0xC4, b"\0" + one + b"\0" + b"\x10" + one + b"\xe0"))
    count = 0

    def scan(places, first, high, low, data):
        nonlocal count
        count += 1
        named = b"".join(bytes([place, 0]) for place in places)
        band = bytes([first, first, high << 4 | low])
        out.append(segment(0xDA, bytes([len(places)]) + named + band) + data)

    scan((1, 2, 3), 0, 0, 0, bytes(3 * blocks // 8))
    places = [(place, first) for first in range(1, 64) for place in (1, 2, 3)]
    depth = (limit - 1) // len(places)
    for low in range(depth - 1, -1, -1):
        for place, first in places:
            scan((place,), first, low + 1 if low < depth - 1 else 0, low, run)
    path.write_bytes(b"".join([*out, b"\xff\xd9"]))
    return count


def files():
    """Yield name, suffix and a function that writes it."""

    def pillow(*args, **options):
        return lambda path: by_pillow(path, *args, **options)

    yield "PNG, RGB", "png", pillow("RGB")
    yield "PNG, RGB, transparent colour", "png", pillow("RGB", transparency=(9, 9, 9))
    yield "PNG, RGBA", "png", pillow("RGBA")
    yield "PNG, gray", "png", pillow("L")
    yield "PNG, gray with alpha", "png", pillow("LA")
    yield "PNG, palette", "png", pillow("P")
    yield "TIFF, RGB, Deflate", "tif", pillow("RGB", compression="tiff_adobe_deflate")
    yield "TIFF, RGB, LZW", "tif", pillow("RGB", compression="tiff_lzw")
    yield "TIFF, RGBA, one strip", "tif", lambda path: by_tifffile(path, rowsperstrip=SIDE)
    yield "TIFF, RGBA, tiles", "tif", lambda path: by_tifffile(path, tile=(256, 256))
    yield (
        "WebP, lossless, 30 megapixels",
        "webp",
        pillow("RGB", int(webp.MAX_PIXELS**0.5), lossless=True, method=0),
    )
    yield "JPEG, 4:2:0", "jpg", pillow("RGB", subsampling=2)
    yield "JPEG, 4:4:4", "jpg", pillow("RGB", subsampling=0)
    yield "JPEG, gray", "jpg", pillow("L")
    yield "JPEG, progressive, 4:2:0", "jpg", pillow("RGB", subsampling=2, progressive=True)
    yield "JPEG, progressive, 4:4:4", "jpg", pillow("RGB", subsampling=0, progressive=True)
    yield "JPEG, progressive, 4:4:4, 190 scans", "jpg", lambda path: many_scans(path, 190)
    yield "BMP, RGB (192 MiB)", "bmp", pillow("RGB")
    yield "BMP, gray (64 MiB)", "bmp", pillow("L")


def measure(path):
    command = [sys.executable, "-c", _EXTRACT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = process.stdout.read().split()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or len(lines) != 2:
        raise SystemExit(f"{path.name}: exit {process.returncode}")
    return {
        "error": lines[1],
        "file_kib": path.stat().st_size >> 10,
        "peak_mib": int(lines[0]) >> 10,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name has this")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    rows = {}
    print("| file | size | memory | processor time |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.png"
        by_pillow(small, "RGB", 256)
        measure(small)  # so that everything is compiled
        rows["(256 x 256)"] = measure(small)
        for name, suffix, make in files():
            if options.only not in name:
                continue
            path = Path(folder) / f"bomb.{suffix}"
            make(path)
            row = rows[name] = measure(path)
            path.unlink()
            print(
                f"| {name} | {row['file_kib']:,} KiB | {row['peak_mib']:,} MiB "
                f"| {row['cpu_seconds']} s |  {row['error']}",
                flush=True,
            )
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
