"""Processor time of `deephide pick` over a folder of large photos, as one whole command.

    python benchmarks/pick.py [--photos 500] [--megapixels 12] [--json pick.json]

Photos are JPEG files of quality 92 of the carrier that `memory.py` makes; a handful of them stand
under many names, since what a photo costs does not hang on the others.  Reported are the user and
system time of all its processes, and that time over the number of cores: the least that the
command takes where nothing else runs.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from memory import make_carrier
from PIL import Image
from stc_common import machine, show

DIFFERENT = 6
PAYLOAD_BYTES = "300"


def make_photos(folder, count, megapixels):
    """Write files under so many names."""
    carrier = folder / "carrier.png"
    make_carrier(carrier, megapixels)
    with Image.open(carrier) as whole:
        for index in range(min(count, DIFFERENT)):
            box = (index, 0, whole.width - DIFFERENT + index, whole.height)
            whole.crop(box).save(folder / f"{index}.jpg", quality=92)
    carrier.unlink()
    for index in range(DIFFERENT, count):
        os.link(folder / f"{index % DIFFERENT}.jpg", folder / f"{index}.jpg")


def measure(options):
    """Return the report."""
    command = [sys.executable, "-m", "deephide", "pick", "--payload", PAYLOAD_BYTES, "--json"]
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder), options.photos, options.megapixels)
        done = subprocess.run([*command, folder], check=True, capture_output=True, text=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    cores = os.cpu_count() or 1
    return {
        "machine": machine(),
        "photos": len(json.loads(done.stdout)["photos"]),
        "megapixels": options.megapixels,
        "processor seconds": round(seconds, 1),
        "over the number of cores": round(seconds / cores, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    show(measure(options), options.json)


if __name__ == "__main__":
    main()
