import dataclasses
import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from deephide.covers.opening import open_cover
from deephide.errors import InputImageError
from deephide.formats.png import chunks, filters
from deephide.formats.png import encoder as png_encoder
from deephide.formats.png import file as png

MODES = {"L": 1, "RGB": 3, "RGBA": 4}


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def kinds(raw):
    return [kind for _, kind, _ in chunks.chunks(raw)]


def save(samples, **options):
    buffer = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(buffer, "PNG", **options)
    return buffer.getvalue()


def reread(raw):
    picture = np.asarray(Image.open(io.BytesIO(raw)))
    return picture.reshape(*picture.shape[:2], -1)


def libpng(
    samples, level=6, memory=8, strategy=zlib.Z_FILTERED, window=15, cut=8192, rule=range(5)
):
    """Write a file as libpng does, slowly: each row by the filter with the least sum."""
    height, width, channels = samples.shape
    rows = [[0] * (channels * width), *samples.reshape(height, -1).tolist()]
    data = bytearray()
    for above, row in itertools.pairwise(rows):
        tried = []
        for kind in rule:
            out = []
            for i, value in enumerate(row):
                a, b = (row[i - channels], above[i]) if i >= channels else (0, above[i])
                c = above[i - channels] if i >= channels else 0
                paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
                out.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
            tried.append((sum(min(v, 256 - v) for v in out), bytes([kind, *out])))
        data += min(tried, key=lambda each: each[0])[1]
    coder = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
    stream = coder.compress(bytes(data)) + coder.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    pieces = [chunk(b"IDAT", stream[i : i + cut]) for i in range(0, len(stream), cut)]
    return chunks.SIGNATURE + chunk(b"IHDR", header) + b"".join(pieces) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options", [{"compress_level": k} for k in range(10)] + [{"optimize": True}]
)
def test_pillow_is_imitated_to_the_byte(make_texture, mode, options):
    samples, changed = make_texture(70, 90, MODES[mode]), make_texture(70, 90, MODES[mode], seed=8)
    file = png.parse(save(samples, **options))
    assert png.replace_samples(file, samples, samples) == save(samples, **options)
    assert png.replace_samples(file, samples, changed) == save(changed, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"level": 1, "strategy": zlib.Z_RLE, "rule": [1]},  # OpenCV
        {"level": 9, "memory": 9, "strategy": zlib.Z_DEFAULT_STRATEGY, "cut": 10**6},  # optipng
        {"level": 7, "cut": 32768},
        {"level": 3, "rule": [0], "strategy": zlib.Z_DEFAULT_STRATEGY},
        {"level": 1, "strategy": zlib.Z_HUFFMAN_ONLY, "rule": [4]},
        {"window": 13},
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_programs_that_use_zlib_are_imitated_to_the_byte(make_texture, caplog, options, channels):
    samples, changed = make_texture(80, 50, channels), make_texture(80, 50, channels, seed=8)
    raw = libpng(samples, **options)
    file = png.parse(raw)
    assert png.replace_samples(file, samples, samples) == raw
    assert png.replace_samples(file, samples, changed) == libpng(changed, **options)
    assert not caplog.records


def test_a_small_window_named_in_the_header_is_kept(make_texture):
    samples = make_texture(20, 30, 3)
    raw = bytearray(libpng(samples))
    at = raw.index(b"IDAT") + 4
    # libpng says that 2 KiB are window enough for so few bytes, after it compressed with 32 KiB.
    raw[at : at + 2] = b"\x38\xcb"
    end = raw.index(b"IEND") - 8
    raw[end : end + 4] = struct.pack(">I", zlib.crc32(raw[at - 4 : end]))
    assert png.replace_samples(png.parse(bytes(raw)), samples, samples) == raw


def test_an_unknown_encoder_is_followed_as_far_as_possible_and_reported(make_texture, caplog):
    samples = make_texture(60, 50, 3)
    types = np.resize(np.array([0, 4, 1, 2, 3], np.uint8), 60)
    filtered = png_encoder.apply_filters(samples.reshape(60, -1), types, 3)
    coder = zlib.compressobj(6)
    stream = coder.compress(filtered[:900]) + coder.flush(zlib.Z_FULL_FLUSH)
    stream += coder.compress(filtered[900:]) + coder.flush()
    header = struct.pack(">IIBBBBB", 50, 60, 8, 2, 0, 0, 0)
    raw = chunks.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")
    again = png.parse(png.replace_samples(png.parse(raw), samples, samples))
    assert np.array_equal(png._filter_types(again, png._inflate(again))[0], types)
    assert "cannot be imitated" in caplog.text


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_covers_of_other_formats_become_files_of_libpng(make_texture, channels):
    samples = make_texture(40, 50, channels)
    assert png.new_file(samples) == libpng(samples)
    assert b"iCCP" in png.new_file(samples, b"a profile")


