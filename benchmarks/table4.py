r"""Table IV: encoders trained on another domain than faces, and its columns.

    python benchmarks/table4.py cats --scale full --data lsun-cat.zip \
        --validation lsun-cat-test.zip --generator stylegan2-cat.pt --features weights \
        --device cuda --runs runs/cats

Common losses only, generators of side 256 (cats, horses) or 512 (cars), and for E2Style pools
7/7/7: the only ones that give the paper's sizes. With `--scale small` the generator is one of side
64, and the pools are 7/7/7 as well. Images of cars that are not square are put between black bars,
as StyleGAN2's generator has them. Options as in `table1.py`. Means by group stand below each row,
so that real images in a folder of their own are scored apart.
"""

import dataclasses

from inversion_tables import (
    COMMON,
    SCALES,
    Row,
    chosen,
    encoder_settings,
    parser_of,
    print_table,
    train_rows,
)

from e2style.architectures import ROWS
from e2style.config import GeneratorConfig

SIDES = {"cats": 256, "horses": 256, "cars": 512}
SPLITS = {256: [2, 4, 8], 512: [2, 5, 9]}
IMAGES = {"cats": 250_000, "horses": 250_000, "cars": 203_600}  # 25 epochs
# SSIM, PSNR and seconds of pSp, IDGI and E2Style-1Stage.
PAPER = {
    "cats": ((0.39, 18.1, 0.06), (0.40, 18.4, 0.02), (0.41, 18.5, 0.02)),
    "horses": ((0.33, 17.1, 0.06), (0.34, 17.7, 0.02), (0.37, 17.8, 0.02)),
    "cars": ((0.40, 16.2, 0.06), (0.41, 16.7, 0.03), (0.43, 16.8, 0.03)),
}


def rows_of(domain: str, size: str = "full") -> list[Row]:
    """The three rows of a domain at a size of `SCALES`."""
    full = size == "full"
    side = SIDES[domain] if full else SCALES[size].side
    scale = dataclasses.replace(SCALES[size], side=side)
    idgi = encoder_settings("idgi", GeneratorConfig(side).n_codes, scale)
    length = {"images": IMAGES[domain]} if full else {}
    changes = {
        "psp": {},
        "idgi": {f"model.encoder.{name}": value for name, value in idgi.items()},
        "e2style": {
            "model.encoder.pools": [7, 7, 7],
        }
        | ({"model.encoder.split": SPLITS[side]} if full else {}),
    }
    millions = {row.row: row.millions for row in ROWS if row.table == "IV"}
    group = "cars" if domain == "cars" else "cats and horses"
    rows = []
    for (kind, own), paper in zip(changes.items(), PAPER[domain], strict=True):
        method = {"psp": "pSp", "idgi": "IDGI", "e2style": "E2Style"}[kind]
        columns = dict(zip(("ssim", "psnr", "s"), paper, strict=True))
        columns["millions"] = millions[f"{method}, {group}"]
        fit = {"fit": "letterbox"} if domain == "cars" else {}
        name = f"{method}-1Stage" if kind == "e2style" else method
        rows.append(Row(name, kind, columns, length | COMMON | fit | own))
    return rows


def main() -> None:
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("domain", choices=sorted(SIDES))
    options, rows = chosen(parser, lambda given: rows_of(given.domain, given.scale))
    print_table("IV", train_rows(rows, options), options)


if __name__ == "__main__":
    main()
