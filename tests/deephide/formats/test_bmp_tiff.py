"""BMP and TIFF carriers: what stays of the file, and that the message comes back."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

import deephide
from deephide.covers.opening import open_cover, suffixes
from deephide.formats import bmp_tiff as plain_files

SECRET = bytes(range(30))
COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")
# Layouts of uncompressed files, as tifffile makes them.
LAYOUTS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "strips": {"rowsperstrip": 16},
    "tiles": {"tile": (32, 48)},
}


@pytest.fixture(params=["L", "RGB", "RGBA"])
def picture(request, photo):
    """A photo of each mode, with alpha that is not everywhere the same."""
    found = photo.convert(request.param)
    if request.param == "RGBA":
        found.putalpha(photo.convert("L").point(lambda value: 255 - value // 3))
    return found


def pillow(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def by_tifffile(picture, planar=False, **options):
    array, buffer = np.asarray(picture), io.BytesIO()
    colours = "rgb" if array.ndim == 3 else "minisblack"
    if planar:
        array, options["planarconfig"] = array.transpose(2, 0, 1).copy(), "separate"
    tifffile.imwrite(buffer, array, photometric=colours, **options)
    return buffer.getvalue()


def changed(raw, **options):
    """Change the lowest bit of every sample; return the new file and the cover."""
    cover = open_cover(raw)
    return plain_files.replace_samples(cover.source, cover.samples ^ 1, **options), cover


def check(raw, stego, cover):
    again = open_cover(stego)
    assert np.array_equal(again.samples, cover.samples ^ 1)
    assert (again.alpha is None) == (cover.alpha is None)
    assert cover.alpha is None or np.array_equal(again.alpha, cover.alpha)
    assert Image.open(io.BytesIO(stego)).format == Image.open(io.BytesIO(raw)).format


def apart(one, other):
    """Return how many bytes differ between files of one length."""
    assert len(one) == len(other)
    return sum(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("layout", [*LAYOUTS, "planes", "bmp"])
def test_of_a_file_without_compression_samples_alone_change(picture, layout):
    if layout == "planes" and picture.mode == "L":
        pytest.skip("one channel is one plane")
    if layout == "bmp":
        raw = pillow(picture, "BMP") + b"what follows"
    else:
        raw = by_tifffile(picture, planar=layout == "planes", **LAYOUTS.get(layout, {}))
    stego, cover = changed(raw)
    check(raw, stego, cover)
    assert apart(raw, stego) == cover.samples.size
    assert plain_files.replace_samples(cover.source, cover.samples) == raw


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_compressed_file_keeps_its_compression_and_tags(picture, compression):
    tags = {270: "a description", 317: 2} if "l" in compression[-3:] else {270: "a description"}
    raw = pillow(picture, "TIFF", compression=compression, tiffinfo=tags, dpi=(300, 300))
    stego, cover = changed(raw)
    check(raw, stego, cover)
    before, after = (Image.open(io.BytesIO(each)) for each in (raw, stego))
    assert after.info["compression"] == before.info["compression"] == compression
    layout = (273, 278, 279)
    assert {tag: value for tag, value in after.tag_v2.items() if tag not in layout} == {
        tag: value for tag, value in before.tag_v2.items() if tag not in layout
    }
    assert plain_files.replace_samples(cover.source, cover.samples) == raw


def test_inverted_and_tiled_compressed_files_are_written_again(photo):
    gray = np.asarray(photo.convert("L"))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, gray, photometric="miniswhite")
    for raw in (buffer.getvalue(), by_tifffile(photo, tile=(32, 32), compression="adobe_deflate")):
        check(raw, *changed(raw))


def exif(orientation):
    found = Image.Exif()
    found[0x010E], found[0x0112] = "a description", orientation
    found.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return found.tobytes()


@pytest.mark.parametrize("strip", [False, True])
def test_a_turned_picture_is_written_upright(photo, strip):
    options = {"exif": exif(6), "icc_profile": b"profile", "dpi": (300, 300)}
    raw = pillow(photo, "TIFF", **options)
    stego, cover = changed(raw, strip_metadata=strip)
    check(raw, stego, cover)
    assert cover.shape[:2] == photo.size[::-1]
    after = Image.open(io.BytesIO(stego))
    assert after.size == photo.size[::-1] and after.getexif().get(0x0112, 1) == 1
    assert after.info["icc_profile"] == b"profile" and after.info["dpi"] == (300, 300)
    assert after.getexif().get_ifd(0x8769) == ({} if strip else {0x9003: "2020:01:01 00:00:00"})
    assert (b"a description" in stego) == (not strip)


def test_metadata_of_an_upright_file_is_stripped_on_demand(photo):
    raw = pillow(photo, "TIFF", exif=exif(1))
    assert b"a description" in raw and b"a description" in changed(raw)[0]
    stego, cover = changed(raw, strip_metadata=True)
    check(raw, stego, cover)
    assert b"a description" not in stego and b"2020" not in stego


def few_grays(photo):
    """A BMP file whose palette has 100 grays only."""
    raw = bytearray(pillow(photo.convert("L").point(lambda value: value * 99 // 255), "BMP"))
    raw[46:50] = (100).to_bytes(4, "little")
    del raw[54 + 400 : 54 + 1024]
    raw[10:14] = (54 + 400).to_bytes(4, "little")
    return bytes(raw)


def test_a_palette_of_few_grays_cannot_take_others(tmp_path, photo, cheap_kdf):
    (tmp_path / "a.bmp").write_bytes(few_grays(photo))
    assert open_cover(tmp_path / "a.bmp").samples.max() < 100
    options = {"passphrase": "p", "codec": "file"}
    with pytest.raises(deephide.OutputError, match="rare kind") as caught:
        deephide.embed_file(SECRET, tmp_path / "a.bmp", tmp_path / "b.bmp", **options)
    assert "ends in .png" in caught.value.hint and not (tmp_path / "b.bmp").exists()
    deephide.embed_file(SECRET, tmp_path / "a.bmp", tmp_path / "b.png", **options)
    assert deephide.extract(tmp_path / "b.png", "p").data == SECRET


@pytest.mark.parametrize("name", ["a.bmp", "a.tif", "a.tiff"])
def test_round_trips(tmp_path, photo, name, cheap_kdf):
    carrier, stego = tmp_path / name, tmp_path / f"stego{(tmp_path / name).suffix}"
    photo.save(carrier)
    assert suffixes(carrier)[0] == carrier.suffix
    result = deephide.embed_file(SECRET, carrier, stego, "p", codec="file")
    assert deephide.extract(stego, "p").data == SECRET
    assert apart(carrier.read_bytes(), stego.read_bytes()) == result.changes > 0
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(carrier, "p")


def test_a_stego_that_cannot_be_written_leaves_no_file(tmp_path, photo, monkeypatch, cheap_kdf):
    photo.save(tmp_path / "a.tif", compression="tiff_lzw")
    monkeypatch.setattr(plain_files, "_saved", lambda raw, *_: raw)
    with pytest.raises(deephide.DeephideError, match="failed its own verification"):
        deephide.embed_file(SECRET, tmp_path / "a.tif", tmp_path / "b.tif", "p", codec="file")

    def refuse(*_):
        raise OSError("encoder error")

    monkeypatch.setattr(plain_files, "_saved", refuse)
    with pytest.raises(deephide.InputImageError, match="cannot be written with other") as caught:
        deephide.embed_file(SECRET, tmp_path / "a.tif", tmp_path / "b.tif", "p", codec="file")
    assert "ends in .png" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_what_a_stego_may_be_called(tmp_path, photo, jpegs):
    for name in ("a.bmp", "a.tiff", "a.png"):
        photo.save(tmp_path / name)
    (tmp_path / "a.jpeg").write_bytes(jpegs.encoded(jpegs.photo(64, 64)))
    found = {path.name: suffixes(path) for path in tmp_path.iterdir()}
    assert found == {
        "a.bmp": (".bmp", ".png"),
        "a.tiff": (".tiff", ".tif", ".png"),
        "a.png": (".png",),
        "a.jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    }
    assert suffixes(photo) == suffixes(tmp_path / "none.bmp") == (".png",)
