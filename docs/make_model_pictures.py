"""Images of docs/face256.md: `python docs/make_model_pictures.py --faces val.zip`.

Faces of a folder or zip that the model never saw are inverted, and the generator makes all images
from their codes: in fewer and more bytes, halfway between two of them, and with rows of one in
another.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import e2style
from deephide.codecs import latent
from deephide.container.layout import OVERHEAD_BYTES
from e2style.applications import mixing
from e2style.data.faces import FaceSet
from e2style.evaluation.sets import encode_set
from e2style.inference.interface import generate

PICTURES = Path(__file__).resolve().parent / "pictures"
SIDE, HEAD = 160, 22
SHOWN = (5, 9, 14)  # places of the faces, in a set of every 12th
QUALITIES = (1, 3, 5, 6, 8, 10, 12)
FRAMES = 8


def generated(model: e2style.InversionModel, codes: np.ndarray) -> list[Image.Image]:
    """Codes (N, n, 512) -> tiles."""
    lanczos = Image.Resampling.LANCZOS
    return [picture.resize((SIDE, SIDE), lanczos) for picture in generate(model, codes)]


def sheet(rows: list[list[Image.Image]], titles: list[str], name: str) -> None:
    """Write tiles under titles."""
    canvas = Image.new("RGB", (SIDE * len(rows[0]), HEAD + SIDE * len(rows)), "white")
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(titles):
        draw.text((column * SIDE + 6, 4), title, fill="black", font_size=14)
    for y, tiles in enumerate(rows):
        for x, tile in enumerate(tiles):
            canvas.paste(tile, (x * SIDE, HEAD + y * SIDE))
    canvas.save(PICTURES / name, quality=82, method=6)


def main() -> None:
    """Draw three sheets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faces", required=True, help="folder or zip of aligned faces")
    options = parser.parse_args()
    model = e2style.load()
    codes = encode_set(model, FaceSet(options.faces, 256, every=12))[list(SHOWN)]

    columns, titles = [], []
    for quality in QUALITIES:
        quantizer = model.quantizers[quality - 1]
        integers = quantizer.quantise(codes)
        sizes = [OVERHEAD_BYTES + len(latent.compress(i, quantizer)) for i in integers]
        titles.append(f"{quality}: {min(sizes)} to {max(sizes)} bytes")
        columns.append(generated(model, quantizer.dequantise(integers)))
    sheet([list(row) for row in zip(*columns, strict=True)], titles, "model-qualities.webp")

    a, b, c = codes
    pairs = ((a, b), (b, c))
    between = [generated(model, mixing.interpolate(*pair, FRAMES)) for pair in pairs]
    sheet(
        between, [f"{100 * k // (FRAMES - 1)} %" for k in range(FRAMES)], "model-interpolation.webp"
    )

    mixed = []
    for place, own in enumerate(codes):
        others = codes[np.arange(len(codes)) != place]
        tiles = [own]
        for rows in (slice(0, 1), slice(1, 3)):
            tiles += [mixing.mix(own, other, rows) for other in others]
        mixed.append(generated(model, np.stack(tiles)))
    titles = ["own code", *["row 0 of another"] * 2, *["rows 1 and 2 of another"] * 2]
    sheet(mixed, titles, "model-mixing.webp")


if __name__ == "__main__":
    main()
