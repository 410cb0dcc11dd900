r"""Table I: the forward models, trained with equal data, steps and losses, and its columns.

    python benchmarks/table1.py --data train.zip --validation val.zip --features weights --runs runs
    torchrun --standalone --nproc_per_node 4 benchmarks/table1.py --scale full --data ffhq.zip \
        --validation celeba-hq.zip --generator stylegan2-ffhq.pt --backbone model_ir_se50.pth \
        --features weights --metrics weights --device cuda --runs runs

Interrupted, the same command goes on; `--print` prints what is trained so far. The methods that
optimise codes or noise run on a few images, for which the row says how many.
"""

from inversion_tables import Row, chosen, parser_of, print_table, train_rows

ONE = Row("E2Style-1Stage", "e2style", {"ssim": 0.63, "psnr": 21.3, "ids": 0.69, "s": 0.04})
TWO = Row("E2Style-2Stage", "e2style", {"ssim": 0.66, "psnr": 22.5, "ids": 0.74, "s": 0.09},
          after=ONE)  # fmt: skip
ROWS = [
    ONE,
    Row("pSp", "psp", {"ssim": 0.58, "psnr": 20.7, "ids": 0.57, "s": 0.09}),
    Row("IDGI-Encoder", "idgi", {"ssim": 0.51, "psnr": 18.9, "ids": 0.19, "s": 0.02}),
    TWO,
    Row("e4e", "e4e", {"ssim": 0.55, "psnr": 19.5, "ids": 0.51, "s": 0.09}),
    Row("E2Style-1Stage-C", "shrinking", {"ssim": 0.62, "psnr": 21.2, "ids": 0.68, "s": 0.04}),
    Row("ReStyle", "restyle", {"ssim": 0.62, "psnr": 21.6, "ids": 0.67, "s": 0.36}),
    Row("E2Style-2Stage*", "e2style", {"ssim": 0.63, "psnr": 21.3, "ids": 0.69, "s": 0.09},
        changes={"model.residual": False}, after=ONE),
    Row("E2Style-3Stage", "e2style", {"ssim": 0.67, "psnr": 23.0, "ids": 0.75, "s": 0.13},
        after=TWO),
]  # fmt: skip


# Name, method, the row whose network it runs on (I2S: whose generator), the columns of the paper.
BEHIND = [
    ("IDGI", "idgi", "IDGI-Encoder", {"ssim": 0.62, "psnr": 22.3, "ids": 0.37, "s": 6.60}),
    ("DNI", "dni", "pSp", {"ssim": 0.65, "psnr": 21.0, "ids": 0.55, "s": 13.1}),
    ("I2S", "i2s", "E2Style-1Stage", {"ssim": 0.67, "psnr": 23.9, "ids": 0.60, "s": 54.4}),
]


def main() -> None:
    options, rows = chosen(parser_of(__doc__.splitlines()[0]), ROWS)
    print_table("I", train_rows(rows, options), options, BEHIND)


if __name__ == "__main__":
    main()
