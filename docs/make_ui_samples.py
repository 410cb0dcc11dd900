"""Pictures to try the web page with, which ship in the package: `python docs/make_ui_samples.py`.

Both are scikit-image's: the portrait is of Eileen Collins, by NASA (public domain), the photo of a
cup of coffee by Rachel Michetti (CC0).
"""

from pathlib import Path

import skimage.data
from PIL import Image

STATIC = Path(__file__).resolve().parents[1] / "cli" / "ui" / "static"
SAMPLES = {"sample-face.jpg": ("astronaut.png", 88), "sample-photo.jpg": ("coffee.png", 95)}


def main() -> None:
    """Write both."""
    for name, (source, quality) in SAMPLES.items():
        with Image.open(Path(skimage.data.__file__).parent / source) as image:
            image.convert("RGB").save(STATIC / name, quality=quality, optimize=True)
        print(STATIC / name)


if __name__ == "__main__":
    main()
