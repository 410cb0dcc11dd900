"""Images of the README, the tutorial and the guides: `python docs/make_pictures.py`.

The face is that of the astronaut of scikit-image (Eileen Collins, NASA, public domain), the photos
are scikit-image's too. Everything is computed, and the same every time: the randomness of hiding is
drawn from a seed here.
"""

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

import deephide
import e2style
import stc
from deephide import views
from e2style.data import align
from e2style.data.detect import load_detector

PICTURES = Path(__file__).resolve().parent / "pictures"
PHOTOS = Path(skimage.data.__file__).parent

CELL, GAP, HEAD = 132, 66, 34  # of the diagram, in its own units
ROW = CELL + 64
NARROW = "\u00a0"  # a space that SVG does not fold
INK, SOFT, ACCENT = "#263238", "#607d8b", "#00796b"


def seeded() -> Callable[[int], bytes]:
    """A stand-in for the system's random bytes, so that an image is the same every time."""
    rng = np.random.default_rng(9)
    return rng.bytes


def portrait() -> Image.Image:
    """The astronaut's face, as `e2style align` cuts it out."""
    photo = Image.open(PHOTOS / "astronaut.png").convert("RGB")
    return align.align(photo, load_detector(), 256).image


def square(image: Image.Image, side: int = 2 * CELL) -> Image.Image:
    """Cut the middle square out and scale it."""
    crop = min(image.size)
    x, y = (image.width - crop) // 2, (image.height - crop) // 2
    box = (x, y, x + crop, y + crop)
    return image.convert("RGB").crop(box).resize((side, side), Image.Resampling.LANCZOS)


def heat(values: NDArray[np.float64]) -> Image.Image:
    """Show numbers from dark to light in teal; the darkest and lightest twentieth are alike."""
    low, high = np.quantile(values, (0.05, 0.95))
    dark, light = np.array([0, 60, 55]), np.array([224, 242, 241])
    share = np.clip((values - low) / (high - low), 0, 1)[..., None]
    pixels = (dark + share * (light - dark)).astype(np.uint8)
    return Image.fromarray(pixels).resize((2 * CELL, 2 * CELL), Image.Resampling.NEAREST)


def first_of(code: NDArray[np.float64] | NDArray[np.int32]) -> NDArray[np.float64]:
    """The first 144 values of a code as a square, large ones held back: they fall off quickly."""
    values = code[0, :144].reshape(12, 12).astype(float)
    return np.sign(values) * np.log1p(np.abs(values))


def bits() -> Image.Image:
    """A square of bits without any order, as all that is sealed looks."""
    drawn = np.frombuffer(hashlib.shake_256(b"sealed").digest(72), np.uint8)
    pixels = 255 - 200 * np.unpackbits(drawn).reshape(24, 24)
    return Image.fromarray(pixels).resize((2 * CELL, 2 * CELL), Image.Resampling.NEAREST)


def changes(cover: Image.Image, stego: Image.Image) -> Image.Image:
    """Mark the places that changed, white on black, each as a dot that can be seen."""
    crop = min(cover.size)
    x = (cover.width - crop) // 2
    box = (x, 0, x + crop, crop)
    changed = views.differences(cover.crop(box), stego.crop(box), CELL)
    return changed.resize((2 * CELL, 2 * CELL), Image.Resampling.NEAREST)


def corner(column: int, row: int) -> tuple[int, int]:
    """Upper left corner of a cell of the diagram."""
    return GAP // 2 + column * (CELL + GAP), HEAD + row * ROW


def frame(column: int, row: int, title: str) -> str:
    """The edge of a cell and its name below."""
    x, y = corner(column, row)
    return (
        f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="8" class="cell"/>\n'
        f'<text x="{x + CELL / 2}" y="{y + CELL + 18}" class="name">{title}</text>\n'
    )


def picture_cell(column: int, row: int, image: Image.Image, title: str) -> str:
    """A cell with an image in it."""
    data = io.BytesIO()
    image.save(data, "WEBP", quality=80)
    text = base64.b64encode(data.getvalue()).decode()
    x, y = corner(column, row)
    return (
        f'<image x="{x}" y="{y}" width="{CELL}" height="{CELL}" clip-path="inset(0 round 8px)" '
        f'href="data:image/webp;base64,{text}"/>\n'
    ) + frame(column, row, title)


def text_cell(column: int, row: int, lines: Sequence[str], title: str) -> str:
    """A cell with lines of digits in it."""
    x, y = corner(column, row)
    high = (CELL - 16) / len(lines)
    words = ""
    for i, line in enumerate(lines):
        at = f'x="{x + CELL / 2}" y="{y + 8 + high * (i + 0.75):.1f}"'
        words += f'<text {at} class="digits">{line}</text>\n'
    return words + frame(column, row, title)


def arrow(column: int, row: int, label: str, direction: str = "right") -> str:
    """An arrow that leaves a cell, with what happens on the way."""
    x, y = corner(column, row)
    middle = y + CELL / 2
    if direction == "down":
        x += CELL / 2
        line = f"M{x} {y + CELL + 26} V{y + ROW - 8}"
        return f'<path d="{line}" class="arrow"/>\n'
    start, end, at = x + CELL + 5, x + CELL + GAP - 9, x + CELL + GAP / 2
    if direction == "left":
        start, end, at = x - 5, x - GAP + 9, x - GAP / 2
    words = "".join(
        f'<text x="{at}" y="{middle - 10 - 14 * up}" class="step">{word}</text>\n'
        for up, word in enumerate(reversed(label.split("|")))
    )
    return f'<path d="M{start} {middle} H{end}" class="arrow"/>\n{words}'


