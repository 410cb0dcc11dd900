"""Gain of greater constraint heights for a face's payload: distortion and time, by height.

    python benchmarks/stc_height.py [--bytes 300] [--seeds 6]

Covers are the mosaic of `stc_common` as gray in 512 x 512 and as RGB in 592 x 592, a million
samples; costs are HILL's, changes ±1. All heights hide the same messages in the same order, so
that ratios to height 12 have little scatter: their mean and its standard error.
"""

import argparse
import json
import time

import numpy as np
from stc_common import photo

import stc

HEIGHTS = (10, 12, 13, 14)


def covers():
    """Return covers with their costs of +1 and -1, flat, by name."""
    found = {}
    for name, side, channels in (("512 x 512 gray", 512, 1), ("592 x 592 RGB", 592, 3)):
        picture = photo(side)[..., :channels]
        planes = [np.ascontiguousarray(picture[..., c]) for c in range(channels)]
        costs = stc.costs.wet(picture, np.stack([stc.costs.hill(p) for p in planes], axis=-1))
        found[name] = tuple(each.ravel() for each in (picture, *costs))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    for name, (cover, up, down) in covers().items():
        bound = stc.bound_distortion_ternary(up, down, 8 * options.bytes)
        paid = {height: [] for height in HEIGHTS}
        seconds = {height: [] for height in HEIGHTS}
        for seed in range(options.seeds):
            rng = np.random.default_rng(seed)
            order = rng.permutation(cover.size)
            message = rng.integers(0, 2, 8 * options.bytes)
            flat = [each[order] for each in (cover, up, down)]
            for height in HEIGHTS:
                start = time.process_time()
                stego = stc.embed_ternary(flat[0], message, *flat[1:], height)
                seconds[height].append(time.process_time() - start)
                change = stego.astype(np.int16) - flat[0]
                cost = flat[1][change > 0].sum() + flat[2][change < 0].sum()
                paid[height].append(cost)
        for height in HEIGHTS:
            ratio = np.array(paid[height]) / np.array(paid[12])
            row = {
                "cover": name,
                "height": height,
                "overhead_%": 100 * (np.mean(paid[height]) / bound - 1),
                "to height 12": ratio.mean(),
                "standard error": ratio.std(ddof=1) / np.sqrt(ratio.size),
                "cpu to height 12": np.median(seconds[height]) / np.median(seconds[12]),
                "cpu_s": np.median(seconds[height]),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
