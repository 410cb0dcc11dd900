"""Images of docs/face256.md: `python docs/make_model_pictures.py --faces val.zip`.

scikit-image's portrait of the astronaut Eileen Collins (NASA, public domain) is cut out, sent in
fewer and more bytes, and set beside a WebP image of as many. Faces of a folder or zip that the
model never saw are inverted, and the generator makes images from their codes: between two of them,
through the prior and on a line, and with rows of one in another. Faces of nobody are drawn.
"""

import argparse
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

import e2style
from deephide.codecs import latent
from deephide.codecs.faces import of_secret
from deephide.codecs.image import squeeze
from deephide.container.layout import OVERHEAD_BYTES
from e2style.applications import mixing, prior
from e2style.applications.sampling import sample
from e2style.data.faces import FaceSet
from e2style.evaluation.sets import encode_set
from e2style.inference.interface import generate, invert

PICTURES = Path(__file__).resolve().parent / "pictures"
SIDE, HEAD = 160, 22
SHOWN = (5, 9, 14)  # places of the faces, in a set of every 12th
QUALITIES = (1, 3, 5, 7, 9, 11)
FRAMES = 8
SEEDS = range(8)


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


def qualities(model: e2style.InversionModel) -> None:
    """Draw the portrait at several qualities, above a WebP image in as many bytes."""
    portrait = of_secret(Image.fromarray(skimage.data.astronaut()), "auto", 256).image
    code = invert(model, [portrait])
    lanczos = Image.Resampling.LANCZOS
    own = portrait.resize((SIDE, SIDE), lanczos)
    ours, theirs, titles = [own], [Image.new("RGB", (SIDE, SIDE), "white")], ["the portrait"]
    for quality in QUALITIES:
        quantizer = model.quantizers[quality - 1]
        integers = quantizer.quantise(code)
        payload = len(latent.compress(integers[0], quantizer))
        titles.append(f"{quality}: {OVERHEAD_BYTES + payload} bytes")
        ours += generated(model, quantizer.dequantise(integers))
        small = squeeze(portrait, payload, avif=False)
        blank = Image.new("RGB", (SIDE, SIDE), "white")
        theirs.append(small.preview.resize((SIDE, SIDE), lanczos) if small else blank)
    ImageDraw.Draw(theirs[0]).text((6, SIDE // 2), "WebP, as many bytes", "black", font_size=14)
    sheet([ours, theirs], titles, "model-qualities.webp")


def main() -> None:
    """Draw four sheets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faces", required=True, help="folder or zip of aligned faces")
    options = parser.parse_args()
    model = e2style.load()
    codes = encode_set(model, FaceSet(options.faces, 256, every=12))[list(SHOWN)]

    qualities(model)
    a, b, c = codes
    pairs = ((a, b), (b, c))
    known = prior.prior_of(model)
    between = []
    for pair in pairs:
        between.append(generated(model, prior.between(known, *pair, FRAMES)))
        between.append(generated(model, mixing.interpolate(*pair, FRAMES)))
    sheet(
        between, [f"{100 * k // (FRAMES - 1)} %" for k in range(FRAMES)], "model-interpolation.webp"
    )
    drawn = [generated(model, sample(model, SEEDS, truncation)) for truncation in (1.0, 0.8)]
    sheet(drawn, [f"seed {seed}" for seed in SEEDS], "model-drawn.webp")

    mixed = []
    codes = mixing.with_styles(model, codes)
    for place, own in enumerate(codes):
        others = codes[np.arange(len(codes)) != place]
        tiles = [own]
        for rows in (slice(0, 1), slice(1, 3), slice(4, None)):
            tiles += [mixing.mix(own, other, rows) for other in others]
        mixed.append(generated(model, np.stack(tiles)))
    titles = ["own code", *["row 0 of another"] * 2, *["rows 1, 2 of another"] * 2]
    sheet(mixed, [*titles, *["rows 4 to 13 of another"] * 2], "model-mixing.webp")


if __name__ == "__main__":
    main()
