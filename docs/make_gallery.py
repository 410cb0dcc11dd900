"""Images of docs/gallery.md: `python docs/make_gallery.py`.

Secrets and photos are those of scikit-image (the astronaut by NASA, public domain); everything else
is what the program made of them.  The randomness of hiding is drawn from a seed, so that an image
is the same every time.
"""

from pathlib import Path

import numpy as np
import skimage.data
from make_pictures import PHOTOS
from PIL import Image, ImageDraw, ImageFont

import deephide
from deephide import views

HERE = Path(__file__).resolve().parent
SIDE, GAP, LINE = 300, 12, 44
TRAVELS = {"latent": "a face", "image": "a small picture"}
# Name of the image, secret, photo, and more options of deephide.embed.
ROWS = {
    "gallery-portrait.webp": ("astronaut", PHOTOS / "coffee.png", {}),
    "gallery-jpeg.webp": ("astronaut", PHOTOS / "rocket.jpg", {"codec": "latent", "quality": 1}),
    "gallery-scene.webp": (PHOTOS / "chelsea.png", PHOTOS / "motorcycle_left.png", {}),
}


def secret_of(source: str | Path) -> Image.Image:
    """The whole portrait, or an image file."""
    if source == "astronaut":
        return Image.fromarray(skimage.data.astronaut())
    with Image.open(source) as image:
        return image.convert("RGB")


def fitted(image: Image.Image) -> Image.Image:
    """An image in a square, on white."""
    factor = SIDE / max(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    # Of a map of changes every block stays one.
    filtered = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    scaled = image.convert("RGB").resize(size, filtered)
    place = Image.new("RGB", (SIDE, SIDE), "white")
    place.paste(scaled, ((SIDE - scaled.width) // 2, (SIDE - scaled.height) // 2))
    return place


def row(name: str) -> None:
    """Hide one secret, get it back, and write the four images side by side."""
    source, photo, options = ROWS[name]
    rng = np.random.default_rng(9)
    secret = secret_of(source)
    result = deephide.embed(secret, photo, "gallery", _random=rng.bytes, **options)
    with Image.open(photo) as image:
        cover = image.convert("RGB")
    changed = views.differences(cover, result.stego, SIDE)
    assert result.preview is not None
    takes = result.payload_bits // 8
    cells = (
        (secret, "the secret"),
        (result.stego, f"the photo, with {takes} bytes in it"),
        (changed, f"what changed: {result.changes:,} of {result.elements:,}"),
        (result.preview, f"what comes back, as {TRAVELS[result.codec]}"),
    )
    width = len(cells) * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, SIDE + LINE), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(17)
    for i, (image, words) in enumerate(cells):
        x = i * (SIDE + GAP)
        sheet.paste(fitted(image), (x, 0))
        draw.text((x + SIDE / 2, SIDE + LINE / 2), words, "#263238", font, "mm")
    sheet.save(HERE / "pictures" / name, quality=85)
    print(name, result.reason)


if __name__ == "__main__":
    for each in ROWS:
        row(each)
