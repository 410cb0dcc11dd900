"""Covers of the program's own making: sizes, errors of rounding, costs, and both directions."""

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.container import hiding, keys, layout
from deephide.covers import precovers, side_information
from deephide.covers.jpeg import JpegCover
from deephide.covers.opening import open_cover
from deephide.formats import deep
from deephide.making import Making, parse_shrink

SECRET = bytes(range(40))


def hide(carrier, **options):
    return deephide.embed(SECRET, carrier, "p", codec="file", **options)


def png16(samples, kind):
    """A PNG file of 16 bits per sample whose rows take turns with the five filters."""
    height, width, channels = samples.shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8).astype(int)
    pixel, out, above = 2 * channels, b"", np.zeros(rows.shape[1], int)
    for y, row in enumerate(rows):
        left = np.concatenate([np.zeros(pixel, int), row[:-pixel]])
        corner = np.concatenate([np.zeros(pixel, int), above[:-pixel]])
        near = left + above - corner
        away = [abs(near - each) for each in (left, above, corner)]
        paeth = np.where(
            (away[0] <= away[1]) & (away[0] <= away[2]),
            left,
            np.where(away[1] <= away[2], above, corner),
        )
        predicted = (0, left, above, (left + above) // 2, paeth)[y % 5]
        out += bytes([y % 5]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
        above = row

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(out)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def wide():
    """16-bit samples with structure, (80, 96, 3)."""
    rng = np.random.default_rng(4)
    return rng.normal(30000, 4000, (80, 96, 3)).clip(300, 65000).astype(np.uint16)


@pytest.mark.parametrize(
    ("text", "found"),
    [(None, (None, None)), (0.5, (0.5, None)), ("1", (1.0, None)), ("1600px", (None, 1600))],
)
def test_what_shrink_means(text, found):
    assert parse_shrink(text) == found


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "0px", "nan", "half", "10 px", "1e9px", ""])
def test_what_shrink_cannot_mean(text):
    with pytest.raises(ValueError, match="shrink: got"):
        parse_shrink(text)


def test_errors_of_a_smaller_photo_are_those_of_rounding(make_texture):
    samples = make_texture(120, 160, 3)
    cover, made = precovers.make(Image.fromarray(samples), Making(scale=0.75))
    assert cover.shape == (120, 90, 3)
    assert (made.original_size, made.size, made.quality) == ((160, 120), (120, 90), None)
    exact = np.stack(
        [
            np.asarray(
                Image.fromarray(samples[:, :, c].astype(np.float32)).resize(
                    (120, 90), Image.Resampling.LANCZOS
                )
            )
            for c in range(3)
        ],
        axis=2,
    )
    assert np.abs(cover.samples + cover.errors - exact).max() < 1e-4
    assert np.abs(cover.errors).max() <= 0.5


def test_costs_fall_on_the_near_side_alone(make_texture):
    cover, _ = precovers.make(Image.fromarray(make_texture(120, 160, 1)[:, :, 0]), Making(0.75))
    blind = replace(cover, errors=None).costs()
    errors = cover.errors.reshape(-1)
    for known, before, towards in zip(cover.costs(), blind, (errors, -errors), strict=True):
        dry = np.isfinite(before)
        assert np.array_equal(dry, np.isfinite(known))
        factor = 1 - 2 * np.maximum(towards[dry], 0)
        assert known[dry] == pytest.approx(before[dry] * factor, rel=1e-4, abs=1e-5)
    lowest = np.minimum(*blind)
    dry = np.isfinite(lowest)
    found = side_information.cost_before(*cover.costs(), errors)
    assert found[dry] == pytest.approx(lowest[dry])


def test_changes_go_back_to_what_was_rounded(make_texture, cheap_kdf):
    photo = Image.fromarray(make_texture(240, 240, 1)[:, :, 0])
    cover, _ = precovers.make(photo, Making(0.75))
    result = hide(photo, shrink=0.75)
    change = np.asarray(result.stego, int).reshape(-1) - cover.elements
    changed = np.flatnonzero(change)
    errors = cover.errors.reshape(-1)[changed]
    assert (np.sign(errors) == change[changed]).mean() > 0.95
    assert np.abs(errors).mean() > 0.4


def test_shrunk_stegos_are_ordinary_ones(make_texture, cheap_kdf, tmp_path):
    Image.fromarray(make_texture(120, 160, 3)).save(tmp_path / "photo.png")
    result = deephide.embed_file(
        SECRET, tmp_path / "photo.png", tmp_path / "s.png", "p", codec="file", shrink="120px"
    )
    with Image.open(tmp_path / "s.png") as image:
        assert image.size == (120, 90)
    assert deephide.extract(tmp_path / "s.png", "p").data == SECRET
    assert "made smaller from 160 x 120 to 120 x 90" in result.reason
    assert result.made.size == (120, 90)


