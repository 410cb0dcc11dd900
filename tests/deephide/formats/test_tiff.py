"""TIFF carriers: every tag as it was, whatever the layout, and a rejection where that cannot be."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

import deephide
from deephide.covers.opening import open_cover
from deephide.formats.tiff import file as tiff
from deephide.formats.tiff import lzw, moving
from deephide.formats.tiff.directories import (
    TiffFormatError,
    TiffUnsupportedError,
    read,
)

SECRET = bytes(range(30))
COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8, 13: 4, 16: 8}
PLACES = {273, 279, 324, 325, 330, 34665, 34853, 513}


def pillow(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF", **options)
    return buffer.getvalue()


def made(array, planar=False, **options):
    buffer = io.BytesIO()
    colours = "rgb" if array.ndim == 3 else options.pop("photometric", "minisblack")
    if planar:
        array, options["planarconfig"] = array.transpose(2, 0, 1).copy(), "separate"
    tifffile.imwrite(buffer, array, photometric=colours, **options)
    return buffer.getvalue()


def raw_tags(raw):
    """Return {path: (type, count, bytes)} of every tag but places; another reader than ours."""
    order = "<" if raw[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", raw, 2)[0] == 43
    word = "Q" if big else "I"
    out = {}

    def walk(at, name):
        count = struct.unpack_from(order + ("Q" if big else "H"), raw, at)[0]
        at += 8 if big else 2
        for _ in range(count):
            tag, kind, number = struct.unpack_from(order + "HH" + word, raw, at)
            size, field = SIZES[kind] * number, at + (12 if big else 8)
            place = field
            if size > (8 if big else 4):
                place = struct.unpack_from(order + word, raw, field)[0]
            value = raw[place : place + size]
            out[(*name, tag)] = (kind, number, None if tag in PLACES else value)
            if tag in (330, 34665, 34853):
                for j, child in enumerate(struct.unpack_from(f"{order}{number}{word}", value)):
                    walk(child, (*name, tag, j))
            at += 20 if big else 12
        following = struct.unpack_from(order + word, raw, at)[0]
        if following:
            walk(following, (*name, "next"))

    walk(struct.unpack_from(order + word, raw, 8 if big else 4)[0], ())
    return out


def check(raw, **options):
    """Change every sample; compare tags, and samples as others read them."""
    cover = open_cover(raw)
    stego = cover.encode(cover.elements ^ 1, suffix=".tif", **options)
    again = open_cover(stego)
    assert np.array_equal(again.elements, cover.elements ^ 1)
    assert (again.alpha is None) == (cover.alpha is None)
    assert cover.alpha is None or np.array_equal(again.alpha, cover.alpha)
    if not options:
        assert raw_tags(stego) == raw_tags(raw)
        assert cover.encode(cover.elements, suffix=".tif") == raw
    return stego


@pytest.fixture(params=["L", "RGB", "RGBA"])
def picture(request, photo):
    """A photo of each mode, with alpha that is not everywhere the same."""
    found = photo.convert(request.param)
    if request.param == "RGBA":
        found.putalpha(photo.convert("L").point(lambda value: 255 - value // 3))
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", ["strips", "tiles", "planes"])
def test_every_layout(picture, order, big, compression, layout):
    array = np.asarray(picture)
    options = {"tile": (32, 48)} if layout == "tiles" else {"rowsperstrip": 7}
    options |= {"planar": layout == "planes" and array.ndim == 3, "compression": compression}
    options["predictor"] = compression is not None
    raw = made(array, byteorder=order, bigtiff=big, description="José".encode(), **options)
    stego = check(raw)
    shown = tifffile.imread(io.BytesIO(stego))
    if options["planar"]:
        shown = shown.transpose(1, 2, 0)
    assert np.array_equal(shown[..., :3] ^ 1, array[..., :3])
    if compression is None:
        assert len(stego) == len(raw)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compressed_files_of_libtiff(picture, compression):
    tags = {270: "a description", 297: (0, 1), 321: (3, 200)}
    if compression in ("tiff_lzw", "tiff_adobe_deflate"):
        tags[317] = 2
    raw = pillow(picture, compression=compression, tiffinfo=tags, dpi=(300, 300))
    stego = check(raw)
    before, after = (Image.open(io.BytesIO(each)) for each in (raw, stego))
    assert after.info == before.info
    assert np.array_equal(np.asarray(after)[..., :3] ^ 1, np.asarray(before)[..., :3])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("strip", [False, True])
def test_a_turned_image_stays_turned(photo, orientation, strip):
    raw = pillow(photo.crop((0, 0, 90, 64)), tiffinfo={274: orientation}, compression="tiff_lzw")
    stego = check(raw, **({"strip_metadata": True} if strip else {}))
    shown = Image.open(io.BytesIO(stego))
    shown.load()
    assert np.array_equal(np.asarray(shown) ^ 1, open_cover(raw).samples)
    assert raw_tags(stego)[(274,)] == raw_tags(raw)[(274,)]


def assembled(entries, strips, order="<", children=(), last_first=False):
    """Return a TIFF file: strips, then a directory with `entries` {tag: (type, values bytes)}."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    places = []
    for strip in strips:
        places.append(len(out))
        out += strip + bytes(len(strip) % 2)

    def pack(kind, numbers):
        code = {3: "H", 4: "I"}[kind]
        return kind, struct.pack(f"{order}{len(numbers)}{code}", *numbers)

    def put(entries):
        at = len(out)
        rest = at + 2 + 12 * len(entries) + 4
        fields, values = struct.pack(order + "H", len(entries)), b""
        for tag in sorted(entries):
            kind, value = entries[tag]
            fields += struct.pack(order + "HHI", tag, kind, len(value) // SIZES[kind])
            if len(value) > 4:
                fields += struct.pack(order + "I", rest + len(values))
                values += value + bytes(len(value) % 2)
            else:
                fields += value.ljust(4, b"\0")
        out.extend(fields + bytes(4) + values)
        return at

    for tag, kept in children:
        entries[tag] = pack(4, [put(kept)])
    entries[273] = pack(4, places)
    entries[279] = pack(4, [len(strip) for strip in strips])
    struct.pack_into(order + "I", out, 4, put(entries))
    return bytes(out)


def base_entries(width, height, samples, order="<", **extra):
    def shorts(*numbers):
        return 3, struct.pack(f"{order}{len(numbers)}H", *numbers)

    entries = {
        256: shorts(width), 257: shorts(height), 258: shorts(*[8] * samples), 259: shorts(1),
        262: shorts(2 if samples > 2 else 1), 277: shorts(samples), 278: shorts(height),
    }  # fmt: skip
    return entries | {int(tag[1:]): value for tag, value in extra.items()}, shorts


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("reversed_bits", [False, True])
def test_odd_tags_of_other_programs(photo, order, reversed_bits):
    """Several SampleFormats, IPTC as LONG, text beyond ASCII, EXIF and GPS, FillOrder 2."""
    array = np.asarray(photo.crop((0, 0, 80, 60))).copy()
    array[:20] = array[0, 0]  # some of it can be compressed
    entries, shorts = base_entries(80, 60, 3, order)
    entries |= {
        259: shorts(5), 339: shorts(1, 1, 1), 297: shorts(0, 1), 321: shorts(3, 200),
        315: (2, "José\0".encode("latin-1")), 33723: (4, b"\x1c\x02Z\0\4Koln"), 700: (1, b"<x/>"),
        266: shorts(2 if reversed_bits else 1),
    }  # fmt: skip
    children = [
        (34665, {36867: (2, b"2020:01:01 00:00:00\0"), 40962: shorts(80)}),
        (34853, {1: (2, b"N\0"), 2: (5, bytes(24))}),
    ]
    strip = lzw.pack(array.tobytes(), watch=True)
    if reversed_bits:
        strip = bytes(int(f"{byte:08b}"[::-1], 2) for byte in strip)
    raw = assembled(entries, [strip], order, children)
    cover = open_cover(raw)
    assert np.array_equal(cover.samples, array)
    stego = check(raw)
    noise = cover.elements ^ (np.arange(cover.elements.size) * 7919 % 11 == 0).astype(np.uint8)
    moved = cover.encode(noise, suffix=".tif")
    assert len(moved) != len(raw) and raw_tags(moved) == raw_tags(raw)
    assert np.array_equal(open_cover(moved).elements, noise)
    with Image.open(io.BytesIO(stego)) as shown:
        assert np.array_equal(np.asarray(shown) ^ 1, array)


def test_a_thumbnail_in_a_sub_directory_stays(photo):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        array = np.asarray(photo)
        writer.write(array, photometric="rgb", compression="zlib", subifds=1)
        writer.write(array[::4, ::4], photometric="rgb", subfiletype=1)
    raw = buffer.getvalue()
    stego = check(raw)
    pages = tifffile.TiffFile(io.BytesIO(stego)).pages[0]
    assert np.array_equal(pages.pages[0].asarray(), np.asarray(photo)[::4, ::4])


def test_what_has_unknown_places_is_not_moved(photo):
    """A maker's note may count bytes from the start of the file: the strip goes to the end."""
    array = np.asarray(photo.crop((0, 0, 80, 60)))
    entries, shorts = base_entries(80, 60, 3)
    entries |= {259: shorts(8), 50740: (7, b"private data of a maker")}
    strip = zlib.compress(array.tobytes(), 9)
    raw = assembled(entries, [strip])
    cover = open_cover(raw)
    noise = cover.elements ^ (np.arange(cover.elements.size) * 7919 % 5 == 0)
    stego = cover.encode(noise.astype(np.uint8), suffix=".tif")
    assert np.array_equal(open_cover(stego).elements, noise)
    assert stego[8 + len(strip) : len(raw)].endswith(raw[8 + len(strip) :][-20:])
    assert raw_tags(stego) == raw_tags(raw)
    assert strip[:100] not in stego  # nothing is left of the cover's data


@pytest.mark.parametrize(
    "file, name",
    [
        (
            {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
            "a palette image",
        ),
        ({"dtype": np.uint16}, "a 16-bit image"),
        ({"dtype": np.float32}, "floating-point"),
        ({"channels": 4, "photometric": "separated"}, "CMYK"),
        ({"pages": 2}, "several pages"),
        ({"tags": [(50706, 1, 4, (1, 4, 0, 0), True)]}, "DNG"),
        ({"subfiletype": 1}, "thumbnail"),
        ({"extrasamples": ["assocalpha"], "channels": 4}, "multiplied by their opacity"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(file, name):
    channels, dtype = file.pop("channels", 1), file.pop("dtype", np.uint8)
    pages = file.pop("pages", 1)
    array = np.arange(64 * 70 * channels).reshape(64, 70, channels).squeeze().astype(dtype)
    options = {"photometric": "rgb" if channels == 4 else "minisblack"} | file
    if "tags" in options:
        options["extratags"] = options.pop("tags")
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for _ in range(pages):
            writer.write(array, **options)
    with pytest.raises(deephide.InputImageError, match=name) as caught:
        open_cover(buffer.getvalue())
    assert caught.value.hint


def test_opaque_colours_that_are_multiplied_by_alpha_are_the_colours(photo):
    array = np.asarray(photo.convert("RGBA"))
    check(made(array, extrasamples=["assocalpha"]))


def test_overlapping_parts_are_refused(photo):
    array = np.asarray(photo.crop((0, 0, 80, 60)))
    entries, _ = base_entries(80, 60, 3)
    raw = bytearray(assembled(entries, [array.tobytes()]))
    directory = read(bytes(raw)).chain[0]
    raw[directory.find(273).at] += 4
    with pytest.raises(TiffUnsupportedError, match="overlap"):
        tiff.parse(bytes(raw))


def test_every_truncation_is_refused_or_whole(photo):
    raw = made(np.asarray(photo.crop((0, 0, 64, 24))), compression="zlib", description="text")
    for size in range(0, len(raw), 97):
        with pytest.raises((TiffFormatError, TiffUnsupportedError)):
            tiff.decode(tiff.parse(raw[:size]))


def test_circles_and_long_directories_end():
    for link in (8, 0):
        raw = struct.pack("<4sIHHHIII", b"II*\0", 8, 1, 256, 3, 1, 64, link)
        assert len(read(raw).chain) == 1
    with pytest.raises(TiffFormatError):
        read(struct.pack("<4sIH", b"II*\0", 8, 65535))


def test_verification_compares_tags(photo, monkeypatch, tmp_path, cheap_kdf):
    photo.save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={270: "a description"})
    replaced = moving.replaced

    def vandal(*arguments):
        return replaced(*arguments).replace(b"description", b"vandalism!!")

    monkeypatch.setattr(moving, "replaced", vandal)
    with pytest.raises(deephide.InputImageError, match="tag 270") as caught:
        deephide.embed_file(SECRET, tmp_path / "a.tif", tmp_path / "b.tif", "p", codec="file")
    assert "ends in .png" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_metadata_is_stripped_on_demand(photo):
    exif = Image.Exif()
    exif[0x010E] = "a description"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    raw = pillow(photo, exif=exif.tobytes(), icc_profile=b"profile", dpi=(300, 300))
    assert b"a description" in check(raw)
    stego = check(raw, strip_metadata=True)
    assert b"a description" not in stego and b"2020" not in stego
    after = Image.open(io.BytesIO(stego))
    assert after.info["icc_profile"] == b"profile" and after.info["dpi"] == (300, 300)


@pytest.mark.parametrize("size", [0, 1, 2, 300, 5000, 70_000])
@pytest.mark.parametrize("levels", [1, 3, 256])
def test_lzw_and_packbits_come_back(size, levels):
    data = np.random.default_rng(size).integers(0, levels, size).astype(np.uint8).tobytes()
    for watch in (False, True):
        assert lzw.unpack(lzw.pack(data, watch=watch), size) == data
    if size:
        assert lzw.unpackbits(lzw.packbits(data, 60), size) == data


def test_lzw_and_packbits_are_those_of_libtiff(photo):
    for compression in ("tiff_lzw", "packbits"):
        raw = pillow(photo, compression=compression)
        file = tiff.parse(raw)
        plain = []
        tiff._stored(file, plain)
        row = file.grid.row_bytes()
        for (begin, end), data in zip(file.spans, plain, strict=True):
            again = lzw.pack(data, watch=True)
            if compression == "packbits":
                again = lzw.packbits(data, row)
            assert again == raw[begin:end]
