"""Images and tables of docs/applications.md: `python docs/make_applications.py`.

The portrait is scikit-image's, of the astronaut Eileen Collins (NASA, public domain); where a
second face is needed it is a demonstration face, which a generator of this project made: nobody's.
What ships as a direction, and what was measured of it, comes from recipes/directions.py, and the
figures of restoration from benchmarks/restoration.py.
"""

import json
from pathlib import Path

import numpy as np
import skimage.data
from marks import with_content
from PIL import Image, ImageDraw

import e2style
from e2style.applications import directions, mixing, prior, restoration, swapping
from e2style.applications.rows import parse_rows
from e2style.checkpoints.shipped import RESTORER
from e2style.data import align
from e2style.data.detect import load_detector
from e2style.inference.interface import generate, invert

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
PAGE = HERE / "applications.md"
FACES = HERE.parent / "benchmarks" / "demo_faces"
SIDE, GAP, LABEL = 128, 6, 120
SHARES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # of the strength that a direction ships for
# Task, factor and seed of what is shown, three in a row.
SHOWN_DAMAGE = (
    ("colorization", None, 0),
    ("inpainting", None, 0),
    ("denoising", None, 1),
    ("super_resolution", 4, 0),
    ("super_resolution", 8, 0),
    ("super_resolution", 16, 0),
)
MIXED_ROWS = ("0", "7-")  # pose and likeness; light and colours, as the paper mixes them


def portrait_and_others():
    """The portrait as a photo, then aligned faces: its own, and the demonstration faces."""
    photo = Image.fromarray(skimage.data.astronaut())
    found = align.align(photo, load_detector(), 256)
    others = []
    for path in sorted(FACES.glob("*.png")):
        with Image.open(path) as picture:
            others.append(picture.convert("RGB"))
    return photo, found, [found.image, *others]


