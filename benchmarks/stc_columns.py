"""Search columns for block widths and heights that the 2011 table does not cover.

    PYTHONPATH=. python benchmarks/stc_columns.py search --height 12 [--candidates 120] [--json PATH]
    PYTHONPATH=. python benchmarks/stc_columns.py compare [--heights 10 12 14] [--seeds 12]

`search` prints the lines that `stc/searched.py` holds. A candidate is a set of odd columns with
the top bit set; its score is the overhead over the bound on problems that all candidates of a
step share, half of them with uniform costs, half with lognormal ones as photos have. Up to width
20 every width is searched alone; beyond, each step prolongs the sequence found so far, so that
the first w columns of one sequence serve every width w.

`compare` measures the shipped columns against the generator's on problems that no search has
seen: the mean difference in percentage points, with its standard error over seeds.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from stc_common import machine, report

import stc
from stc.submatrices import columns, generated_columns

STEPS = (24, 28, 33, 40, 48, 57, 68, 80, 96, 115, 138, 165, 198, 238, 285, 342, 410, 500, 600, 720)
PROFILES = {
    "uniform": lambda rng, n: rng.random(n),
    "lognormal": lambda rng, n: rng.lognormal(0.0, 1.5, n),
}


def draw_problem(width, bits, profile, seed):
    """Return cover, message, costs and the least possible distortion."""
    rng = np.random.default_rng([seed, width])
    n = width * bits
    cost = PROFILES[profile](rng, n)
    cover, message = rng.integers(0, 2, n), rng.integers(0, 2, bits)
    return cover, message, cost, stc.bound_distortion(cost, bits)


def problems(width, count, first_seed):
    # Wide blocks are mostly frozen, so more elements take the same time.
    bits = max(1000, (1 << (15 if width <= 20 else 17)) // width)
    return [
        draw_problem(width, bits, profile, first_seed + k)
        for k in range(count)
        for profile in PROFILES
    ]


def overhead(height, pair, problem):
    cover, message, cost, bound = problem
    stego = stc.embed(cover, message, cost, height, submatrix=(pair, pair))
    return 100 * (cost[stego != cover].sum() / bound - 1)


def score(height, found, shared):
    return float(np.mean([overhead(height, found, problem) for problem in shared]))


def fresh(rng, height, taken, count):
    """Return `count` new columns; none repeats before all have been used."""
    pool = 1 + 2 * rng.permutation(1 << (height - 2)) + (1 << (height - 1))
    if len(taken) + count <= pool.size:
        pool = pool[~np.isin(pool, taken)]
    return np.resize(pool, count)


def search_step(height, width, prefix, candidates, rng):
    """Return the best columns of this width that begin with `prefix`, and their score."""
    shared = problems(width, 3, 1000)
    count = width - len(prefix)
    best, best_score = None, np.inf
    for k in range(candidates):
        tail = fresh(rng, height, prefix, count)
        if k >= candidates // 2:  # vary the best in a fifth of its columns
            tail = best[len(prefix) :].copy()
            where = rng.choice(count, max(1, count // 5), replace=False)
            tail[where] = fresh(rng, height, np.concatenate([prefix, tail]), where.size)
        found = np.concatenate([prefix, tail]).astype(np.int64)
        value = score(height, found, shared)
        if value < best_score:
            best, best_score = found, value
    return best, best_score


def search(args):
    rng = np.random.default_rng(args.height)
    found, start = {}, time.monotonic()
    nothing = np.zeros(0, np.int64)
    narrow = range(2, 21) if args.height > 12 else ()
    for width in narrow:
        best, value = search_step(args.height, width, nothing, args.candidates, rng)
        print(f"# width {width}: {value:.2f} %, {time.monotonic() - start:.0f} s", flush=True)
        found[width] = [f"{c:x}" for c in best]
    sequence = nothing
    for width in STEPS:
        sequence, value = search_step(args.height, width, sequence, args.candidates, rng)
        print(f"# width {width}: {value:.2f} %, {time.monotonic() - start:.0f} s", flush=True)
        found["sequence"] = [f"{c:x}" for c in sequence]
        if args.json:
            Path(args.json).write_text(json.dumps({"height": args.height, "columns": found}))
    for name, words in found.items():
        print(name, " ".join(words))


def compare(args):
    rows = []
    for height in args.heights:
        for width in args.widths:
            ours, theirs = columns(height, width), generated_columns(height, width)
            gain = [
                overhead(height, theirs, problem) - overhead(height, ours, problem)
                for problem in problems(width, args.seeds, 50_000)
            ]
            rows.append(
                {
                    "height": height,
                    "width": width,
                    "shipped_%": score(height, ours, problems(width, args.seeds, 50_000)),
                    "gain_points": np.mean(gain),
                    "std_error": np.std(gain) / np.sqrt(len(gain)),
                }
            )
            print(rows[-1], flush=True)
    report("stc_columns", machine(), {"shipped against generated columns": rows}, args.json)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("search")
    one.add_argument("--height", type=int, required=True)
    one.add_argument("--candidates", type=int, default=120)
    one.add_argument("--json", default=None)
    one.set_defaults(run=search)
    two = commands.add_parser("compare")
    two.add_argument("--heights", type=int, nargs="+", default=[10, 12, 14])
    two.add_argument("--widths", type=int, nargs="+", default=[24, 40, 80, 160, 333])
    two.add_argument("--seeds", type=int, default=12)
    two.add_argument("--json", default=None)
    two.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