def test_more_is_safe_where_errors_are_known(make_texture):
    photo = Image.fromarray(make_texture(300, 300, 1)[:, :, 0])
    cover, _ = precovers.make(photo, Making(0.75))
    blind = replace(cover, errors=None)
    known = cover.survey(cover.costs()).safe()
    assert known.payload_bits > 1.5 * blind.survey(blind.costs()).safe().payload_bits
    assert deephide.capacity(photo, shrink=0.75).safe_bits == int(known.payload_bits)
    # At the same payload there are more changes, which add less.
    one, other = (each.survey(each.costs()).at(400) for each in (cover, blind))
    assert one.change_rate > other.change_rate
    assert one.added_error < 0.5 * other.added_error
    assert other.added_error == other.change_rate
    assert one.deflection < other.deflection


@pytest.mark.parametrize("size", [10, 30, 60, 230])
def test_issue_16_the_forecast_of_the_added_error_is_what_is_added(make_texture, size, cheap_kdf):
    cover, _ = precovers.make(Image.fromarray(make_texture(300, 300, 3)), Making(0.75))
    up, down = cover.costs()
    errors = cover.errors.reshape(-1)
    random = np.random.default_rng(5)
    key = keys.SharedKey(b"sixteen of these").at(bytes(16))
    added = []
    for _ in range(3):
        plaintext = layout.pack(layout.Header(3, bytes(8)), random.bytes(size))
        hidden = hiding.hide(cover.elements, up, down, key, plaintext, b"", random.bytes)
        change = hidden.elements.astype(np.float64) - cover.elements
        added.append(float(((change - errors) ** 2 - errors**2).mean()))
    forecast = cover.survey((up, down)).of_zones(hidden.loads)
    assert forecast.payload_bits == pytest.approx(hidden.message_bits, rel=5e-3)
    assert forecast.added_error == pytest.approx(np.mean(added), rel=0.15)


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3)])
def test_photos_of_16_bits_are_read_whole_and_rounded(wide, kind, channels, cheap_kdf, tmp_path):
    samples = wide[:, :, :channels]
    path = tmp_path / "wide.png"
    path.write_bytes(png16(samples, kind))
    photo = deep.open_photo(path)
    assert photo.bits == 16
    assert np.abs(photo.samples - samples * (255 / 65535)).max() < 1e-4
    with pytest.raises(deephide.InputImageError, match="16"):
        hide(path)
    result = hide(path, shrink=1)
    assert "rounded from 16 to 8 bits" in result.reason
    assert np.array_equal(
        np.abs(np.asarray(result.stego, int).reshape(samples.shape) - np.rint(photo.samples)) > 1,
        np.zeros(samples.shape, bool),
    )
    assert deephide.extract(result.stego, "p").data == SECRET


def test_tiff_of_16_bits(wide, tmp_path, cheap_kdf):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "wide.tif", wide, photometric="rgb")
    assert np.abs(deep.open_photo(tmp_path / "wide.tif").samples - wide / 257).max() < 1e-4
    result = hide(tmp_path / "wide.tif", quality_jpeg=90)
    assert deephide.extract(result.file, "p").data == SECRET


def test_raw_files_are_developed(tmp_path, cheap_kdf):
    pytest.importorskip("rawpy")
    tifffile = pytest.importorskip("tifffile")
    mosaic = np.random.default_rng(1).normal(20000, 1500, (120, 160)).astype(np.uint16)
    unit = tuple(part for k in range(9) for part in (int(k % 4 == 0), 1))
    tags = [
        (33421, 3, 2, (2, 2), True),  # the pattern of colours
        (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),  # the version of DNG
        (50708, 2, 0, "Test", True),
        (50717, 4, 1, 65535, True),  # white
        (50721, 10, 9, unit, True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
    ]
    path = tmp_path / "photo.dng"
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=tags, metadata=None)
    photo = deep.open_photo(path)
    assert (photo.bits, photo.samples.shape[2]) == (16, 3)
    assert len(np.unique(photo.samples)) > 1000
    result = deephide.embed_file(
        SECRET, path, tmp_path / "s.jpg", "p", codec="file", quality_jpeg=92
    )
    assert result.made.quality == 92
    assert deephide.extract(tmp_path / "s.jpg", "p").data == SECRET


def test_without_rawpy_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    (tmp_path / "photo.nef").write_bytes(b"II*\0")
    with pytest.raises(deephide.MissingExtraError, match="a raw file needs rawpy"):
        hide(tmp_path / "photo.nef", quality_jpeg=90)


