"""Small files that claim many pixels: what they cost before anything is authenticated."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.errors import InputImageError
from deephide.formats import images
from deephide.formats.limits import MAX_PIXELS, pixel_limit

SIDE = 8192  # the most pixels that are allowed

# The peak of this program alone: getrusage would count what its parent held when it started it.
_EXTRACT = """
import re, sys
import deephide
try:
    deephide.extract(sys.argv[1], "no passphrase of this file")
except deephide.ExtractionError:
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""


def peak_mib(path):
    done = subprocess.run(
        [sys.executable, "-c", _EXTRACT, path], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def save_bomb(mode, path, side=SIDE, **options):
    colour = (90, 120, 30, 200)[: len(Image.new(mode, (1, 1)).getbands())]
    Image.new(mode, (side, side), colour).save(path, **options)
    assert path.stat().st_size < 1 << 20
    return path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count in other units")
@pytest.mark.parametrize(
    ("mode", "name", "options", "side", "most"),
    [
        ("RGB", "bomb.png", {}, SIDE, 600),
        # A quarter of the pixels takes a quarter of the time; the program itself takes 130 MiB.
        ("RGBA", "bomb.png", {}, SIDE // 2, 275),
        ("L", "bomb.png", {}, SIDE // 2, 175),
        ("RGB", "bomb.tif", {"compression": "tiff_deflate"}, SIDE // 2, 275),
        ("RGB", "bomb.jpg", {"progressive": True, "subsampling": 0}, SIDE // 2, 425),
    ],
)
def test_issue_16_bombs_take_bounded_memory(tmp_path, mode, name, options, side, most):
    assert peak_mib(save_bomb(mode, tmp_path / name, side, **options)) <= most


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_arrays_are_the_samples_of_the_image(mode):
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (131, 70, bands)
    values = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    image = Image.fromarray(values[:, :, 0] if bands == 1 else values)
    colours = min(bands, 3)
    samples, alpha = images.to_arrays(image, mode)
    np.testing.assert_array_equal(samples, values[:, :, :colours])
    assert (alpha is None) == (bands < 4)
    if alpha is not None:
        np.testing.assert_array_equal(alpha, values[:, :, 3])
    assert image.getpixel((0, 0)) is not None  # whose image it is decides when it goes


def test_fewer_pixels_can_be_allowed(tmp_path):
    image = Image.fromarray(
        np.random.default_rng(2).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    )
    path = tmp_path / "photo.png"
    image.save(path)
    deephide.capacity(path, max_pixels=10_000)
    calls = (
        lambda: deephide.capacity(path, max_pixels=9_999),
        lambda: deephide.extract(path, "x", max_pixels=9_999),
        lambda: deephide.extract_file(path, tmp_path / "out.png", "x", max_pixels=9_999),
        lambda: deephide.embed(b"x", path, "x", codec="file", max_pixels=9_999),
        lambda: deephide.embed_file(
            b"x", path, tmp_path / "out.png", "x", codec="file", max_pixels=9_999
        ),
    )
    for call in calls:
        with pytest.raises(InputImageError, match="at most 9999 are allowed"):
            call()
    deephide.capacity(path)  # the limit ends with its call


@pytest.mark.parametrize("value", [0, -1, MAX_PIXELS + 1])
def test_limits_beyond_the_ordinary_one_are_refused(value):
    with pytest.raises(ValueError, match="max_pixels: got"), pixel_limit(value):
        pass


def test_a_transparent_colour_is_looked_for_in_carriers_alone(tmp_path):
    values = np.random.default_rng(3).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    values[0, 0], values[70, 3], values[71, 3] = (9, 9, 9), (10, 8, 9), (11, 9, 9)
    path = tmp_path / "key.png"
    Image.fromarray(values).save(path, transparency=(9, 9, 9))
    from deephide.covers.opening import open_cover

    fixed = open_cover(path).fixed
    assert fixed[0, 0]
    assert fixed[70, 3]
    assert not fixed[71, 3]
    assert open_cover(path, "stego").fixed is None
