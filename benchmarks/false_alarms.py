"""False alarms: clean pictures through everything that `extract` tries, each with a key of its own.

    python benchmarks/false_alarms.py FOLDER_OR_ZIP ... [--seconds 900] [--every 1] [--json PATH]

Pictures are taken in turn from all sources, as they are; every second one is saved as JPEG first,
and of those that are too small for strong readings every 50th is enlarged to 480 pixels, so that
all kinds of readings are tried.  What opens is a false alarm; what is no picture that `extract`
reads is counted apart, and any other exception is a failure.  Argon2id runs with little memory,
which changes nothing else.
"""

import argparse
import collections
import io
import itertools
import sys
import time
import zipfile
from pathlib import Path

from cheap_keys import cheap_keys
from PIL import Image
from robust import SUFFIXES
from stc_common import machine, show

import deephide
from deephide.channels import openings
from deephide.container import crypto
from deephide.container.keys import SharedKey

ENLARGED, SIDE = 50, 480


def files(source, every):
    """Yield name and bytes of the pictures of a folder or an archive, every so many."""
    if Path(source).is_dir():
        found = sorted(p for p in Path(source).rglob("*") if p.suffix.lower() in SUFFIXES)
        for path in found[::every]:
            yield str(path), path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        names = sorted(n for n in archive.namelist() if Path(n).suffix.lower() in SUFFIXES)
        for name in names[::every]:
            yield f"{source}:{name}", archive.read(name)


def in_turn(sources, every):
    """Yield from several sources, one of each at a time."""
    left = [files(source, every) for source in sources]
    for each in itertools.zip_longest(*left):
        yield from (found for found in each if found is not None)


def clean(raw, number):
    """Return a picture as it is, or saved as JPEG of qualities 60 to 95, enlarged perhaps."""
    enlarged = number % ENLARGED == ENLARGED - 1
    if not (number % 2 or enlarged):
        return raw
    picture = Image.open(io.BytesIO(raw)).convert("RGB")
    if enlarged and max(picture.size) < SIDE:
        scale = SIDE / max(picture.size)
        picture = picture.resize([round(scale * length) for length in picture.size])
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60 + number % 36)
    return buffer.getvalue()


def measure(options):
    """Return the report."""
    found, alarms, failures = collections.Counter(), [], []
    sizes = []
    start = time.process_time()
    for number, (name, raw) in enumerate(in_turn(options.sources, options.every)):
        if time.process_time() - start > options.seconds:
            break
        key = SharedKey(crypto.key_input(f"key {number}", bytes(32)))
        try:
            seen = openings.look_at(clean(raw, number))
            found["robust readings"] += seen.luma is not None
            found["strong readings"] += seen.levels is not None
            sizes.append(0 if seen.luma is None else seen.luma.size[0] * seen.luma.size[1])
            openings.reveal(seen, key)
            alarms.append(name)
        except deephide.ExtractionError:
            found["nothing found"] += 1
        except deephide.InputImageError:
            found["not read"] += 1
        except Exception as error:
            failures.append([name, repr(error)])
        if number % 1000 == 999:
            print(f"{number + 1}: {dict(found)}", file=sys.stderr, flush=True)
    return {
        "machine": machine(),
        "sources": options.sources,
        "pictures": found,
        "megapixels": round(sum(sizes) / 1e6, 1),
        "processor s": round(time.process_time() - start, 1),
        "false alarms": alarms,
        "failures": failures,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--seconds", type=float, default=900.0, help="of processor time")
    parser.add_argument("--every", type=int, default=1, help="take every so many pictures only")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    cheap_keys()
    show(measure(options), options.json)


if __name__ == "__main__":
    main()
