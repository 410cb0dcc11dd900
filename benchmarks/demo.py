"""Demonstration of the main job: a portrait in three photos, with its files and figures.

`python benchmarks/demo.py --output demo` hides scikit-image's portrait of the astronaut Eileen
Collins (NASA, public domain) in a PNG file, in a JPEG file, and in a JPEG file that is then
recompressed as a messenger would, with the commands that a user types, and gets it back from each.
It writes all files, one contact sheet, and says what to look at.
"""

import argparse
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

import skimage.data
from PIL import Image, ImageDraw

from deephide.codecs.faces import of_secret
from deephide.codecs.image import squeeze
from deephide.container.layout import OVERHEAD_BYTES
from deephide.views import differences

PHOTOS = pathlib.Path(skimage.data.__file__).parent
SIDE, MARGIN, FOOT = 256, 8, 30
PASSED_ON = 80  # quality at which the third stego is compressed again
Tile = tuple[Image.Image, str]


def command(*arguments: object) -> dict:
    """Run `deephide` as a user would and show the command; its JSON answer and the wall time."""
    program = pathlib.Path(sys.executable).with_name("deephide")
    words = [str(argument) for argument in arguments]
    print(f"\n$ deephide {shlex.join(words)}", flush=True)
    began = time.perf_counter()
    done = subprocess.run(
        [program, *words, "--json", "--force"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"deephide {words[0]} failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout) | {"wall_s": time.perf_counter() - began}


def hide(portrait: pathlib.Path, photo: pathlib.Path, stego: pathlib.Path, *options: str) -> dict:
    """Embed, and say what was done in one line."""
    done = command("embed", "--secret", portrait, "--carrier", photo, *options, "-o", stego)
    rate = f"one sample in {1 / done['change_rate']:,.0f} changed, " if not options else ""
    print(f"  {done['payload_bits'] // 8} bytes hidden, {rate}{done['wall_s']:.1f} s")
    return done


def show(stego: pathlib.Path, found: pathlib.Path) -> Image.Image:
    """Extract, and say where to look."""
    done = command("extract", stego, "-o", found)
    print(f"  {done['wall_s']:.1f} s: open {found}")
    return Image.open(found)


def tile(image: Image.Image) -> Image.Image:
    """Fit an image into a square tile."""
    image = image.convert("RGB")
    scale = SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(
        image.resize(size, Image.Resampling.LANCZOS),
        ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2),
    )
    return square


def changed(photo: pathlib.Path, stego: pathlib.Path) -> Image.Image:
    """Map of the changed pixels, white on black."""
    return differences(Image.open(photo).convert("RGB"), Image.open(stego).convert("RGB"), SIDE)


def sheet(rows: list[list[Tile]], path: pathlib.Path) -> None:
    """Write tiles with a line of text under each."""
    width = MARGIN + len(rows[0]) * (SIDE + MARGIN)
    canvas = Image.new("RGB", (width, MARGIN + len(rows) * (SIDE + FOOT)), "white")
    draw = ImageDraw.Draw(canvas)
    for y, tiles in enumerate(rows):
        for x, (image, text) in enumerate(tiles):
            at = (MARGIN + x * (SIDE + MARGIN), MARGIN + y * (SIDE + FOOT))
            canvas.paste(tile(image), at)
            draw.text((at[0] + 2, at[1] + SIDE + 3), text, fill="black", font_size=17)
    canvas.save(path, quality=88, method=6)


def main() -> None:
    """Hide the portrait three times, get it back, and say what to open."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("demo"))
    parser.add_argument("--strip", type=pathlib.Path, help="also write the first row here")
    arguments = parser.parse_args()
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    portrait, png, jpeg = (folder / name for name in ("portrait.png", "photo.png", "photo.jpg"))
    for name, path in (("astronaut.png", portrait), ("coffee.png", png), ("rocket.jpg", jpeg)):
        shutil.copyfile(PHOTOS / name, path)

    stego = folder / "hidden.png"
    hidden = hide(portrait, png, stego)
    received = show(stego, folder / "from-png.png")
    used = hidden["payload_bits"] // 8
    cut = of_secret(Image.open(portrait).convert("RGB"), "auto", SIDE).image
    small = squeeze(cut, used - OVERHEAD_BYTES, avif=False)
    if small is None:
        sys.exit(f"no WebP image fits into {used} bytes")
    in_png = [
        (Image.open(stego), "a photo that holds it"),
        (changed(png, stego), "what was changed in it"),
        (received, f"what comes back: {used} bytes"),
    ]

    stego = folder / "hidden.jpg"
    hide(portrait, jpeg, stego)
    in_jpeg = [
        (Image.open(stego), "a JPEG file that holds it"),
        (changed(jpeg, stego), "what was changed in it"),
        (show(stego, folder / "from-jpg.png"), "what comes back"),
    ]

    stego, passed = folder / "robust.jpg", folder / "robust-recompressed.jpg"
    hide(portrait, png, stego, "--channel", "any")
    Image.open(stego).save(passed, quality=PASSED_ON)
    print(f"\nrecompressed at quality {PASSED_ON}, as a messenger would: {passed}")
    survived = [
        (Image.open(stego), "a JPEG file made to survive"),
        (Image.open(passed), f"recompressed at quality {PASSED_ON}"),
        (show(passed, folder / "from-recompressed.png"), "what comes back"),
    ]

    secret = (Image.open(portrait), "the secret")
    webp = (small.preview, "a WebP of as many bytes")
    rows = [[secret, *tiles, webp] for tiles in (in_png, in_jpeg, survived)]
    sheet(rows, folder / "contact-sheet.png")
    if arguments.strip:
        sheet(rows[:1], arguments.strip)
    again = [f"{pathlib.Path(sys.executable).parent}/deephide", "embed", "--secret", portrait]
    again += ["--carrier", png, "-p", "-o", folder / "mine.png"]
    print(f"\nopen {folder / 'contact-sheet.png'}: everything side by side")
    print(f"next, with a passphrase: {shlex.join(map(str, again))}")


if __name__ == "__main__":
    main()
