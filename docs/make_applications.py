"""Draw docs/applications.md's pictures and fill its table: `python docs/make_applications.py`.

All faces are the demonstration faces, which the default generator painted: nobody's. What ships as
a direction, and what was measured of it, comes from make_directions.py.
"""

import json
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import e2style
from e2style.applications import directions, mixing, swapping
from e2style.applications.rows import parse_rows
from e2style.data import align
from e2style.data.detect import load_detector
from e2style.errors import CheckpointError
from e2style.pictures import invert, paint

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
PAGE = HERE / "applications.md"
FACES = HERE.parent / "benchmarks" / "demo_faces"
WEIGHTS = HERE.parents[1] / "shared" / "weights"
SIDE, GAP = 128, 6
STRENGTHS = (-3.0, -1.5, 0.0, 1.5, 3.0)
MIXED_ROWS = "0"  # of the default model, which sends nothing in the rows of the paper


def demo_faces():
    faces = []
    for path in sorted(FACES.glob("*.png")):
        with Image.open(path) as picture:
            faces.append(picture.convert("RGB"))
    return faces


def grid(rows, name):
    """Rows of pictures of any size, each shrunk to a cell, on white."""
    width = max(len(row) for row in rows)
    sheet = Image.new(
        "RGB", (width * (SIDE + GAP) - GAP, len(rows) * (SIDE + GAP) - GAP), (255, 255, 255)
    )
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            cell = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(cell, (x * (SIDE + GAP), y * (SIDE + GAP)))
    sheet.save(PICTURES / name, quality=85, method=6)


def photo_of(face):
    """A photo in which a painted face hangs askew: on a blurred wall of its own colours."""
    wall = face.resize((600, 600)).filter(ImageFilter.GaussianBlur(60))
    angle = np.deg2rad(24)
    place = align.Placement(
        np.array([330.0, 270.0]), 150 * np.array([np.cos(angle), np.sin(angle)])
    )
    return align.paste(wall, place, face)


def draw_alignment(model, face):
    """The photo, its aligned face, what the model paints of it, and that put back."""
    photo = photo_of(face)
    try:
        detector = load_detector()
    except CheckpointError:
        detector = load_detector(WEIGHTS)
    found = align.align(photo, detector, 256)
    painted = paint(model, invert(model, [found.picture]))[0]
    back = align.paste(photo, found.placement, painted)
    grid([[photo, found.picture, painted, back]], "alignment.webp")


def draw_codes(model, faces, codes):
    """Edits, mixtures, the way between two faces, and a swap."""
    shipped = directions.names(model)
    rows = []
    for name in shipped:
        direction = directions.load_direction(name, model)
        rows.append(paint(model, directions.sweep(codes[:1], direction, STRENGTHS)))
    if rows:
        grid(rows, "edits.webp")
    taken = parse_rows(MIXED_ROWS, model.n_codes)
    mixed = [paint(model, mixing.mix(codes[0], other, taken)[None])[0] for other in codes[1:3]]
    grid([[faces[0], faces[1], mixed[0], faces[2], mixed[1]]], "mixing.webp")
    grid([paint(model, mixing.interpolate(codes[0], codes[1]))], "interpolation.webp")
    pasted = swapping.transplant(faces[1], faces[0])
    grid([[faces[1], faces[0], pasted, paint(model, invert(model, [pasted]))[0]]], "swapping.webp")
    return shipped


def table(model, shipped):
    """What was measured of the directions, as rows of Markdown."""
    results = json.loads((HERE / "models" / "directions.json").read_text(encoding="utf-8"))
    looked = f"{results['faces']} training faces, {results['trials']} held-out ones"
    lines = [
        f"Model `{results['model']}`; {looked}.\n",
        "| direction | found by | effect | follows in | distance | ships |",
        "|---|---|---|---|---|---|",
    ]
    for name, tried in results["directions"].items():
        chosen = tried.get("shipped")
        for how, row in tried.items():
            if how != "shipped":
                lines.append(
                    f"| {name} | {how} | {row['effect']:.2f} | {100 * row['rising']:.0f} % | "
                    f"{row['distance']:.3f} | {'yes' if how == chosen else ''} |"
                )
    if results["model"] != model.name:
        raise SystemExit("directions.json is of another model: run docs/make_directions.py first")
    assert set(shipped) == {n for n, tried in results["directions"].items() if "shipped" in tried}
    return "\n".join(lines)


def main():
    model = e2style.load()
    faces = demo_faces()
    codes = invert(model, faces)
    draw_alignment(model, faces[0])
    shipped = draw_codes(model, faces, codes)
    page = PAGE.read_text(encoding="utf-8")
    pattern = r"(<!-- directions -->\n).*(<!-- end of directions -->)"
    filled = re.sub(pattern, rf"\1\n{table(model, shipped)}\n\n\2", page, flags=re.DOTALL)
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
