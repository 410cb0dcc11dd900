"""Demonstration of the main job on bundled inputs, with its files and figures.

`python benchmarks/demo.py --output demo` hides each face of benchmarks/demo_faces in a photo of
scikit-image with the two commands that a user types, and writes the stegos, the recovered faces
and one contact sheet: cover | stego | difference x20 | secret | recovered.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).parent
PHOTOS = ("coffee.png", "motorcycle_left.png", "astronaut.png")
TITLES = ("cover", "stego", "difference x20", "secret", "recovered")
SIDE, MARGIN, HEAD = 256, 8, 38


def command(*arguments: object) -> dict:
    """Run `deephide` as a user would; returns its JSON answer and the wall time."""
    program = pathlib.Path(sys.executable).with_name("deephide")
    began = time.perf_counter()
    done = subprocess.run(
        [program, *map(str, arguments), "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"deephide {arguments[0]} failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout) | {"wall_s": time.perf_counter() - began}


def tile(image: Image.Image) -> Image.Image:
    """Fit an image into a square tile."""
    image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    if max(image.size) < SIDE:
        scale = SIDE / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return square


def difference(cover: Image.Image, stego: Image.Image) -> Image.Image:
    """Stego minus cover, times 20, around mid-gray.

    Shrunk by keeping the largest change of each block: an average would hide single samples.
    """
    a, b = (np.asarray(i.convert("RGB"), dtype=np.int16) for i in (cover, stego))
    k = -(-max(a.shape) // SIDE)
    change = (b - a)[: a.shape[0] // k * k, : a.shape[1] // k * k]
    blocks = change.reshape(change.shape[0] // k, k, change.shape[1] // k, k, 3)
    blocks = blocks.transpose(0, 2, 4, 1, 3).reshape(*blocks.shape[:3:2], 3, k * k)
    where = np.abs(blocks).argmax(-1)[..., None]
    largest = np.take_along_axis(blocks, where, -1)[..., 0]
    return Image.fromarray(np.clip(128 + 20 * largest, 0, 255).astype(np.uint8))


def sheet(rows: list[list[Image.Image]], path: pathlib.Path) -> None:
    """Write the contact sheet."""
    width = MARGIN + len(TITLES) * (SIDE + MARGIN)
    height = HEAD + len(rows) * (SIDE + MARGIN)
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(TITLES):
        draw.text((MARGIN + column * (SIDE + MARGIN), 6), title, fill="black", font_size=22)
        for row, tiles in enumerate(rows):
            at = (MARGIN + column * (SIDE + MARGIN), HEAD + row * (SIDE + MARGIN))
            canvas.paste(tiles[column], at)
    canvas.save(path)


def main() -> None:
    """Hide every bundled face, get it back, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("demo"))
    parser.add_argument("--strip", type=pathlib.Path, help="also write the first row here")
    arguments = parser.parse_args()
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    photos = pathlib.Path(skimage.data.__file__).parent
    rows = []
    for number, (secret, photo) in enumerate(
        zip(sorted((HERE / "demo_faces").glob("*.png")), PHOTOS, strict=True), 1
    ):
        cover = folder / f"cover{number}.png"
        stego, recovered = folder / f"stego{number}.png", folder / f"recovered{number}.png"
        shutil.copyfile(photos / photo, cover)
        hidden = command("embed", "--secret", secret, "--carrier", cover, "-o", stego, "--force")
        found = command("extract", stego, "-o", recovered, "--force")
        images = [Image.open(p) for p in (cover, stego, secret, recovered)]
        rows.append([*map(tile, images[:2]), tile(difference(*images[:2])), *map(tile, images[2:])])
        print(
            f"{photo}: {hidden['payload_bits']} bits ({hidden['payload_bits'] / 8:.0f} bytes) in "
            f"{images[0].width}x{images[0].height}, change rate {hidden['change_rate']:.4%}, "
            f"stego PSNR {hidden['psnr']:.1f} dB, face {hidden['secret_psnr']:.1f} dB at 64 px, "
            f"embed {hidden['wall_s']:.1f} s, extract {found['wall_s']:.1f} s"
        )
        print(f"  stego      {stego}\n  recovered  {recovered}")
    sheet(rows, folder / "contact-sheet.png")
    if arguments.strip:
        sheet(rows[:1], arguments.strip)
    print(f"contact sheet  {folder / 'contact-sheet.png'}")


if __name__ == "__main__":
    main()
