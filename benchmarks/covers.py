"""Covers for the laboratory, cut from the photos of the distribution's wallpaper packages.

`python benchmarks/covers.py covers.zip` downloads three Debian packages with `apt-get` (nothing is
installed), takes the photos among their wallpapers, and cuts them into scenes of 512 x 512 RGB
samples that do not overlap.  The photos are JPEG files, so each one is scaled down first: at most
to 0.96 of its size, and so far that it gives no more than 40 scenes.  Scenes that are even, burnt
out or nearly the same as another are left out.

A member is called PHOTO/ROW-COLUMN.png: whoever trains on some scenes and tests on others must keep
each folder on one side.
"""

import argparse
import io
import math
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from deephide.covers.sample_costs import flat_samples

SIDE = 512
LARGEST_SCALE = 0.96  # at full size the grid of the JPEG compression would still be there
MOST_SCENES = 40  # of one photo
MOST_FLAT, MOST_SATURATED = 0.3, 0.1  # shares of the samples
ALIKE = 0.98  # correlation of two thumbnails
THUMBNAIL = 16

# By eye: photos, no drawings and no renderings.
PHOTOS = {
    "lomiri-wallpapers-16.04": (
        "Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Picture_0B_by_freespace "
        "Picture_1A_by_freespace Wine_by_Jakkub_Mede aitzgorri_by_Aitzol_Berasategi "
        "free_by_Peter_Nerlich friends_by_Aitzol_Berasategi greentock_by_Peter_Nerlich "
        "life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi "
        "seeding_by_Clements_Engelhardt sunset_by_Aitzol_Berasategi"
    ),
    "lomiri-wallpapers-20.04": "Kleiber_by_Lukas_Baubkus",
    "mate-backgrounds": (
        "Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings Wood "
        "YellowFlower"
    ),
    "plasma-workspace-wallpapers": (
        "BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey Kite "
        "OneStandsOut Path summer_1am"
    ),
}


def unpack(package, folder):
    """Download a package and unpack it; returns the folder with its files."""
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
    target = folder / package
    (archive,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
    return target


def find(folder, photo):
    """Return the largest image file of a wallpaper; they are named by photo or by size."""
    named = [*folder.rglob(f"{photo}.jpg"), *folder.rglob(f"{photo}/contents/images/*.jpg")]
    return max((path for path in named if not path.is_symlink()), key=lambda p: p.stat().st_size)


def scale_of(width, height):
    """Return the largest scale that fills whole rows and columns of scenes within the limits."""
    best, chosen = 0, LARGEST_SCALE
    for rows in range(1, math.floor(LARGEST_SCALE * height / SIDE) + 1):
        for scale in (rows * SIDE / height, LARGEST_SCALE):
            count = math.floor(scale * width / SIDE + 1e-9) * rows
            if scale * height >= rows * SIDE and best < count <= MOST_SCENES:
                best, chosen = count, scale
    return chosen


def scenes(path):
    """Yield (row, column, image) of a photo."""
    photo = Image.open(path).convert("RGB")
    scale = scale_of(*photo.size)
    size = (round(scale * photo.width), round(scale * photo.height))
    photo = photo.resize(size, Image.Resampling.LANCZOS)
    columns, rows = (length // SIDE for length in size)
    left, top = ((length - n * SIDE) // 2 for length, n in zip(size, (columns, rows), strict=True))
    for row in range(rows):
        for column in range(columns):
            corner = (left + column * SIDE, top + row * SIDE)
            yield row, column, photo.crop((*corner, corner[0] + SIDE, corner[1] + SIDE))


def usable(scene):
    """Return whether a scene has enough texture, and light within the range of the camera."""
    gray = np.asarray(scene.convert("L"))
    saturated = np.mean((gray <= 1) | (gray >= 254))
    return flat_samples(gray).mean() <= MOST_FLAT and saturated <= MOST_SATURATED


def thumbnail(scene):
    """Return a scene as a short vector of unit length."""
    small = scene.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    vector = np.asarray(small, dtype=np.float64).reshape(-1)
    vector -= vector.mean()
    return vector / (np.linalg.norm(vector) or 1.0)


def main():
    """Write the covers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--packages", type=Path, help="folder to keep the downloads in")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        zipfile.ZipFile(arguments.output, "w") as archive,
    ):
        folder = arguments.packages or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        seen = []
        for package, names in PHOTOS.items():
            unpacked = folder / package if (folder / package).exists() else unpack(package, folder)
            for photo in names.split():
                kept = found = 0
                for row, column, scene in scenes(find(unpacked, photo)):
                    found += 1
                    vector = thumbnail(scene)
                    if not usable(scene) or any(vector @ other > ALIKE for other in seen):
                        continue
                    seen.append(vector)
                    kept += 1
                    buffer = io.BytesIO()
                    scene.save(buffer, "PNG")
                    archive.writestr(f"{photo}/{row}-{column}.png", buffer.getvalue())
                print(f"{photo:40} {kept:3} of {found:3}", flush=True)
    print(f"{len(seen)} covers in {arguments.output}")


if __name__ == "__main__":
    main()