@pytest.mark.parametrize("size", [(160, 128), (153, 121)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_coefficients_and_their_errors_are_those_of_the_transform(make_texture, size, mode):
    samples = make_texture(size[1], size[0], 3)
    photo = Image.fromarray(samples).convert(mode)
    cover, _ = precovers.make(photo, Making(quality=85))
    assert isinstance(cover, JpegCover)
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=85)
    theirs = open_cover(buffer.getvalue())
    assert theirs.associated == cover.associated
    # libjpeg rounds luma and chroma to integers first.
    away = np.abs(theirs.elements.astype(int) - cover.elements)
    assert away.max() <= 1 and away.mean() < 0.05
    one = cover.coefficients.planes()[0][0, 0] + cover.errors[:64].reshape(8, 8)
    exact = np.asarray(photo.convert("L") if mode == "L" else photo, float)[:8, :8]
    luma = exact if mode == "L" else exact @ [0.299, 0.587, 0.114]
    k, x = np.mgrid[0:8, 0:8]
    basis = 0.5 * np.cos((2 * x + 1) * k * np.pi / 16)
    basis[0] /= np.sqrt(2)
    wanted = basis @ (luma - 128) @ basis.T / cover.coefficients.file.quantization[0]
    rational = np.zeros((8, 8), bool)
    rational[::4, ::4] = True
    assert np.abs(one - wanted)[~rational].max() < 1e-3


def test_errors_of_one_half_in_rational_modes_are_left_out(make_texture):
    flat = np.full((64, 64), 100, np.uint8)
    flat[::2] += 1  # means of blocks are 100.5: with steps of 8 or less DC is between integers
    cover, _ = precovers.make(Image.fromarray(flat), Making(quality=98))
    errors = cover.errors.reshape(-1, 8, 8)[:, ::4, ::4]
    assert np.abs(errors).max() < 0.5 - 1e-4


def test_jpeg_stegos_of_larger_photos(jpegs, cheap_kdf, tmp_path):
    raw = jpegs.encoded(jpegs.photo(160, 200), quality=90)
    result = hide(raw, shrink=0.75)
    assert result.element_name == "coefficients" and result.made.quality == 95
    assert deephide.extract(result.file, "p").data == SECRET
    (tmp_path / "photo.jpg").write_bytes(raw)
    given = (SECRET, tmp_path / "photo.jpg", tmp_path / "s.png", "p")
    deephide.embed_file(*given, codec="file", shrink=0.75)
    with Image.open(tmp_path / "s.png") as image:
        assert image.size == (150, 120)


def test_orientation_is_applied_and_the_profile_stays(make_texture, cheap_kdf):
    photo = Image.fromarray(make_texture(100, 160, 3))
    exif = photo.getexif()
    exif[274] = 6
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", exif=exif, quality=90, icc_profile=b"a profile")
    found = Image.open(io.BytesIO(hide(buffer.getvalue(), shrink=0.75).file))
    assert found.size == (75, 120)
    assert found.info["icc_profile"] == b"a profile"
    assert "exif" not in found.info


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shrink": "500px"}, "cannot be made smaller to 500"),
        ({"shrink": 1}, "8 bits per sample already"),
        ({"shrink": 0.1}, "too small"),
    ],
)
def test_refusals(make_texture, options, message):
    with pytest.raises(deephide.InputImageError, match=message):
        hide(Image.fromarray(make_texture(100, 160, 3)), **options)


def test_jpeg_files_are_not_compressed_again_at_their_own_size(jpegs):
    raw = jpegs.encoded(jpegs.photo(96, 120), quality=90)
    for options in ({"quality_jpeg": 80}, {"shrink": 1}, {"shrink": "120px"}):
        with pytest.raises(deephide.InputImageError, match="traces of both compressions"):
            hide(raw, **options)


def test_transparent_photos_are_refused(make_texture):
    clear = Image.fromarray(make_texture(100, 160, 3)).convert("RGBA")
    assert hide(clear, shrink=0.9).made.size == (144, 90)
    clear.putpixel((3, 3), (1, 2, 3, 0))
    with pytest.raises(deephide.InputImageError, match="transparent pixels"):
        hide(clear, shrink=0.9)


@pytest.mark.parametrize(
    "options",
    [{"shrink": 2}, {"quality_jpeg": 30}, {"channel": "any", "shrink": 0.5}],
)
def test_options_that_cannot_be(options):
    with pytest.raises(ValueError, match=r"shrink: got|quality_jpeg: got"):
        deephide.EmbedOptions(**options)


def test_an_earlier_stego_of_the_same_making_is_found(make_texture, tmp_path, cheap_kdf):
    Image.fromarray(make_texture(120, 160, 3)).save(tmp_path / "photo.png")
    given = {"codec": "file", "shrink": 0.75, "compare_with": tmp_path}
    deephide.embed_file(SECRET, tmp_path / "photo.png", tmp_path / "one.png", "p", **given)
    again = deephide.embed_file(SECRET, tmp_path / "photo.png", tmp_path / "two.png", "p", **given)
    assert any("one.png shows the carrier" in each for each in again.warnings)
