"""Time of `deephide embed` and `extract` as whole processes, the interpreter's start included.

    python benchmarks/whole_process.py --runs 7 --json whole_process.json

The carrier is 512 x 512 RGB: a portrait of `../shared/data` scaled down, or seeded noise where
that is absent.  Row "file" hides 2,048 random bytes under a passphrase, row "latent" the first
demo face with the default model.  Key derivation, reading, verifying and writing are all in it; a
first run, which fills numba's cache, is not counted.  Reported are the median and the least of the
wall clock, the median of the processor time, and the largest peak of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PORTRAITS = ROOT.parent / "shared" / "data" / "portraits"
SIDE = 512
COMMAND = [sys.executable, "-c", "from cli.deephide_app import main; main()"]


def make_inputs(folder):
    portraits = sorted(PORTRAITS.glob("*.jpg"))
    if portraits:
        picture = Image.open(portraits[0]).convert("RGB").resize((SIDE, SIDE))
    else:
        noise = np.random.default_rng(0).normal(128, 20, (SIDE, SIDE, 3))
        picture = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    picture.save(folder / "carrier.png")
    (folder / "secret.bin").write_bytes(np.random.default_rng(1).bytes(2048))
    (folder / "key.txt").write_text("several words of no meaning\n")


def run(arguments, folder):
    """Return wall seconds, processor seconds and peak megabytes of one process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments[0]} ended with status {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(arguments, folder, runs):
    run(arguments, folder)
    rows = [run(arguments, folder) for _ in range(runs)]
    walls, processor, peaks = zip(*rows, strict=True)
    return {
        "median_s": round(statistics.median(walls), 3),
        "least_s": round(min(walls), 3),
        "processor_s": round(statistics.median(processor), 3),
        "peak_mb": round(max(peaks)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--rows", nargs="+", default=["file", "latent"])
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    face = ROOT / "benchmarks" / "demo_faces" / "face1.png"
    report = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        for row in options.rows:
            secret = "secret.bin" if row == "file" else str(face)
            common = ["--passphrase-file", "key.txt", "-q", "--force"]
            embed = ["embed", "--secret", secret, "--carrier", "carrier.png", "--codec", row]
            extract = ["extract", "stego.png", "-o", f"found.{row}.png", *common]
            if row == "file":
                extract[3] = "found.bin"
            for step, arguments in (("embed", [*embed, *common]), ("extract", extract)):
                report[f"{row} {step}"] = found = measure(arguments, folder, options.runs)
                print(
                    f"{row:7s} {step:8s} median {found['median_s']:.2f} s, least "
                    f"{found['least_s']:.2f} s, processor {found['processor_s']:.2f} s, "
                    f"{found['peak_mb']} MB"
                )
        if (folder / "found.bin").exists():
            same = (folder / "found.bin").read_bytes() == (folder / "secret.bin").read_bytes()
            print(f"the file came back: {same}")
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
