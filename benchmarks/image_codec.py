"""Quality of images in few bytes, and the share of secrets that count as faces.

    PYTHONPATH=. python benchmarks/image_codec.py squeeze
    PYTHONPATH=. python benchmarks/image_codec.py faces VAL.zip [--limit 272]

The first prints, for four photos, format, size and PSNR per budget, and the means that
`deephide.codecs.image` states as typical. The second says which share of faces `auto` takes as code
and which share of scikit-image's images it does not.
"""

import argparse
import io
import json
import zipfile
from pathlib import Path

import skimage.data
from PIL import Image

from deephide import inference, models
from deephide.codecs import faces as face_codec
from deephide.codecs import image as image_codec
from deephide.codecs.faces import load_square
from deephide.formats.images import load_image

PHOTOS = Path(skimage.data.__file__).parent
BUDGETS = (60, 300, 1000, 2000, 4000, 12000)


def squeeze() -> dict:
    """PSNR at the display size of four photos."""
    rows = []
    for budget in BUDGETS:
        found = {}
        for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
            picture = load_image(PHOTOS / name)
            best = image_codec.squeeze(picture, budget)
            webp = image_codec.squeeze(picture, budget, avif=False)
            found[name] = [best.description, len(best.payload), round(best.psnr, 2)]
            found[name] += [round(webp.psnr, 2)]
        mean = sum(each[2] for each in found.values()) / len(found)
        rows.append({"budget": budget, "mean_psnr": round(mean, 2), "photos": found})
    return {"squeeze": rows}


def _accepted(model: models.Model, face: Image.Image) -> bool:
    return face_codec.failed_criterion(model, face, inference.invert(model, face)) is None


def faces(path: Path, limit: int) -> dict:
    """Shares of faces and of other images that `auto` sends as codes."""
    model = models.load_model(None)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".webp")][:limit]
        taken = [
            _accepted(model, load_square(Image.open(io.BytesIO(archive.read(name)))))
            for name in names
        ]
    others = {}
    for file in sorted([*PHOTOS.glob("*.png"), *PHOTOS.glob("*.jpg")]):
        with Image.open(file) as picture:
            if min(picture.size) >= 64:
                others[file.name] = _accepted(model, load_square(file))
    return {
        "faces": len(taken),
        "faces_as_latent": sum(taken) / len(taken),
        "others": len(others),
        "others_as_latent": [name for name, accepted in others.items() if accepted],
    }


def main() -> None:
    """Run one measurement and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("squeeze")
    shares = commands.add_parser("faces")
    shares.add_argument("path", type=Path)
    shares.add_argument("--limit", type=int, default=10**6)
    given = parser.parse_args()
    found = squeeze() if given.command == "squeeze" else faces(given.path, given.limit)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
