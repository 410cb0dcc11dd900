"""Memory and time of each step with a large carrier, one process per row.

    python benchmarks/memory.py --megapixels 12 --json memory.json

The carrier is a portrait of `../shared/data` tiled and disturbed, or seeded noise where that is
absent; the payload is 400 bytes, roughly that of a face.  Row "bomb" reads a PNG file that claims
the most pixels that are allowed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PORTRAITS = ROOT.parent / "shared" / "data" / "portraits"
STEPS = ("load", "costs", "embed", "extract", "bomb")
PAYLOAD_BYTES = 400


def make_carrier(path, megapixels):
    side = int((megapixels * 1e6 / 12) ** 0.5)
    height, width = 3 * side, 4 * side
    rng = np.random.default_rng(0)
    faces = sorted(PORTRAITS.glob("*.jpg"))[:1]
    if faces:
        tile = np.asarray(Image.open(faces[0]).convert("RGB").resize((512, 512)))
        repeat = (-(-height // 512), -(-width // 512), 1)
        picture = np.tile(tile, repeat)[:height, :width]
    else:
        picture = np.full((height, width, 3), 128, np.uint8)
    noise = rng.integers(-3, 4, picture.shape, dtype=np.int16)
    Image.fromarray(np.clip(picture + noise, 0, 255).astype(np.uint8)).save(path, compress_level=1)


def make_bomb(path):
    """Write black pixels of 2**26, the most that is allowed, in a few hundred kilobytes."""
    side = 1 << 13
    with Image.new("RGBA", (side, side)) as image:
        image.save(path, compress_level=1)


def one_step(step, folder):
    """Do what comes before without measuring its time; report time and peak of all."""
    from deephide.container import keys, layout
    from deephide.container.hiding import hide_computing_costs, reveal
    from deephide.covers.opening import open_cover

    folder = Path(folder)
    start = time.perf_counter()
    if step == "bomb":
        open_cover(folder / "bomb.png")
        return time.perf_counter() - start
    sealer = keys.SharedKey(b"benchmark").at(bytes(16))
    associated = layout.associated_data(1, 1, 1)
    if step == "extract":
        stego = open_cover(folder / "stego.png", "stego")
        found = reveal(stego.samples.reshape(-1), sealer, associated)
        if len(found) != PAYLOAD_BYTES:
            raise SystemExit("extract: another payload")
        return time.perf_counter() - start
    cover = open_cover(folder / "carrier.png")
    if step == "load":
        return time.perf_counter() - start
    if step == "costs":
        cover.costs("hill")
        return time.perf_counter() - start
    plaintext = np.random.default_rng(1).bytes(PAYLOAD_BYTES)
    hidden = hide_computing_costs(
        cover.samples.reshape(-1),
        lambda: cover.cost_stripes("hill"),
        sealer,
        plaintext,
        associated,
        random=bytes,
    )
    stego = hidden.elements.reshape(cover.samples.shape)
    (folder / "stego.png").write_bytes(cover.encode(stego))
    print(f"crc {zlib.crc32(hidden.elements):08x} changes {hidden.changes}", file=sys.stderr)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS)
    parser.add_argument("--json", metavar="PATH")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        seconds = one_step(*options.one)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak)}))
        return
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        make_carrier(Path(folder) / "carrier.png", options.megapixels)
        make_bomb(Path(folder) / "bomb.png")
        for step in options.steps:
            command = [sys.executable, __file__, "--one", step, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows[step] = json.loads(done.stdout.splitlines()[-1])
            print(f"{step:8s} {rows[step]['seconds']:7.2f} s {rows[step]['peak_mb']:6d} MB")
    if options.json:
        report = {"megapixels": options.megapixels, "steps": rows}
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
