import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from deephide import png

MODES = {"L": 1, "RGB": 3, "RGBA": 4}


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def kinds(raw):
    return [kind for _, kind, _ in png._chunks(raw)]


def save(samples, **options):
    buffer = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(buffer, "PNG", **options)
    return buffer.getvalue()


def reread(raw):
    picture = np.asarray(Image.open(io.BytesIO(raw)))
    return picture.reshape(*picture.shape[:2], -1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_unchanged_samples_give_nearly_the_same_file(make_texture, mode, level):
    samples = make_texture(70, 90, MODES[mode])
    raw = save(samples, compress_level=level)
    again = png.replace_samples(png.parse(raw), samples)
    assert np.array_equal(reread(again), samples)
    assert abs(len(again) - len(raw)) <= 0.02 * len(raw)


def test_other_chunks_and_trailing_bytes_stay(make_texture):
    samples = make_texture(40, 50, 3)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "kept")
    info.add(b"teSt", b"after the image", after_idat=True)
    raw = save(samples, pnginfo=info, dpi=(300, 300)) + b"trailing"
    file = png.parse(raw)
    changed = samples ^ 1
    again = png.replace_samples(file, changed)
    assert np.array_equal(reread(again), changed)
    assert kinds(again) == kinds(raw)
    assert again.startswith(file.before) and again.endswith(file.after)
    assert b"kept" in file.before and file.after.endswith(b"trailing")


def test_filters_of_each_row_stay(make_texture):
    samples = make_texture(25, 31, 3)
    rows = samples.reshape(25, -1)
    types = np.arange(25, dtype=np.uint8) % 5
    data = zlib.compress(png._filter_rows(rows, types, 3), 9)
    header = struct.pack(">IIBBBBB", 31, 25, 8, 2, 0, 0, 0)
    pieces = [chunk(b"IDAT", data[i : i + 500]) for i in range(0, len(data), 500)]
    raw = png.SIGNATURE + chunk(b"IHDR", header) + b"".join(pieces) + chunk(b"IEND", b"")
    assert np.array_equal(reread(raw), samples)  # Pillow undoes the filters
    assert png.replace_samples(png.parse(raw), samples) == raw


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (33, 20)])
def test_interlaced_files_stay_interlaced(make_texture, size):
    samples = make_texture(*size, 3)
    header = struct.pack(">IIBBBBB", size[1], size[0], 8, 2, 0, 0, 1)
    template = png.PngFile(size[1], size[0], 8, 2, True, False, b"", b"", (1,), b"")
    data = b"".join(
        png._filter_rows(rows, np.full(rows.shape[0], 4, np.uint8), 3)
        for rows, _ in png._passes(template, samples)
    )
    raw = png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data))
    raw += chunk(b"IEND", b"")
    assert np.array_equal(reread(raw), samples)
    changed = samples ^ 1
    assert np.array_equal(reread(png.replace_samples(png.parse(raw), changed)), changed)


def test_damaged_files_are_refused(make_texture):
    raw = save(make_texture(20, 20, 3))
    for length in range(0, len(raw), 37):
        with pytest.raises(png.PngFormatError):
            png.parse(raw[:length])
    flipped = bytearray(raw)
    flipped[60] ^= 1
    with pytest.raises(png.PngFormatError, match="checksum"):
        png.parse(bytes(flipped))


def test_odd_structures_are_refused(make_texture):
    raw = save(make_texture(20, 20, 3))
    file = png.parse(raw)
    header, end = file.before[8:], chunk(b"IEND", b"")
    image = chunk(b"IDAT", file.data)
    cases = {
        "not a PNG file": b"GIF89a",
        "not a header": png.SIGNATURE + image + end,
        "no image data": png.SIGNATURE + header + end,
        "not in one piece": png.SIGNATURE + header + image + chunk(b"tEXt", b"") + image + end,
    }
    for message, data in cases.items():
        with pytest.raises(png.PngFormatError, match=message):
            png.parse(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x78\x9cnot zlib", "damaged"),
        (zlib.compress(bytes(10)), "in the middle"),
        (zlib.compress(b"\x07" * (20 * 61)), "unknown filter"),
    ],
)
def test_bad_image_data_is_refused(make_texture, data, message):
    samples = make_texture(20, 20, 3)
    file = png.parse(save(samples))
    raw = file.before + chunk(b"IDAT", data) + file.after
    with pytest.raises(png.PngFormatError, match=message):
        png.replace_samples(png.parse(raw), samples)


def test_samples_must_fit(make_texture):
    file = png.parse(save(make_texture(20, 20, 3)))
    with pytest.raises(ValueError, match="does not fit"):
        png.replace_samples(file, make_texture(20, 21, 3))
