"""Covers for the laboratory, cut from the photos of the distribution's wallpaper packages.

`python benchmarks/covers.py covers.zip` downloads three Debian packages with `apt-get` (nothing is
installed), takes the photos among their wallpapers, and cuts them into scenes of 512 x 512 RGB
samples that do not overlap.  The photos are JPEG files, so each one is scaled down first: at most
to 0.96 of its size, and so far that it gives no more than 40 scenes.  Scenes that are even, burnt
out or nearly the same as another are left out.

A member is called PHOTO/ROW-COLUMN.png: whoever trains on some scenes and tests on others must keep
each folder on one side.

    python benchmarks/covers.py tiles.zip --tiles gray256.zip gray256.csv --without city100

puts images that are ready, which a table lists with their sets and sources, into a folder for each
scene instead, so that `deephide lab` keeps views of one scene on one side.  With --reduce 3 colour
images become means of 3 x 3 samples, which takes traces of JPEG away.
"""

import argparse
import csv
import io
import math
import re
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from deephide.covers.sample_costs import flat_samples

SIDE = 512  # by default
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


FRAMES = ("odm-seneca", "odm-brighton", "monstree", "sceaux")  # sets of many views of one scene


def scene_of(row):
    """Return the name of the scene that a row of a table of tiles shows."""
    if row["set"] in FRAMES:
        return row["set"]
    if row["set"].startswith("city100"):
        return "city100/" + re.search(r"(\d+)H", row["source"])[1]
    return row["source"]


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


def scale_of(width, height, side):
    """Return the largest scale that fills whole rows and columns of scenes within the limits."""
    best, chosen = 0, LARGEST_SCALE
    for rows in range(1, math.floor(LARGEST_SCALE * height / side) + 1):
        for scale in (rows * side / height, LARGEST_SCALE):
            count = math.floor(scale * width / side + 1e-9) * rows
            if scale * height >= rows * side and best < count <= MOST_SCENES:
                best, chosen = count, scale
    return chosen


def scenes(path, side):
    """Yield (row, column, image) of a photo."""
    photo = Image.open(path).convert("RGB")
    scale = scale_of(*photo.size, side)
    size = (round(scale * photo.width), round(scale * photo.height))
    photo = photo.resize(size, Image.Resampling.LANCZOS)
    columns, rows = (length // side for length in size)
    left, top = ((length - n * side) // 2 for length, n in zip(size, (columns, rows), strict=True))
    for row in range(rows):
        for column in range(columns):
            corner = (left + column * side, top + row * side)
            yield row, column, photo.crop((*corner, corner[0] + side, corner[1] + side))


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


def reduced(raw, factor):
    """Return a colour image as a smaller PNG file; None if it is gray."""
    with Image.open(io.BytesIO(raw)) as image:
        small = image.convert("RGB").reduce(factor)
    samples = np.asarray(small)
    if (samples == samples[..., :1]).all():
        return None
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()


def sort_by_scene(source, table, options, target):
    """Write the images of a zip into a folder for each scene, but for sets that begin so."""
    without, factor = options.without, options.reduce
    rows = list(csv.DictReader(Path(table).read_text(encoding="utf-8").splitlines()))
    kept = [row for row in rows if not (without and row["set"].startswith(without))]
    numbers = {scene: k for k, scene in enumerate(dict.fromkeys(map(scene_of, kept)))}
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as out:
        for row in kept:
            raw = archive.read(row["file"])
            if factor is not None and (raw := reduced(raw, factor)) is None:
                continue
            name = Path(row["file"]).with_suffix(".png").name
            out.writestr(f"{numbers[scene_of(row)]:03}/{name}", raw)
        names = out.namelist()
    print(f"{len(names)} covers of {len({n[:3] for n in names})} scenes in {target}")


def main():
    """Write the covers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--packages", type=Path, help="folder to keep the downloads in")
    parser.add_argument("--side", type=int, default=SIDE, help="of a scene, in samples")
    parser.add_argument("--tiles", nargs=2, metavar=("ZIP", "CSV"), help="images that are ready")
    parser.add_argument("--reduce", type=int, metavar="N", help="tiles, each side to 1/N")
    parser.add_argument("--without", metavar="SET", help="of the tiles; the beginning of its name")
    arguments = parser.parse_args()
    if arguments.tiles:
        sort_by_scene(*arguments.tiles, arguments, arguments.output)
        return
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
                for row, column, scene in scenes(find(unpacked, photo), arguments.side):
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