def test_other_chunks_and_trailing_bytes_stay(make_texture):
    samples = make_texture(40, 50, 3)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "kept")
    info.add(b"teSt", b"after the image", after_idat=True)
    raw = save(samples, pnginfo=info, dpi=(300, 300)) + b"trailing"
    file = png.parse(raw)
    changed = samples ^ 1
    again = png.replace_samples(file, samples, changed)
    assert np.array_equal(reread(again), changed)
    assert kinds(again) == kinds(raw)
    assert again.startswith(file.before) and again.endswith(file.after)
    assert b"kept" in file.before and file.after.endswith(b"trailing")


def test_filters_of_each_row_stay(make_texture):
    samples = make_texture(25, 31, 3)
    rows = samples.reshape(25, -1)
    types = np.arange(25, dtype=np.uint8) % 5
    data = zlib.compress(png_encoder.apply_filters(rows, types, 3), 9)
    header = struct.pack(">IIBBBBB", 31, 25, 8, 2, 0, 0, 0)
    pieces = [chunk(b"IDAT", data[i : i + 500]) for i in range(0, len(data), 500)]
    raw = chunks.SIGNATURE + chunk(b"IHDR", header) + b"".join(pieces) + chunk(b"IEND", b"")
    assert np.array_equal(reread(raw), samples)  # Pillow undoes the filters
    assert png.replace_samples(png.parse(raw), samples, samples) == raw


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (33, 20)])
def test_interlaced_files_stay_interlaced(make_texture, size):
    samples = make_texture(*size, 3)
    header = struct.pack(">IIBBBBB", size[1], size[0], 8, 2, 0, 0, 1)
    template = png.PngFile(size[1], size[0], 8, 2, True, False, b"", b"", (1,), b"")
    data = b"".join(
        png_encoder.apply_filters(rows, np.full(rows.shape[0], 4, np.uint8), 3)
        for rows, _ in png._passes(template, samples)
    )
    raw = chunks.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data))
    raw += chunk(b"IEND", b"")
    assert np.array_equal(reread(raw), samples)
    changed = samples ^ 1
    assert np.array_equal(reread(png.replace_samples(png.parse(raw), samples, changed)), changed)


def test_damaged_files_are_refused(make_texture):
    raw = save(make_texture(20, 20, 3))
    for length in range(0, len(raw), 37):
        with pytest.raises(chunks.PngFormatError):
            png.parse(raw[:length])
    flipped = bytearray(raw)
    flipped[60] ^= 1
    with pytest.raises(chunks.PngFormatError, match="checksum"):
        png.parse(bytes(flipped))


def test_odd_structures_are_refused(make_texture):
    raw = save(make_texture(20, 20, 3))
    file = png.parse(raw)
    header, end = file.before[8:], chunk(b"IEND", b"")
    image = chunk(b"IDAT", file.data)
    cases = {
        "not a PNG file": b"GIF89a",
        "not a header": chunks.SIGNATURE + image + end,
        "no image data": chunks.SIGNATURE + header + end,
        "not in one piece": chunks.SIGNATURE + header + image + chunk(b"tEXt", b"") + image + end,
    }
    for message, data in cases.items():
        with pytest.raises(chunks.PngFormatError, match=message):
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
    with pytest.raises(chunks.PngFormatError, match=message):
        png.replace_samples(png.parse(raw), samples, samples)


def test_samples_must_fit(make_texture):
    file = png.parse(save(make_texture(20, 20, 3)))
    with pytest.raises(ValueError, match="does not fit"):
        png.replace_samples(file, make_texture(20, 20, 3), make_texture(20, 21, 3))


def test_metadata_is_left_out_on_request(make_texture):
    samples = make_texture(40, 50, 3)
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    info.add(b"teSt", b"after the image", after_idat=True)
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    raw = save(samples, pnginfo=info, dpi=(300, 300), exif=exif, icc_profile=b"colours")
    file = png.parse(raw + b"trailing")
    bare = png.replace_samples(png.without_metadata(file), samples, samples)
    assert np.array_equal(reread(bare), samples)
    assert set(kinds(raw)) - set(kinds(bare)) == {b"tEXt", b"eXIf", b"teSt"}
    assert {b"pHYs", b"iCCP"} <= set(kinds(bare))
    for text in (b"somebody", b"a camera", b"after the image", b"trailing"):
        assert text in raw + b"trailing" and text not in bare


def large_photo(height=300, width=400, channels=3):
    """Return samples of which less than half of the stream is in the first block."""
    rng = np.random.default_rng(2)
    walk = rng.normal(0, 3, (height, width, channels)).cumsum(1) + 128
    return np.clip(walk, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 1}])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_large_files_of_pillow_are_recognised(options, channels):
    samples = large_photo(channels=channels)
    raw = save(samples, **options)
    file = png.parse(raw)
    assert png.study(file, samples).exact
    assert png.replace_samples(file, samples, samples) == raw


def written_by_zlib(samples, level=6):
    """Return a file whose rows all have the filter "paeth", as zlib compresses it."""
    height, width = samples.shape[:2]
    rows = filters.apply_filters(samples.reshape(height, -1), np.full(height, 4, np.uint8), 3)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows, level))
    return chunks.SIGNATURE + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("by", [save, written_by_zlib])
