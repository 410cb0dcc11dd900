"""JPEG carriers in whole processes: time and memory, and the parts of the file that stay.

    python benchmarks/jpeg.py [--runs 3] [--json PATH]

2,000 bytes go into a mosaic of scikit-image's photos, 1024 x 1024, quality 95, 4:4:4, and into the
same image as PNG; start of Python, key derivation, verification and writing included. Each
command runs once to warm numba's cache and then some times on the clock; the ratio is that of the
medians of one run of this script. Processor seconds are those of all threads together: on a busy
machine they say more. (`stc_costs.py` times the cost functions.)
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jpeglib
import numpy as np
from PIL import Image
from stc_common import machine, photo, show

from deephide.covers.opening import open_cover

MAIN = "from cli.deephide_app import main; main()"


def timed(folder, *arguments):
    """Return wall seconds, processor seconds and peak MB of one command; it must succeed."""
    command = [sys.executable, "-c", MAIN, *arguments, "-q", "--force"]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def commands(kind):
    """Return the arguments of both commands for one kind of carrier."""
    key = ("--key-file", "key")
    hide = ("embed", "--secret", "secret", "--codec", "file", "--carrier", f"photo.{kind}")
    return {
        "embed": (*hide, "-o", f"stego.{kind}", *key),
        "extract": ("extract", f"stego.{kind}", "-o", f"found.{kind}.bin", *key),
    }


def processes(folder, count):
    """Return the figures of whole processes by kind and command."""
    found = {}
    for kind in ("jpg", "png"):
        for name, arguments in commands(kind).items():
            timed(folder, *arguments)
            runs = [timed(folder, *arguments) for _ in range(count)]
            found[f"{name} {kind}"] = {
                "seconds": round(statistics.median(run[0] for run in runs), 2),
                "cpu_seconds": round(statistics.median(run[1] for run in runs), 2),
                "peak_mb": round(max(run[2] for run in runs)),
            }
        if (folder / f"found.{kind}.bin").read_bytes() != (folder / "secret").read_bytes():
            raise SystemExit("something else came back")
    return found


def unchanged():
    """Return which kinds of files libjpeg (through jpeglib) and we write again byte for byte."""
    kinds = {
        "baseline": {},
        "optimised": {"optimize": True},
        "progressive": {"progressive": True},
        "restart markers": {"restart_marker_blocks": 8},
        "EXIF and trailer": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"},
    }
    found = {}
    with tempfile.TemporaryDirectory() as name:
        before, after = Path(name) / "before.jpg", Path(name) / "after.jpg"
        for kind, options in kinds.items():
            Image.fromarray(photo(256)).save(before, quality=90, **options)
            if "trailer" in kind:
                before.write_bytes(before.read_bytes() + b"what follows")
            raw = before.read_bytes()
            jpeglib.read_dct(str(before)).write_dct(str(after))
            cover = open_cover(raw)
            found[kind] = {
                "jpeglib": after.read_bytes() == raw,
                "deephide": cover.encode(cover.elements) == raw,
            }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", metavar="PATH", help="write the report here too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = Image.fromarray(photo(1024))
        picture.save(folder / "photo.jpg", quality=95, subsampling=0)
        picture.save(folder / "photo.png")
        rng = np.random.default_rng(7)
        (folder / "secret").write_bytes(rng.bytes(2000))
        (folder / "key").write_bytes(rng.bytes(32))
        report = {"machine": machine(), **processes(folder, options.runs)}
        times = [report[f"embed {kind}"]["seconds"] for kind in ("png", "jpg")]
        report["embed png / jpg"] = round(times[0] / times[1], 2)
        report["written again byte for byte"] = unchanged()
        sizes = [(folder / f"{each}.jpg").stat().st_size for each in ("photo", "stego")]
        report["file bytes, before and after"] = sizes
    show(report, options.json)


if __name__ == "__main__":
    main()
