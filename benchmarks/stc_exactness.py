"""Exactness of embedding in random covers: every outcome is exact or a typed error.

    PYTHONPATH=. python benchmarks/stc_exactness.py [--covers 2000] [--json PATH]

Sizes, heights, payloads, splits, wet patterns and cost scales are drawn at random. Every stego must
give its message back, differ from its cover by at most 1, and leave wet changes alone; the only
other outcome allowed is `PayloadTooLargeError`. The last column says how full the
emptiest cover was that was rejected in random order with the entropy split.
"""

import argparse
import collections

import numpy as np
from stc_common import machine, report

import stc

OUTCOMES = ("exact", "refused")
WET = ("none", "scattered", "blocks", "one-sided", "saturated", "nearly all")


def draw_case(rng):
    n = int(10 ** rng.uniform(1.5, 4.5))
    pattern = str(rng.choice(WET))
    kind = rng.choice(["uint8", "int16", "int64"])
    cover = rng.integers(0, 256, n).astype(kind)
    p1, m1 = rng.random(n), rng.random(n)
    if rng.random() < 0.5:
        scale = 10.0 ** rng.uniform(-6, 12) * rng.lognormal(0, 2, n)
        p1, m1 = p1 * scale, m1 * scale
    if pattern == "scattered":
        p1[rng.random(n) < 0.3] = m1[rng.random(n) < 0.3] = np.inf
    elif pattern == "blocks":
        start = int(rng.integers(0, n))
        p1[start : start + n // 2] = m1[start : start + n // 2] = np.inf
    elif pattern == "one-sided":
        (p1 if rng.random() < 0.5 else m1)[:] = np.inf
    elif pattern == "saturated":
        cover[rng.random(n) < 0.8] = 255 * int(rng.integers(0, 2))
    elif pattern == "nearly all":
        wet = rng.random(n) < 0.95
        p1[wet] = m1[wet] = np.inf
    message = rng.integers(0, 2, int(n * rng.choice([0.01, 0.05, 0.2, 0.5, 1.0]) * rng.random()))
    options = {
        "height": int(rng.integers(6, 15)),
        "split": str(rng.choice(["entropy", "entropy", "even"])),
    }
    permuted = bool(rng.random() < 0.8)  # as most users do
    if permuted:
        order = rng.permutation(n)
        cover, p1, m1 = cover[order], p1[order], m1[order]
    return pattern, permuted, (cover, message, p1, m1, options)


def fullness(cover, message, p1, m1, _):
    """Return the message's share of the entropy of free choice among the permitted changes."""
    up, down = p1 < np.inf, m1 < np.inf
    up &= cover < np.iinfo(cover.dtype).max
    down &= cover > np.iinfo(cover.dtype).min
    return message.size / max(1.0, np.log2(1 + up.astype(int) + down).sum())


def check(case):
    """Return "exact" or "rejected"; anything else raises."""
    cover, message, p1, m1, options = case
    threads = 1 + message.size % 2
    try:
        stego = stc.embed_ternary(cover, message, p1, m1, threads=threads, **options)
    except stc.PayloadTooLargeError:
        return "refused"
    assert np.array_equal(stc.extract_ternary(stego, message.size, **options), message)
    delta = stego.astype(int) - cover
    assert np.abs(delta).max(initial=0) <= 1
    assert np.isfinite(p1[delta == 1]).all()
    assert np.isfinite(m1[delta == -1]).all()
    return "exact"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--covers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    counts = collections.defaultdict(collections.Counter)
    by_fullness = collections.defaultdict(collections.Counter)
    for k in range(args.covers):
        pattern, permuted, case = draw_case(np.random.default_rng([args.seed, k]))
        outcome = check(case)
        counts[pattern][outcome] += 1
        if permuted and case[-1]["split"] == "entropy":
            by_fullness[min(int(10 * fullness(*case)), 10)][outcome] += 1
    rows = [{"wet": pattern, **{o: counts[pattern][o] for o in OUTCOMES}} for pattern in WET]
    bins = [
        {
            "fullness": f"{tenth / 10:.1f}" if tenth < 10 else "1 or more",
            **{o: by_fullness[tenth][o] for o in OUTCOMES},
        }
        for tenth in sorted(by_fullness)
    ]
    tables = {f"{args.covers} covers, none wrong": rows, "by fullness, from": bins}
    report("stc_exactness", machine(), tables, args.json)


if __name__ == "__main__":
    main()
