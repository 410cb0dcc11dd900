"""Processor time and memory of whole processes, paired with those of an earlier commit.

    python benchmarks/large_carriers.py --rows "file embed" "12 MP PNG embed" --runs 3
    python benchmarks/large_carriers.py --megapixels 12 48 --json large_carriers.json

The other commit is checked out beside this tree; both run each row in turn, with the same
interpreter and packages, the first run of each not counted.  The small carrier is that of
`whole_process.py`, the large ones are those of `memory.py`, as PNG and as JPEG of quality 92.
Reported are medians of user and system time together, their ratio, and the largest peaks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import memory
import whole_process
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BASE = "e1443ed"
FACE = ROOT / "benchmarks" / "demo_faces" / "face1.png"
PROGRAM = "from cli.deephide_app import main; main()"
KEYS = ("--passphrase-file", "key.txt", "-q", "--force")
FACES = 20


def make_inputs(folder, megapixels):
    whole_process.make_inputs(folder)
    with Image.open(folder / "carrier.png") as small:
        small.save(folder / "carrier.jpg", quality=92)
    for size in megapixels:
        memory.make_carrier(folder / f"{size:g}.png", size)
        with Image.open(folder / f"{size:g}.png") as large:
            large.save(folder / f"{size:g}.jpg", quality=92)
    rows = "".join(f"{FACE},carrier.png,row{k}.png\n" for k in range(FACES))
    (folder / "list.csv").write_text("secret,carrier,output\n" + rows)


def rows_of(megapixels):
    """Return the arguments of each row, by its name; an extraction follows its embedding."""

    def pair(name, secret, codec, carrier):
        stego = f"{name.replace(' ', '-')}{Path(carrier).suffix}"
        chosen = ("--secret", secret, "--carrier", carrier, "--codec", codec, "-o", stego)
        return {
            f"{name} embed": ("embed", *chosen, *KEYS),
            f"{name} extract": ("extract", stego, "-o", f"{stego}.found.png", *KEYS),
        }

    found = pair("file", "secret.bin", "file", "carrier.png")
    found["file extract"] = tuple(
        each.replace(".found.png", ".found") for each in found["file extract"]
    )
    found |= pair("face PNG", str(FACE), "latent", "carrier.png")
    found |= pair("face JPEG", str(FACE), "latent", "carrier.jpg")
    for size in megapixels:
        for kind in ("png", "jpg"):
            carrier = f"{size:g}.{kind}"
            name = f"{size:g} MP {'PNG' if kind == 'png' else 'JPEG'}"
            found |= pair(name, str(FACE), "latent", carrier)
            found[f"{name} capacity"] = ("capacity", carrier, "-q")
    found["embed-many"] = ("embed-many", "list.csv", "--codec", "latent", *KEYS)
    return found


def run(tree, arguments, folder):
    """Return processor seconds and peak megabytes of one process."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder, env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{tree}: {arguments[0]} ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(name, arguments, trees, folders, runs):
    """Print and return medians of both trees, one after the other in each round."""
    seen = [[], []]
    for round_ in range(runs + 1):
        for k in range(2):
            found = run(trees[k], arguments, folders[k])
            if round_:
                seen[k].append(found)
    seconds = [statistics.median(each for each, _ in rows) for rows in seen]
    peaks = [max(peak for _, peak in rows) for rows in seen]
    ratio = seconds[1] / seconds[0]
    print(
        f"{name:22s} {seconds[0]:7.2f} s {peaks[0]:5.0f} MB  ->  {seconds[1]:7.2f} s "
        f"{peaks[1]:5.0f} MB   {ratio:.2f} x",
        flush=True,
    )
    return {"before_s": seconds[0], "after_s": seconds[1], "ratio": ratio, "peaks_mb": peaks}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", default=BASE, help="commit to compare with")
    parser.add_argument("--megapixels", type=float, nargs="*", default=[12.0])
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="these alone")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    rows = rows_of(options.megapixels)
    report = {}
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        subprocess.run(
            ["git", "-C", ROOT, "worktree", "add", "--detach", "-q", tree, options.base], check=True
        )
        try:
            folders = [Path(name) / each for each in ("before", "after")]
            for folder in folders:
                folder.mkdir()
                # Elsewhere: the peak of a process begins with that of the one which starts it.
                maker = multiprocessing.get_context("spawn").Process(
                    target=make_inputs, args=(folder, options.megapixels)
                )
                maker.start()
                maker.join()
            for row in options.rows or rows:
                report[row] = compare(row, rows[row], (tree, ROOT), folders, options.runs)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
