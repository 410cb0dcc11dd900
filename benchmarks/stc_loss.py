"""Measure how far above the payload-distortion bound `stc` embeds.

    PYTHONPATH=. python benchmarks/stc_loss.py [--log2-n 17] [--seeds 2] [--json PATH]

Overhead is distortion / bound - 1 in percent, the mean over seeds. "frozen" is what `embed` does
by default, "full" leaves every dry element in the trellis. At 2**17 elements one seed scatters by
about half a point.
"""

import argparse

import numpy as np
from stc_common import machine, photo_costs, report

import stc


def overhead(paid, bound):
    return 100 * (paid / bound - 1)


def binary_rows(n, seeds):
    profiles = {"linear": lambda rng: rng.random(n), "constant": lambda _: np.ones(n)}
    for profile, draw in profiles.items():
        for alpha in (0.0125, 0.0264, 0.05, 0.25, 0.5):
            for height in (7, 10, 12, 13):
                found = {True: [], False: []}
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    cost, cover = draw(rng), rng.integers(0, 2, n)
                    message = rng.integers(0, 2, int(alpha * n))
                    bound = stc.bound_distortion(cost, message.size)
                    for freeze, values in found.items():
                        stego = stc.embed(cover, message, cost, height, freeze=freeze)
                        values.append(overhead(cost[stego != cover].sum(), bound))
                yield {
                    "costs": profile,
                    "alpha": alpha,
                    "height": height,
                    "frozen_%": np.mean(found[True]),
                    "full_%": np.mean(found[False]),
                }


def picture_rows(side, seeds):
    for n_message in (1_000, 8_000, 80_000):
        for height in (10, 12, 13, 14):
            values, rates = [], []
            for seed in range(seeds):
                rng = np.random.default_rng(seed)
                cover, p1, m1 = photo_costs(side, rng)
                message = rng.integers(0, 2, n_message)
                stego = stc.embed_ternary(cover, message, p1, m1, height)
                delta = stego.astype(np.int16) - cover
                paid = p1[delta == 1].sum() + m1[delta == -1].sum()
                bound = stc.bound_distortion_ternary(p1, m1, n_message)
                values.append(overhead(paid, bound))
                rates.append(np.count_nonzero(delta) / cover.size)
            yield {
                "n": cover.size,
                "payload_bits": n_message,
                "height": height,
                "overhead_%": np.mean(values),
                "change_rate": np.mean(rates),
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log2-n", type=int, default=17)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    tables = {
        "±1 in two layers, HILL, RGB photo": list(picture_rows(args.side, args.seeds)),
        "binary": list(binary_rows(1 << args.log2_n, args.seeds)),
    }
    report("stc_loss", machine(), tables, args.json)


if __name__ == "__main__":
    main()