def diagram() -> None:
    """Draw how a face travels."""
    cover = Image.open(PHOTOS / "coffee.png").convert("RGB")
    face = portrait()
    result = deephide.embed(face, cover, codec="latent", face=None, _random=seeded())
    assert result.integers is not None and result.preview is not None
    crop = min(cover.size)
    x = (cover.width - crop) // 2
    costs = stc.costs.hill(np.asarray(cover)[:crop, x : x + crop, 1])
    model = e2style.load()
    pixels = torch.from_numpy(np.array(face))
    offsets = model.invert(pixels.permute(2, 0, 1)[None] / 127.5 - 1)[0] - model.network.w_avg
    first = result.integers[0, :35].reshape(7, 5)
    digits = [" ".join(f"{i:2}" for i in row).replace(" ", NARROW) for row in first]
    drawn = hashlib.shake_256(b"bytes").digest(35)
    codewords = ["\u2002".join(f"{byte:02x}" for byte in drawn[i : i + 5]) for i in range(0, 35, 5)]
    parts = [
        picture_cell(0, 0, square(face), "secret"),
        arrow(0, 0, "E2Style|encoder"),
        picture_cell(1, 0, heat(first_of(offsets.double().numpy())), "W+ code"),
        arrow(1, 0, "round"),
        text_cell(2, 0, digits, "integers"),
        arrow(2, 0, "entropy|coder"),
        text_cell(3, 0, codewords, "bytes"),
        arrow(3, 0, "encrypt"),
        picture_cell(4, 0, bits(), "sealed container"),
        arrow(4, 0, "", "down"),
        picture_cell(2, 1, square(cover), "cover"),
        arrow(2, 1, "cost|function"),
        picture_cell(3, 1, heat(-np.log(costs)), "costs (light: low)"),
        arrow(3, 1, "trellis|code"),
        picture_cell(4, 1, changes(cover, result.stego), "changes by one level"),
        arrow(4, 1, "", "down"),
        picture_cell(4, 2, square(result.stego), "stego"),
        arrow(4, 2, "syndrome", "left"),
        picture_cell(3, 2, bits(), "sealed container"),
        arrow(3, 2, "decrypt,|decode", "left"),
        text_cell(2, 2, digits, "the same integers"),
        arrow(2, 2, "scale", "left"),
        picture_cell(1, 2, heat(first_of(result.integers)), "W+ code, rounded"),
        arrow(1, 2, "StyleGAN2|generator", "left"),
        picture_cell(0, 2, square(result.preview), "the face"),
    ]
    width, height = 5 * CELL + 5 * GAP, HEAD + 3 * ROW - 20
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="From the secret to the stego, and back to the face">\n'
        "<style>text{font-family:system-ui,sans-serif;text-anchor:middle}"
        f".name{{font-size:13px;fill:{INK}}}.step{{font-size:11.5px;fill:{ACCENT}}}"
        f".digits{{font:11px ui-monospace,monospace;fill:{SOFT}}}"
        ".cell{fill:none;stroke:#cfd8dc}"
        f".side{{font-size:13px;fill:{SOFT};text-anchor:start}}"
        f".arrow{{fill:none;stroke:{ACCENT};stroke-width:1.6;marker-end:url(#tip)}}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="{ACCENT}"/>'
        "</marker></defs>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#fff"/>\n'
        f'<text x="{GAP // 2}" y="22" class="side">who sends</text>\n'
        f'<text x="{GAP // 2}" y="{HEAD + 2 * ROW - 12}" class="side">who receives</text>\n'
        + "".join(parts)
        + "</svg>\n"
    )
    (PICTURES / "how-it-works.svg").write_text(svg, encoding="utf-8")


def tiles(rows: Sequence[Sequence[tuple[Image.Image, str]]], name: str) -> None:
    """Write images side by side, each under its title."""
    columns = len(rows[0])
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(2.3 * columns, 2.55 * len(rows)), squeeze=False
    )
    for line, row in zip(axes, rows, strict=True):
        for place, (image, title) in zip(line, row, strict=True):
            place.imshow(image, interpolation="lanczos")
            place.set_title(title, fontsize=10)
            place.axis("off")
    figure.tight_layout(pad=0.4)
    figure.savefig(PICTURES / name, dpi=130, bbox_inches="tight", pil_kwargs={"quality": 85})
    plt.close(figure)


def tutorial() -> None:
    """Draw what becomes of a real portrait under two codecs."""
    face = portrait()
    cover = Image.open(PHOTOS / "coffee.png")
    row = [(square(face), "the secret")]
    for codec, title in (("latent", "as a face"), ("image", "as a small picture")):
        result = deephide.embed(face, cover, codec=codec, _random=seeded())
        assert result.preview is not None
        row.append((square(result.preview), f"{title}, {result.payload_bits // 8} bytes"))
    tiles([row], "tutorial.webp")


def covers() -> None:
    """Draw how much four photos hold safely, and where; the last one was a JPEG file before."""
    photos, maps = [], []
    for name in ("coffee.png", "motorcycle_left.png", "brick.png", "chelsea.png"):
        image = Image.open(PHOTOS / name)
        image = image if image.mode == "L" else image.convert("RGB")
        safe = deephide.capacity(image).safe_bytes
        pixels = np.asarray(image.convert("L"))
        crop, x = min(image.size), (image.width - min(image.size)) // 2
        photos.append((square(image), f"{image.width} × {image.height}: {safe} bytes"))
        costs = -np.log(stc.costs.hill(pixels)[:crop, x : x + crop])
        maps.append((heat(costs), "light: cheap to change"))
    tiles([photos, maps], "covers.webp")


if __name__ == "__main__":
    diagram()
    tutorial()
    covers()
