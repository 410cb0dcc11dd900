"""Small files that claim many pixels: what they cost before anything is authenticated."""

import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from loading import load_script
from PIL import Image

import deephide
from deephide.covers.opening import open_cover
from deephide.errors import InputImageError
from deephide.formats import images, webp
from deephide.formats.limits import MAX_PIXELS, pixel_limit
from deephide.formats.png.chunks import chunk
from deephide.formats.tiff.directories import TiffFormatError

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
        ("RGB", "bomb.jpg", {"progressive": True, "subsampling": 0}, SIDE // 2, 275),
        ("RGB", "bomb.webp", {"lossless": True, "method": 0}, int(webp.MAX_PIXELS**0.5), 600),
    ],
)
def test_issue_16_bombs_take_bounded_memory(tmp_path, mode, name, options, side, most):
    assert peak_mib(save_bomb(mode, tmp_path / name, side, **options)) <= most


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count in other units")
def test_issue_16_a_single_strip_takes_bounded_memory(tmp_path):
    samples = np.empty((SIDE // 2, SIDE // 2, 4), np.uint8)
    samples[:] = (90, 120, 30, 200)
    path = tmp_path / "strip.tif"
    tifffile.imwrite(
        path, samples, compression="zlib", predictor=True, rowsperstrip=SIDE, photometric="rgb",
        extrasamples=["unassalpha"],
    )  # fmt: skip
    assert peak_mib(path) <= 320


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count in other units")
def test_issue_16_a_long_chunk_takes_little_more_than_the_file(tmp_path):
    raw = encoded(np.zeros((100, 100, 3), np.uint8), "PNG")
    path = tmp_path / "long.png"
    long = chunk(b"prVt", bytes(100 << 20))
    path.write_bytes(raw[:33] + long[:-1] + bytes([long[-1] ^ 1]) + raw[33:])
    assert peak_mib(path) <= 350


def encoded(samples, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height, width, channels=3, seed=4):
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_webp_files_have_a_limit_of_their_own(monkeypatch):
    raw = encoded(noise(70, 80), "WEBP", lossless=True)
    open_cover(raw)
    monkeypatch.setattr(webp, "MAX_PIXELS", 70 * 80 - 1)
    for role in ("carrier", "stego"):
        message = rf"too many pixels for a WebP file \(80 x 70\), at most {70 * 80 - 1} are"
        with pytest.raises(InputImageError, match=message):
            open_cover(raw, role)


def in_one_strip(samples, planes, compression):
    buffer = io.BytesIO()
    stored = samples if planes == "contig" else samples.transpose(2, 0, 1)
    tifffile.imwrite(
        buffer, stored, photometric="rgb", planarconfig=planes, compression=compression,
        rowsperstrip=len(samples), extrasamples=["unassalpha"],
    )  # fmt: skip
    return buffer.getvalue()


@pytest.mark.parametrize(
    "store",
    [
        lambda samples: in_one_strip(samples, "contig", None),
        lambda samples: in_one_strip(samples, "contig", "zlib"),
        lambda samples: in_one_strip(samples, "separate", "zlib"),
        lambda samples: encoded(samples, "TIFF", compression="tiff_lzw"),
        lambda samples: encoded(samples, "TIFF", compression="packbits"),
    ],
    ids=["plain", "zlib", "planes", "lzw", "packbits"],
)
def test_of_a_tiff_stego_the_colours_alone_are_read(monkeypatch, store):
    from deephide.formats.tiff import segments

    monkeypatch.setattr(segments, "_PIECE", 1000)
    samples = noise(60, 70, 4)
    raw = store(samples)
    stego, carrier = open_cover(raw, "stego"), open_cover(raw)
    np.testing.assert_array_equal(stego.samples, samples[:, :, :3])
    np.testing.assert_array_equal(carrier.samples, samples[:, :, :3])
    np.testing.assert_array_equal(carrier.alpha, samples[:, :, 3])


def test_a_strip_that_holds_more_than_its_samples_is_refused(monkeypatch):
    from deephide.formats.tiff import segments

    monkeypatch.setattr(segments, "_PIECE", 100)
    monkeypatch.setattr(segments, "_SLACK", 100)
    raw = zlib.compress(bytes(1000))
    layout = segments.Layout(8, 1, reversed_bits=False)
    assert bytes(segments.unpacked(layout, raw, 900)) == bytes(1000)
    with pytest.raises(TiffFormatError, match="more than its samples"):
        segments.unpacked(layout, raw, 899)
    with pytest.raises(TiffFormatError, match="in the middle"):
        segments.unpacked(layout, raw, 1001)


@pytest.mark.parametrize(
    "long",
    [
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2 << 20))),
        chunk(b"iCCP", b"scanner\0\0" + zlib.compress(bytes(2 << 20))),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + bytes(2 << 20)),
        chunk(b"prVt", bytes(2 << 20)),
    ],
    ids=["text", "profile", "XMP", "unknown"],
)
@pytest.mark.parametrize("sound", [True, False])
def test_issue_16_long_chunks_are_no_damage_and_stay(long, sound, cheap_kdf):
    raw = encoded(noise(80, 90), "PNG")
    long = long if sound else long[:-1] + bytes([long[-1] ^ 1])
    raw = raw[:33] + long + raw[33:]
    assert images.load_image(raw).size == (90, 80)
    stego = deephide.embed(b"12", raw, "p", codec="file").file
    assert stego[: 33 + len(long)] == raw[: 33 + len(long)]
    assert deephide.extract(stego, "p").data == b"12"