def test_the_beginning_of_a_long_stream_tells_the_encoder(by, monkeypatch):
    """To compare all of a large file would take as long as to write it."""
    samples = large_photo(600, 800)
    raw = by(samples)
    file = png.parse(raw)
    monkeypatch.setattr(png_encoder, "_ENOUGH", 1 << 17)
    assert len(file.data) > 1 << 19
    for at, exact in ((1 << 16, False), (len(file.data) - 9, True)):
        other = bytearray(file.data)
        other[at] ^= 1
        with_other = dataclasses.replace(file, data=bytes(other))
        monkeypatch.setattr(png, "_inflate", lambda _: zlib.decompress(file.data))
        found = png.study(with_other, samples)
        assert found.exact is exact
    assert png.replace_samples(file, samples, samples, found) == raw


SETTINGS = [
    *((level, 15, 8, zlib.Z_DEFAULT_STRATEGY) for level in (0, 1, 3, 6, 9)),
    (6, 15, 9, zlib.Z_FILTERED), (6, 15, 4, zlib.Z_DEFAULT_STRATEGY), (1, 15, 8, zlib.Z_RLE),
    (9, 13, 8, zlib.Z_FILTERED), (6, 15, 8, zlib.Z_HUFFMAN_ONLY), (6, 15, 8, zlib.Z_FIXED),
]  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("cut", [4096, 8192, 32768, 1 << 20])
def test_zlib_with_all_its_settings_is_recognised(settings, cut):
    samples = large_photo(120, 200)
    types = np.full(120, 4, np.uint8)
    rows = filters.apply_filters(samples.reshape(120, -1), types, 3)
    level, window, memory, strategy = settings
    coder = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
    stream = coder.compress(rows) + coder.flush()
    header = struct.pack(">IIBBBBB", 200, 120, 8, 2, 0, 0, 0)
    pieces = [chunk(b"IDAT", stream[i : i + cut]) for i in range(0, len(stream), cut)]
    raw = chunks.SIGNATURE + chunk(b"IHDR", header) + b"".join(pieces) + chunk(b"IEND", b"")
    file = png.parse(raw)
    encoder = png.study(file, samples)
    assert encoder.exact
    assert png.replace_samples(file, samples, samples, encoder) == raw
    assert np.array_equal(reread(png.replace_samples(file, samples, samples ^ 1)), samples ^ 1)


def test_foreign_rules_of_filters_are_known():
    """Go, Java and pngjs, image-rs and LodePNG pick filters by rules of their own."""
    samples = large_photo(60, 100)
    rows = samples.reshape(60, -1)
    found = {rule: filters.choose_filters(rows, 3, rule) for rule in filters.RULES}
    for types in found.values():
        assert any(filters.follows([(rows, 3)], [types], rule) for rule in filters.RULES)
    slow = []
    for y, row in enumerate(rows.astype(int)):
        above = rows[y - 1].astype(int) if y else np.zeros_like(row)
        left, corner = (np.concatenate((np.zeros(3, int), each[:-3])) for each in (row, above))
        p = left + above - corner
        near = np.abs(np.stack((p - left, p - above, p - corner))).argmin(0)
        paeth = np.choose(near, (left, above, corner))
        guesses = (0 * row, left, above, (left + above) // 2, paeth)
        slow.append(int(np.argmin([np.abs(row - guess).sum() for guess in guesses])))
    assert found["java"].tolist() == slow


def test_a_wrong_checksum_of_an_ancillary_chunk_stays(photo, caplog):
    raw = save(np.asarray(photo))
    odd = bytearray(chunk(b"prVt", b"private data"))
    odd[-1] ^= 1
    raw = raw[:33] + bytes(odd) + raw[33:]
    cover = open_cover(raw)
    assert "checksum" in caplog.text and "prVt" in caplog.text
    stego = cover.encode(cover.elements ^ 1)
    assert bytes(odd) in stego
    assert np.array_equal(open_cover(stego, "stego").elements, cover.elements ^ 1)
    broken = bytearray(raw)
    broken[-20] ^= 1  # in the image data
    with pytest.raises(InputImageError, match="truncated or damaged"):
        open_cover(bytes(broken))


@pytest.mark.parametrize("turned", [1, 6, 8])
def test_orientation_outlives_metadata(photo, turned):
    exif = Image.Exif()
    exif[270], exif[274] = "a description", turned
    raw = save(np.asarray(photo), exif=exif.tobytes())
    cover = open_cover(raw)
    bare = cover.encode(cover.elements, strip_metadata=True)
    assert b"a description" in raw and b"a description" not in bare
    assert Image.open(io.BytesIO(bare)).getexif().get(274, 1) == turned
    assert (b"eXIf" in bare) == (turned != 1)


def test_what_points_into_the_image_data_is_left_out(photo, caplog):
    raw = save(np.asarray(photo))
    raw = raw[:33] + chunk(b"iDOT", bytes(28)) + raw[33:]
    cover = open_cover(raw)
    assert cover.encode(cover.elements) == raw and not caplog.messages
    stego = cover.encode(cover.elements ^ 1)
    assert b"iDOT" not in stego and "iDOT" in caplog.text
