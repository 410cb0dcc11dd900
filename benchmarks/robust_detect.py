"""Detection of stegos for a channel, with the features and the protocol of `jpeg_detect.py`.

    python benchmarks/robust_detect.py FOLDER [--channel any] [--photos 100] [--payload 258]
                                       [--scenes 2] [--kept] [--named] [--json PATH]

FOLDER holds photos, each of them embedded in once, whole.  Cover is the JPEG file that the program
made before anything was hidden; scenes of 512 x 512 are cut from both at the same places, in steps
of a block, so that a scene carries its share of the message.  Photos that are refused do not count.
With `--kept` FOLDER is what `robust.py --keep` wrote, and nothing is embedded.  With `--named`
files PHOTO-K.png are pieces of one photo, which stay on one side of every split.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from cheap_keys import cheap_keys
from jpeg_detect import DIMENSION, dctr, in_words, luma
from robust import SUFFIXES
from stc_common import machine, show

import deephide
from deephide.channels import profiles
from deephide.lab.protocol import judge_features, judge_nothing

SIDE = 512


def scenes(plane, count):
    """Return up to so many scenes of an image, as far apart as it allows."""
    height, width = plane.shape
    if min(height, width) < SIDE:
        return []
    bottom, right = 8 * ((height - SIDE) // 8), 8 * ((width - SIDE) // 8)
    corners = [(0, 0), (bottom, right), (0, right), (bottom, 0)][:count]
    return [plane[top : top + SIDE, left : left + SIDE] for top, left in dict.fromkeys(corners)]


def pair(path, number, options):
    """Return the files of cover and stego of a photo."""
    if options.kept:
        return path.read_bytes(), Path(str(path).replace(".cover.", ".stego.")).read_bytes()
    secret = np.random.default_rng(number).bytes(options.payload)
    key = f"key {number}"
    found = deephide.embed(
        secret, path, key, codec="file", channel=options.channel, shrink=options.shrink
    )
    return found.channel.cover, found.file


def photo_of(path):
    """Return the name of the photo of which a file is a piece."""
    return path.name.rpartition("-")[0] or path.name


def measure(options):
    """Return the report."""
    kept = "*.cover.jpg" if options.kept else "*"
    chosen = sorted(p for p in Path(options.folder).glob(kept) if p.suffix.lower() in SUFFIXES)
    photos = sorted({photo_of(path) for path in chosen})
    plain, hidden, groups, refused = [], [], [], 0
    quality = profiles.parse(options.channel).quality
    for number, path in enumerate(chosen[: options.photos]):
        try:
            files = pair(path, number, options)
        except deephide.CapacityError:
            refused += 1
            continue
        for rows, raw in zip((plain, hidden), files, strict=True):
            rows += [dctr(scene, quality) for scene in scenes(luma(raw), options.scenes)]
        group = photos.index(photo_of(path)) if options.named else number
        groups += [group] * (len(plain) - len(groups))
        print(f"{number + 1} of {len(chosen)}: {len(plain)} scenes", file=sys.stderr, flush=True)
    plain, hidden, groups = np.array(plain), np.array(hidden), np.array(groups)
    return {
        "machine": machine(),
        "channel": options.channel,
        "shrink": options.shrink,
        "payload": options.payload,
        "photos": int(np.unique(groups).size),
        "refused": refused,
        "scenes": len(plain),
        "nothing": in_words(judge_nothing(plain, groups, 1, DIMENSION)),
        "stegos": in_words(judge_features(plain, hidden, groups, 1, DIMENSION)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--channel", default="any")
    parser.add_argument("--shrink", metavar="PIXELS", help="as in deephide embed")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--payload", type=int, default=258)
    parser.add_argument("--scenes", type=int, default=2, choices=(1, 2, 4), help="of each photo")
    parser.add_argument("--kept", action="store_true", help="FOLDER is of robust.py --keep")
    parser.add_argument("--named", action="store_true", help="files are pieces, PHOTO-K.png")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    cheap_keys()
    show(measure(options), options.json)


if __name__ == "__main__":
    main()