def test_what_says_how_an_image_is_turned_reaches_the_decoder():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    raw = encoded(noise(80, 90), "PNG")
    turned = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    assert images.load_image(raw[:33] + turned + chunk(b"prVt", b"") + raw[33:]).size == (80, 90)


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
    fixed = open_cover(path).fixed
    assert fixed[0, 0]
    assert fixed[70, 3]
    assert not fixed[71, 3]
    assert open_cover(path, "stego").fixed is None


def test_issue_16_scans_take_no_longer_than_an_image_of_the_size(tmp_path, monkeypatch):
    from deephide.formats.jpeg import coder, segments

    path = tmp_path / "scans.jpg"
    count = load_script("benchmarks/bombs.py").many_scans(path, 400, 1024)
    raw = path.read_bytes()
    assert count == 1 + 2 * 3 * 63 and len(raw) < 1 << 18
    assert not open_cover(raw, "stego").elements.any()
    with Image.open(path) as image:
        assert np.unique(np.asarray(image)).tolist() == [128]

    work = 8 * (128 * 128) * (3 + 2 * 3 * 63)
    monkeypatch.setattr(coder, "MAX_WORK", work)
    open_cover(raw, "stego")
    monkeypatch.setattr(coder, "MAX_WORK", work - 1)
    for role in ("carrier", "stego"):
        with pytest.raises(InputImageError, match="more scans than are read at its") as caught:
            open_cover(raw, role)
        assert "jpegtran" in caught.value.hint
    monkeypatch.setattr(segments, "MAX_SCANS", count - 1)
    with pytest.raises(InputImageError, match="more scans than are read at its"):
        open_cover(raw)


@pytest.mark.parametrize("subsampling", [0, 2])
def test_half_of_the_work_allowed_is_what_the_largest_file_of_libjpeg_takes(subsampling):
    from deephide.formats.jpeg import coder
    from deephide.formats.jpeg.segments import parse

    raw = encoded(noise(160, 160), "JPEG", progressive=True, subsampling=subsampling)
    work = 0
    file = parse(raw)
    for scan in file.scans:
        blocks = sum(
            file.components[place].rows * file.components[place].columns
            for place, _, _ in scan.components
        )
        work += blocks * (8 + scan.final - scan.first)
    largest = work * MAX_PIXELS // 160**2
    assert largest < coder.MAX_WORK * 0.6
    assert subsampling or largest > coder.MAX_WORK * 0.4
