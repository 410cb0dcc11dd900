"""Submatrix columns for widths and heights that the 2011 table does not cover, by search.

    PYTHONPATH=. python benchmarks/stc_columns.py search --height 12 [--json PATH]
    PYTHONPATH=. python benchmarks/stc_columns.py compare [--heights 13] [--widths 2 4 8]

`search` prints the variants of the column generator that `stc/submatrices.py` holds, one for each
range of widths. A candidate's score is its overhead over the bound, on problems that it shares
with its rivals: at three widths of the range, half of them with uniform costs, half with
lognormal ones as photos have. Differences between candidates are tenths of a point and drown in
those between problems, so 128 candidates compete in four rounds, the survivors on four times as
many problems each time. Above height 12 the widths up to 20, for which the 2011 table stops, are
searched one by one.

`compare` measures the shipped columns against those of variant 0, which nothing has selected, on
problems that no search has seen.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from stc_common import machine, report

import stc
from stc.submatrices import RANGES, columns, generated_columns

ROUNDS = ((128, 2), (32, 4), (8, 16), (2, 64))  # candidates, problems of each kind
PROFILES = (lambda rng, n: rng.random(n), lambda rng, n: rng.lognormal(0.0, 1.5, n))


def draw_problem(width, profile, seed):
    """Return cover, message, costs and the least possible distortion."""
    # Wide blocks are mostly frozen, so more elements take the same time.
    bits = max(1000, (1 << (15 if width <= 20 else 17)) // width)
    rng = np.random.default_rng([seed, width])
    n = width * bits
    cost = PROFILES[profile](rng, n)
    cover, message = rng.integers(0, 2, n, np.uint8), rng.integers(0, 2, bits, np.uint8)
    return cover, message, cost, stc.bound_distortion(cost, bits)


def overhead(height, found, problem):
    cover, message, cost, bound = problem
    stego = stc.embed(cover, message, cost, height, submatrix=(found, found))
    return 100 * (cost[stego != cover].sum() / bound - 1)


def kinds(least, most):
    widths = sorted({least, (least + most) // 2, most})
    return [(width, profile) for width in widths for profile in range(len(PROFILES))]


def search_range(height, least, most, first_seed):
    """Return the best variant for widths least..most, its score and that of variant 0."""
    scores = {variant: [] for variant in range(ROUNDS[0][0])}
    seed = first_seed
    for count, repeats in ROUNDS:
        best = sorted(scores, key=lambda v: np.mean(scores[v] or [0.0]))[:count]
        scores = {variant: scores[variant] for variant in {*best}}
        for _ in range(repeats):
            for width, profile in kinds(least, most):
                problem = draw_problem(width, profile, seed)
                for variant, values in scores.items():
                    values.append(
                        overhead(height, generated_columns(height, most, variant)[:width], problem)
                    )
            seed += 1
    return min(scores, key=lambda v: np.mean(scores[v]))


def search(args):
    found, start = [], time.monotonic()
    for least, most in RANGES if args.height <= 12 else [(w, w) for w in range(2, 21)]:
        found.append((most, search_range(args.height, least, most, 1000)))
        print(
            f"# widths {least}..{most}: {found[-1]}, {time.monotonic() - start:.0f} s", flush=True
        )
        if args.json:
            Path(args.json).write_text(json.dumps({"height": args.height, "variants": found}))
    print(f"    {args.height}: {dict(found)},")


def compare(args):
    rows = []
    for height in args.heights:
        for width in args.widths:
            most = next((most for least, most in RANGES if least <= width <= most), width)
            pair = columns(height, width), generated_columns(height, most)[:width]
            values = np.array(
                [
                    [overhead(height, found, problem) for found in pair]
                    for seed in range(args.seeds)
                    for problem in [draw_problem(width, seed % len(PROFILES), 50_000 + seed)]
                ]
            )
            gain = values[:, 1] - values[:, 0]
            rows.append(
                {
                    "height": height,
                    "width": width,
                    "shipped_%": values[:, 0].mean(),
                    "gain_points": gain.mean(),
                    "std_error": gain.std() / np.sqrt(gain.size),
                }
            )
            print(rows[-1], flush=True)
    mean = np.mean([row["gain_points"] for row in rows])
    print(f"mean gain {mean:.3f} points")
    report("stc_columns", machine(), {"shipped against variant 0": rows}, args.json)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("search")
    one.add_argument("--height", type=int, required=True)
    one.add_argument("--json", default=None)
    one.set_defaults(run=search)
    two = commands.add_parser("compare")
    two.add_argument("--heights", type=int, nargs="+", default=[10])
    two.add_argument("--widths", type=int, nargs="+", default=[22, 30, 48, 70, 120, 220, 333, 600])
    two.add_argument("--seeds", type=int, default=40)
    two.add_argument("--json", default=None)
    two.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
