r"""Eq. 1: how many rows of the code each level predicts, by training and binary search.

    python benchmarks/search_split.py --data train.zip --validation val.zip --features weights \
        --runs runs --images 400

As the paper says: the two shallow levels count as one while the fewest rows n1 of the deepest level
are sought whose SSIM is at most `--tolerance` below that of the whole code from the deepest level;
then the fewest n2 in the same way. Each candidate is one training, kept in its own folder, so that
an interrupted search goes on. Options as in `table1.py`.
"""

import argparse
from collections.abc import Callable

from inversion_tables import COMMON, Row, measured, parser_of, train_rows

from e2style.training.assemble import generator_of

Split = tuple[int, int, int]  # rows of the levels 1/8, 1/4, 1/2


def smallest(most: int, quality: Callable[[int], float], least: float, lowest: int = 0) -> int:
    """Smallest count from `lowest` to `most` whose quality is at least `least`.

    A binary search, which takes quality to grow with the count; `most` is taken to be enough.
    """
    low, high = lowest, most
    while low < high:
        middle = (low + high) // 2
        if quality(middle) >= least:
            high = middle
        else:
            low = middle + 1
    return high


def search(rows: int, quality: Callable[[Split], float], tolerance: float = 0.02) -> Split:
    """Split of so many rows, as Eq. 1 of the paper asks for it and its text finds it.

    Parameters
    ----------
    rows : of the code
    quality : SSIM of a split
    tolerance : share of the SSIM that may be lost in each of the two searches
    """
    whole = quality((rows, 0, 0))
    deep = smallest(rows, lambda n: quality((n, rows - n, 0)), (1 - tolerance) * whole, lowest=1)
    before = quality((deep, rows - deep, 0))
    middle = smallest(
        rows - deep, lambda n: quality((deep, n, rows - deep - n)), (1 - tolerance) * before
    )
    return deep, middle, rows - deep - middle


def row_of(split: Split) -> Row:
    """Training of a split, under the common losses."""
    shallow_first = list(split[::-1])
    pools = [pool if count else 0 for pool, count in zip((3, 5, 7), shallow_first, strict=True)]
    own = {"model.encoder.split": shallow_first, "model.encoder.pools": pools}
    name = "split-" + "-".join(map(str, split))
    return Row(name, "e2style", {"ssim": 0.0, "psnr": 0.0, "ids": 0.0}, COMMON | own)


def main() -> None:
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--tolerance", type=float, default=0.02)
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    known: dict[Split, float] = {}

    def quality(split: Split) -> float:
        if split not in known:
            known[split] = _trained(split, options)
            print(f"{split}: SSIM {known[split]:.4f}", flush=True)
        return known[split]

    rows = generator_of(str(options.generator))[0].config.n_codes
    found = search(rows, quality, options.tolerance)
    print(f"n1, n2, n3 = {found}, {len(known)} trainings")


def _trained(split: Split, options: argparse.Namespace) -> float:
    for row, run in train_rows([row_of(split)], options):
        values = measured(row, run, options)
    if values is None:
        raise SystemExit(f"{split}: not trained yet")
    return float(values["means"]["ssim"]["mean"])


if __name__ == "__main__":
    main()
