"""Memory of programs that work on large photos, at its peak."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stc import kernels

FACE = Path(__file__).resolve().parents[2] / "benchmarks" / "demo_faces" / "face1.png"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems count in other units"
)

# The peak of this program alone: getrusage would count what its parent held when it started it.
PROGRAM = """
import re, sys
import deephide
what, photo, stego = sys.argv[1:]
if what == "face":
    deephide.embed_file(stego, photo, "stego.png", "p", codec="latent")
elif what == "embed":
    deephide.embed_file(bytes(range(250)), photo, stego, "p", codec="file", force=True)
elif what == "extract":
    assert deephide.extract(stego, "p").data == bytes(range(250))
else:
    assert deephide.capacity(photo).safe_bits > 2000
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""


def make_photo(path, width, height):
    """Write a photo of rough and smooth parts, row by row of tiles."""
    rng = np.random.default_rng(1)
    tile = rng.normal(128, 9, (256, width, 3)) + np.linspace(-60, 60, width)[:, None]
    tile = tile.clip(1, 254).astype(np.uint8)
    picture = Image.new("RGB", (width, height))
    for top in range(0, height, 256):
        picture.paste(Image.fromarray(np.roll(tile, top * 7, axis=1)), (0, top))
    options = {"compress_level": 1} if path.suffix == ".png" else {"quality": 92}
    picture.save(path, **options)


def peak_mib(what, photo, stego):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, what, photo, stego],
        cwd=photo.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(re.search(r"\d+", done.stdout)[0])


@pytest.mark.skipif(not kernels.forward.entries, reason="a compiler takes memory of its own")
def test_issue_19_a_face_in_a_small_photo_takes_little(tmp_path, monkeypatch):
    monkeypatch.delenv("DEEPHIDE_BACKEND", raising=False)
    make_photo(tmp_path / "photo.png", 512, 512)
    assert peak_mib("face", tmp_path / "photo.png", FACE) <= 300


@pytest.mark.slow
def test_issue_19_large_photos_take_bounded_memory(tmp_path):
    photo, stego = tmp_path / "photo.png", tmp_path / "stego.png"
    make_photo(photo, 4000, 3000)
    assert peak_mib("embed", photo, stego) <= 800
    assert peak_mib("extract", photo, stego) <= 450


def test_issue_19_a_photo_that_is_just_large_takes_little(tmp_path):
    """More elements than a trellis gets; their costs are never there at once."""
    photo, stego = Path(tmp_path / "photo.png"), tmp_path / "stego.png"
    make_photo(photo, 2100, 1000)
    assert peak_mib("capacity", photo, stego) <= 300
