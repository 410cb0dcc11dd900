"""Detectability of our stegos beside other schemes: the table and plots of docs/lab.md.

`python benchmarks/lab.py covers.zip --secrets faces.zip -o runs/lab` needs the covers that
`benchmarks/covers.py` cuts and images of faces.  It trains the two deep-hiding networks on some
of the covers, runs every row of the table, and goes on where it was when it is called again.  All
rows on all 502 covers take about an hour and a half of one core; `--limit` takes fewer covers.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from deephide.lab import Condition, Experiment, Payload, deep_hiding, run
from deephide.lab import compare as comparing
from deephide.lab.covers import ImageSet

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
FACE = Path(__file__).resolve().parent / "demo_faces" / "face1.png"
CARRIER = "life_by_Aitzol_Berasategi/1-1.png"
SIDE, MARGIN, HEAD = 192, 8, 22
STEPS, SCALE, EVERY = 200, 2, 8
ROWS = (
    ("cover", None),
    ("embed-face", None),
    ("embed", "300B"),
    *[(scheme, "0.0264") for scheme in ("e2style", "lsb")],
    *[(scheme, "0.4") for scheme in ("hill-bound", "hill-stc", "e2style", "lsb", "lsb-matching")],
    *[(kind, None) for kind in deep_hiding.KINDS],
    *[(scheme, "0.1") for scheme in ("hill-bound", "hill-stc", "e2style", "lsb", "lsb-matching")],
    *[(scheme, "0.4") for scheme in ("lsb-ranked", "wow-bound", "suniward-bound", "mipod-bound")],
)


def networks(covers, folder):
    """Return the files of the networks, trained on the covers at half their size."""
    files = {kind: folder / f"{kind}.npz" for kind in deep_hiding.KINDS}
    if all(file.exists() for file in files.values()):
        return files
    pictures = [np.asarray(covers.read(name).reduce(SCALE)) for name in covers.names[::EVERY]]
    for kind, file in files.items():
        deep_hiding.save(deep_hiding.train(kind, pictures, STEPS), file)
    return files


def draw_comparison(scene, files, path):
    """Draw what three methods make of one face in one cover, a row for each."""
    with tempfile.TemporaryDirectory() as folder:
        carrier = Path(folder) / "carrier.png"
        scene.save(carrier)
        rows = comparing.compare(FACE, carrier, codec="latent", networks=tuple(files.values()))
    titles = [title for title in rows[0].images if title != "inversion"]
    size = (MARGIN + len(titles) * (SIDE + MARGIN), MARGIN + len(rows) * (SIDE + HEAD))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for row, found in enumerate(rows):
        for column, title in enumerate(titles):
            left, top = MARGIN + column * (SIDE + MARGIN), MARGIN + row * (SIDE + HEAD)
            tile = found.images[title].convert("RGB").resize((SIDE, SIDE))
            canvas.paste(tile, (left, top))
            text = f"{found.method}: {title}" if column == 0 else title
            draw.text((left, top + SIDE + 2), text, fill="black")
    canvas.save(path, quality=90)


def main():
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("covers", type=Path)
    parser.add_argument("--secrets", type=Path, required=True, help="folder or zip of faces")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/lab"))
    parser.add_argument("--rows", type=int, default=len(ROWS), help="only the first so many")
    parser.add_argument("--limit", type=int, help="only so many covers")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--publish", action="store_true", help="put the plots into docs/pictures")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    conditions = tuple(
        Condition(scheme, Payload.parse(payload) if payload else None)
        for scheme, payload in ROWS[: arguments.rows]
    )
    covers = ImageSet(arguments.covers)
    files = networks(covers, arguments.output)
    experiment = Experiment(
        arguments.covers,
        arguments.output,
        conditions,
        secrets=arguments.secrets,
        networks=files,
    )
    run(experiment, limit=arguments.limit, jobs=arguments.jobs)
    print((arguments.output / "table.md").read_text(encoding="utf-8"))
    if arguments.publish:
        for name in ("lab_errors.png", "lab_roc.png"):
            shutil.copy(arguments.output / name.removeprefix("lab_"), PICTURES / name)
        draw_comparison(covers.read(CARRIER), files, PICTURES / "lab_deep_hiding.webp")


if __name__ == "__main__":
    main()
