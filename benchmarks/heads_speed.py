"""Speed of a training step of convolutional heads, as matrix products and as convolutions.

    python benchmarks/heads_speed.py [--batch 4] [--turns 5] [--json PATH]

Heads of pSp over 512 channels, at the sides where small maps are gathered into one matrix, and at
those of the paper's sizes, where that is so of the last three convolutions alone.  Both take turns
on one thread; processor times are medians of forward and backward.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from stc_common import machine, show

from e2style.models import heads

SIDES = (8, 16, 64)
CODES = 3  # chains that are timed; all are alike


def step(model, x) -> float:
    """Processor seconds of a forward and a backward pass."""
    start = time.process_time()
    model(x).square().sum().backward()
    return time.process_time() - start


def ratio(side: int, batch: int, turns: int) -> dict:
    """Both forms at one side."""
    model = heads.ConvHeads(512, side, CODES, 512).to(memory_format=torch.channels_last).train()
    x = torch.randn(batch, 512, side, side).contiguous(memory_format=torch.channels_last)
    limit, seconds = heads.SMALL_SIDE, {"products": [], "convolutions": []}
    for _ in range(turns + 1):
        for name, found in seconds.items():
            heads.SMALL_SIDE = limit if name == "products" else 0
            found.append(step(model, x))
    heads.SMALL_SIDE = limit
    medians = {name: statistics.median(found[1:]) for name, found in seconds.items()}
    return {"side": side, **medians, "ratio": medians["convolutions"] / medians["products"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [ratio(side, options.batch, options.turns) for side in SIDES]
    show({**machine(), "rows": rows}, options.json)


if __name__ == "__main__":
    main()
