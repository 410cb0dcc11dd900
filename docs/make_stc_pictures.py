"""Images of docs/stc.md: a trellis, and the distance from the bound.

    PYTHONPATH=. python docs/make_stc_pictures.py [--log2-n 17] [--seeds 2]

The second image is measured: linear costs, heights 7 to 14, a minute or two of computation.
"""

import argparse
import itertools
from pathlib import Path

import matplotlib as mpl
import numpy as np

import stc

PICTURES = Path(__file__).resolve().parent / "pictures"
HEIGHT, COLUMNS = 2, (0b11, 0b10)  # a submatrix small enough to look at
COVER, COST = (1, 0, 1, 1), (1, 3, 2, 1)
MESSAGE = (0, 1)


def toy_trellis():
    """Run the search over every state; return edges, survivors and the best path.

    An edge is (step, state before, state after, stego bit); the metrics are those before a step.
    """
    metrics = [{0: 0}]
    edges, came = [], []
    for i, (bit, cost) in enumerate(zip(COVER, COST, strict=True)):
        here, best = {}, {}
        for state, paid in metrics[-1].items():
            for stego in (0, 1):
                after = state ^ (COLUMNS[i % len(COLUMNS)] if stego else 0)
                total = paid + (cost if stego != bit else 0)
                edges.append((len(metrics) - 1, state, after, stego))
                if total < here.get(after, np.inf):
                    here[after], best[after] = total, (state, stego)
        metrics.append(here)
        came.append(best)
        if (i + 1) % len(COLUMNS) == 0:  # a block closes: keep one parity, drop its row
            parity = MESSAGE[i // len(COLUMNS)]
            kept = {s >> 1: m for s, m in here.items() if s & 1 == parity}
            came.append({s >> 1: (s, None) for s in here if s & 1 == parity})
            edges += [(len(metrics) - 1, s, s >> 1, None) for s in here if s & 1 == parity]
            metrics.append(kept)
    state = min(metrics[-1], key=metrics[-1].get)
    path = [state]
    for best in reversed(came):
        state = best[state][0]
        path.append(state)
    return edges, metrics, path[::-1]


def draw_trellis(plt):
    edges, metrics, path = toy_trellis()
    figure, axes = plt.subplots(figsize=(8.4, 3.4))
    for step, before, after, stego in edges:
        style = {0: "-", 1: "--", None: ":"}[stego]
        axes.plot([step, step + 1], [before, after], style, color="0.7", lw=1)
    for step, (before, after) in enumerate(itertools.pairwise(path)):
        axes.plot([step, step + 1], [before, after], color="tab:blue", lw=2.5, zorder=2)
    for step, here in enumerate(metrics):
        for state, paid in here.items():
            axes.plot(step, state, "o", ms=15, mfc="white", mec="0.3", zorder=3)
            axes.text(step, state, f"{paid:g}", ha="center", va="center", fontsize=9, zorder=4)
    labels, step = ["start"], 0
    for i in range(len(COVER)):
        step += 1
        labels.append(f"x{i} = {COVER[i]}\ncost {COST[i]}")
        if (i + 1) % len(COLUMNS) == 0:
            labels.append(f"keep lowest bit = {MESSAGE[i // len(COLUMNS)]},\nshift")
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.set_yticks(range(1 << HEIGHT), [f"state {s:0{HEIGHT}b}" for s in range(1 << HEIGHT)])
    axes.invert_yaxis()
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(
        "solid: stego bit 0, dashed: 1, dotted: what survives a block; numbers: least distortion "
        "so far; blue: the stego",
        fontsize=9,
    )
    figure.savefig(PICTURES / "trellis.svg", bbox_inches="tight", metadata={"Date": None})


def draw_overhead(plt, log2_n, seeds):
    n = 1 << log2_n
    alphas = (0.0125, 0.0264, 0.05, 0.1, 0.25, 0.5)
    figure, axes = plt.subplots(figsize=(8.4, 3.8))
    for height in (7, 8, 10, 12, 13, 14):
        values = []
        for alpha in alphas:
            found = []
            for seed in range(seeds):
                rng = np.random.default_rng(seed)
                cover, message = rng.integers(0, 2, n), rng.integers(0, 2, int(alpha * n))
                cost = rng.random(n)
                stego = stc.embed(cover, message, cost, height)
                bound = stc.bound_distortion(cost, message.size)
                found.append(100 * (cost[stego != cover].sum() / bound - 1))
            values.append(np.mean(found))
        print(f"height {height}: " + ", ".join(f"{v:.1f}" for v in values), flush=True)
        axes.plot(alphas, values, "o-", label=f"h = {height}")
    axes.set_xscale("log")
    axes.set_xticks(alphas, [str(alpha) for alpha in alphas])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("payload α, bits per element")
    axes.set_ylabel("distortion above the bound, %")
    axes.set_title(f"linear costs, n = 2^{log2_n}, mean of {seeds}", fontsize=10)
    axes.grid(color="0.9")
    axes.legend(ncol=2)
    figure.savefig(PICTURES / "overhead.svg", bbox_inches="tight", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log2-n", type=int, default=17)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "deephide"  # the same file every time
    from matplotlib import pyplot as plt

    draw_trellis(plt)
    draw_overhead(plt, args.log2_n, args.seeds)


if __name__ == "__main__":
    main()