def grid(rows, name, labels=()):
    """Rows of images of any size, each shrunk to a cell, on white; labels stand on their left."""
    width = max(len(row) for row in rows)
    left = LABEL if labels else 0
    size = (left + width * (SIDE + GAP) - GAP, len(rows) * (SIDE + GAP) - GAP)
    sheet = Image.new("RGB", size, (255, 255, 255))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            cell = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left + x * (SIDE + GAP), y * (SIDE + GAP)))
    draw = ImageDraw.Draw(sheet)
    for y, label in enumerate(labels):
        draw.text((4, y * (SIDE + GAP) + SIDE // 2 - 16), label, "black", font_size=16)
    sheet.save(PICTURES / name, quality=85, method=6)


def draw_alignment(model, photo, found):
    """The photo, its aligned face, what the model generates of it, and that put back."""
    reconstruction = generate(model, invert(model, [found.image]))[0]
    back = align.paste(photo, found.placement, reconstruction)
    grid([[photo, found.image, reconstruction, back]], "alignment.webp")


def draw_codes(model, faces, codes):
    """Edits, mixtures, the way between two faces, and a swap."""
    results = json.loads((HERE / "models" / "directions.json").read_text(encoding="utf-8"))
    shipped = directions.names(model)
    rows, labels = [], []
    for name in shipped:
        tried = results["directions"][name]
        strength = tried[tried["shipped"]]["strength"]
        labels.append(f"{name}\n-{strength:.0f} to {strength:.0f}")
        swept = directions.sweep(
            codes[:1], directions.load_direction(name, model), [strength * s for s in SHARES]
        )
        rows.append(generate(model, swept))
    if rows:
        grid(rows, "edits.webp", labels)
    told = mixing.with_styles(model, codes)
    mixtures = []
    for name in MIXED_ROWS:
        taken = parse_rows(name, model.n_codes)
        mixed = generate(model, np.stack([mixing.mix(told[0], each, taken) for each in told[1:3]]))
        mixtures.append([faces[0], faces[1], mixed[0], faces[2], mixed[1]])
    grid(mixtures, "mixing.webp", [f"--rows {name}" for name in MIXED_ROWS])
    known = prior.prior_of(model)
    ways = (
        prior.between(known, codes[0], codes[1], mixing.FRAMES),
        mixing.interpolate(codes[0], codes[1]),
    )
    labels = ["--along faces", "--along line"]
    grid([generate(model, way) for way in ways], "interpolation.webp", labels)
    pasted = swapping.transplant(faces[1], faces[0])
    grid(
        [[faces[1], faces[0], pasted, generate(model, invert(model, [pasted]))[0]]], "swapping.webp"
    )
    return shipped


def draw_restoration(face):
    """Damaged, restored and true, three damages in a row."""
    model = e2style.load_model(RESTORER)
    side = model.network.seen_side
    rows = []
    for damages in (SHOWN_DAMAGE[:3], SHOWN_DAMAGE[3:]):
        cells = [triple(model, face, side, *damage) for damage in damages]
        rows.append([picture for cell in cells for picture in cell])
    grid(rows, "restoration.webp")


def triple(model, face, side, task, factor, seed):
    """Before, after and the truth of one damage."""
    damaged = restoration.damaged(face, task, side, seed, factor)
    restored = restoration.restore(model, damaged, task).generated
    return [damaged, restored, face]


def restoration_table():
    """What was measured of restoration, as rows of Markdown."""
    rows = json.loads((HERE / "models" / "restoration.json").read_text(encoding="utf-8"))
    lines = [
        "| task | image | PSNR | SSIM | distance | same person |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        task = row["task"].replace("_", "-") + (f" ×{row['factor']}" if row["factor"] else "")
        lines.append(
            f"| {task} | {row['what']} | {row['psnr']:.2f} | {row['ssim']:.3f} | {row['dlib']:.3f} "
            f"| {100 * row['under_0.6']:.0f} % |"
        )
    return "\n".join(lines)


def checked_table():
    """What the directions that ship do to held-out faces, as rows of Markdown."""
    checked = json.loads((HERE / "models" / "directions.json").read_text("utf-8"))["checked"]
    lines = [
        f"On {checked['faces']} faces of `real/val.zip`:\n",
        "| direction | strengths | effect | follows in | distance | same person |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in checked["directions"].items():
        lines.append(
            f"| {name} | ±{row['strength']:.0f} | {row['effect']:.2f} "
            f"| {100 * row['rising']:.0f} % | {row['distance']:.3f} | {100 * row['same']:.0f} % |"
        )
    return "\n".join(lines)


def table(model, shipped):
    """What was measured of the directions, as rows of Markdown."""
    results = json.loads((HERE / "models" / "directions.json").read_text(encoding="utf-8"))
    looked = f"{results['faces']} labelled training faces, {results['trials']} held-out ones"
    lines = [
        f"Model `{results['model']}`; {looked}.\n",
        "| direction | found by | strengths | effect | follows in | distance | ships |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, tried in results["directions"].items():
        chosen = tried.get("shipped")
        for how, row in tried.items():
            if how != "shipped":
                lines.append(
                    f"| {name} | {how} | ±{row['strength']:.0f} | {row['effect']:.2f} "
                    f"| {100 * row['rising']:.0f} % | {row['distance']:.3f} "
                    f"| {'yes' if how == chosen else ''} |"
                )
    if results["model"] != model.name:
        raise SystemExit("directions.json is of another model: run recipes/directions.py first")
    assert set(shipped) == {n for n, tried in results["directions"].items() if "shipped" in tried}
    return "\n".join(lines)


def main():
    model = e2style.load()
    photo, found, faces = portrait_and_others()
    codes = invert(model, faces)
    draw_alignment(model, photo, found)
    shipped = draw_codes(model, faces, codes)
    draw_restoration(faces[0])
    page = PAGE.read_text(encoding="utf-8")
    page = with_content(page, "directions", table(model, shipped))
    page = with_content(page, "checked", checked_table())
    page = with_content(page, "restoration", restoration_table())
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
