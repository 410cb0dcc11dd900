"""Table III: the ablation, (a) to (h), and (d) with a feature pyramid, trained and measured.

    python benchmarks/table3.py --data train.zip --validation val.zip --features weights --runs runs

Options and full size as in `table1.py`, whose runs it shares in the same folder: (h) is the
1-stage E2Style of Table I.
"""

from inversion_tables import COMMON, MULTI, SINGLE, Row, chosen, parser_of, print_table, train_rows

# The pyramid of the text: 256 wide at full size (98 M), a 3 x 3 convolution behind each sum.
PYRAMID = {"model.encoder.pyramid": 256, "model.encoder.pyramid_smooth": True}
ROWS = [
    Row("(h)", "e2style", {"ssim": 0.63, "psnr": 21.3, "ids": 0.69}, run="e2style-1stage"),
    Row("(d)", "e2style", {"ssim": 0.59, "psnr": 21.0, "ids": 0.67}, SINGLE),
    Row("(f)", "e2style", {"ssim": 0.59, "psnr": 21.0, "ids": 0.27}, COMMON),
    Row("(g)", "e2style", {"ssim": 0.60, "psnr": 20.9, "ids": 0.69}, MULTI),
    Row("(c)", "single3", {"ssim": 0.59, "psnr": 20.9, "ids": 0.67}, SINGLE),
    Row("(a)", "single2", {"ssim": 0.57, "psnr": 20.3, "ids": 0.62}, SINGLE),
    Row("(b)", "single4", {"ssim": 0.57, "psnr": 20.5, "ids": 0.66}, SINGLE),
    Row("(d)+FPN", "e2style", {"ssim": 0.59, "psnr": 21.0, "ids": 0.67}, SINGLE | PYRAMID),
    Row("(e)", "conv", {"ssim": 0.55, "psnr": 20.0, "ids": 0.61}, SINGLE),
]


def main() -> None:
    options, rows = chosen(parser_of(__doc__.splitlines()[0]), ROWS)
    print_table("III", train_rows(rows, options), options)


if __name__ == "__main__":
    main()
