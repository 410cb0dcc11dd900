import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deephide.codecs.faces import load_square
from deephide.covers.opening import open_cover
from deephide.errors import InputImageError
from deephide.formats import images
from deephide.formats.images import load_image
from deephide.formats.png import chunks


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_header(width, height, depth=8, colour=2):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)


def huge(side=20000):
    """A header that claims many pixels, with next to no data."""
    return png_header(side, side) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def deep_rgb():
    data = zlib.compress(bytes(1 + 6 * 80) * 80)
    return png_header(80, 80, depth=16) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encode(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def frames(picture, kind):
    other = picture.point(lambda value: 255 - value)
    return encode(picture, kind, save_all=True, append_images=[other])


def tiff(array):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric="rgb" if array.ndim == 3 else "minisblack")
    return buffer.getvalue()


BAD_COVERS = {
    "text": (lambda p: b"hello, I am not a picture", "not an image"),
    "empty": (lambda p: b"", "empty file"),
    "truncated png": (lambda p: encode(p, "PNG")[:2000], "truncated or damaged"),
    "truncated header": (lambda p: encode(p, "PNG")[:20], "(not an image|truncated)"),
    "truncated tiff": (lambda p: encode(p, "TIFF")[:2000], "truncated or damaged"),
    "truncated bmp": (lambda p: encode(p, "BMP")[:2000], "truncated or damaged"),
    "1 x 1": (lambda p: encode(p.resize((1, 1)), "PNG"), "too small"),
    "16-bit gray": (
        lambda p: encode(Image.fromarray(np.zeros((80, 80), np.uint16)), "PNG"),
        "16-bit|16 bits",
    ),
    "16-bit rgb": (lambda p: deep_rgb(), "16 bits per sample"),
    "palette": (lambda p: encode(p.convert("P"), "PNG"), "palette"),
    "palette bmp": (lambda p: encode(p.convert("P"), "BMP"), "palette"),
    "bilevel": (lambda p: encode(p.convert("1"), "PNG"), "black-and-white|1 bits"),
    "gray alpha": (lambda p: encode(p.convert("LA"), "PNG"), "gray image with transparency"),
    "cmyk": (lambda p: encode(p.convert("CMYK"), "TIFF"), "CMYK"),
    "float": (lambda p: encode(p.convert("F"), "TIFF"), "floating-point"),
    "animated png": (lambda p: frames(p, "PNG"), "animated"),
    "animated gif": (lambda p: frames(p.convert("P"), "GIF"), "animated"),
    "gif": (lambda p: encode(p.convert("P"), "GIF"), "a GIF file"),
    "pages": (lambda p: frames(p, "TIFF"), "several pages"),
    "animated webp": (lambda p: frames(p, "WEBP"), "animated"),
    "webp": (lambda p: encode(p, "WEBP"), "a lossy WebP file"),
    "jpeg in tiff": (
        lambda p: encode(p, "TIFF", compression="jpeg"),
        r"a TIFF file with lossy compression \(jpeg\)",
    ),
    "16-bit rgb tiff": (lambda p: tiff(np.zeros((80, 80, 3), np.uint16)), "a 16-bit image"),
    "float rgb tiff": (lambda p: tiff(np.zeros((80, 80, 3), np.float32)), "floating-point"),
    "half gray tiff": (lambda p: tiff(np.zeros((80, 80), np.float16)), "floating-point"),
    "exr": (lambda p: b"\x76\x2f\x31\x01" + bytes(90), "OpenEXR file, an HDR image"),
    "radiance": (lambda p: b"#?RADIANCE\n" + bytes(90), "Radiance file, an HDR image"),
    "jpeg xl": (lambda p: b"\xff\x0a" + bytes(90), "JPEG XL file"),
    "jpeg xl in boxes": (lambda p: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(90), "JPEG XL file"),
    "jpeg xr": (lambda p: b"II\xbc\x01" + bytes(90), "JPEG XR file"),
    "heic": (lambda p: b"\0\0\0\x18ftypheic" + bytes(90), "HEIC file"),
    "avif": (lambda p: encode(p, "AVIF"), "an AVIF file"),
    "20,000 x 20,000": (lambda p: huge(), "too many pixels"),
    "too many for us": (lambda p: huge(8200), "too many pixels"),
    "between the limits": (lambda p: huge(10000), "too many pixels"),
}


@pytest.mark.parametrize("name", BAD_COVERS)
def test_bad_covers_are_refused_in_one_sentence(tmp_path, photo, name):
    make, message = BAD_COVERS[name]
    path = tmp_path / "cover.bin"
    path.write_bytes(make(photo))
    with pytest.raises(InputImageError, match=message) as caught:
        open_cover(path)
    assert str(caught.value).startswith("the carrier ")
    assert caught.value.__suppress_context__ or caught.value.hint or "empty" in str(caught.value)


@pytest.mark.parametrize("name", ["16-bit gray", "16-bit rgb", "palette", "gray alpha", "cmyk"])
def test_issue_16_covers_of_other_modes_are_refused_with_how_to_convert_them(photo, name):
    make, _ = BAD_COVERS[name]
    with pytest.raises(InputImageError) as caught:
        open_cover(make(photo))
    assert caught.value.hint.startswith("convert it first: magick old.")


@pytest.mark.parametrize("kind", [b"IDAT", b"prIv", b"tEXt"])
@pytest.mark.parametrize("read", [open_cover, load_image])
def test_a_file_in_countless_chunks_never_reaches_the_decoder(tmp_path, monkeypatch, kind, read):
    data = zlib.compress(bytes((1 + 3 * 80) * 80))
    whole = chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(png_header(80, 80) + chunk(kind, b"") * 1000 + whole + bytes(10**6))
    assert read(path) is not None  # many chunks, and any bytes after the last one
    path.write_bytes(png_header(80, 80) + chunk(kind, b"") * chunks.MAX_CHUNKS + whole)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(InputImageError, match="more than 65536 chunks"):
        read(path)


def test_missing_files_and_directories_are_refused(tmp_path):
    with pytest.raises(InputImageError, match="does not exist"):
        open_cover(tmp_path / "none.png")
    with pytest.raises(InputImageError, match="is a directory"):
        open_cover(tmp_path)


def test_files_that_are_too_large_are_not_read(tmp_path, monkeypatch, photo):
    monkeypatch.setattr("deephide.formats.files.MAX_FILE_BYTES", 100)
    photo.save(tmp_path / "a.png")
    with pytest.raises(InputImageError, match="at most 100 are allowed"):
        open_cover(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_covers_are_read_without_loss(tmp_path, photo, kind, mode):
    if (kind, mode) == ("BMP", "RGBA"):
        pytest.skip("Pillow takes the fourth byte for padding")
    picture = photo.convert(mode)
    path = tmp_path / f"cover.{kind.lower()}"
    picture.save(path, kind)
    cover = open_cover(path)
    assert cover.shape == (120, 96, 1 if mode == "L" else 3)
    written = Image.open(io.BytesIO(cover.encode(cover.samples ^ 1)))
    expected = np.asarray(picture).copy().reshape(96, 120, -1)
    expected[:, :, : cover.shape[2]] ^= 1
    assert np.array_equal(np.asarray(written).reshape(96, 120, -1), expected)
    assert np.array_equal(np.asarray(cover.render(cover.elements)), np.asarray(picture))


def test_pictures_in_memory_are_taken_as_they_are(photo):
    assert np.array_equal(open_cover(photo).samples, np.asarray(photo))
    with pytest.raises(InputImageError, match="palette"):
        open_cover(photo.convert("P"))
    with pytest.raises(InputImageError, match="of mode YCbCr"):
        open_cover(photo.convert("YCbCr"))


def test_pixel_limit_holds_for_pictures_in_memory(monkeypatch, photo):
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    for load in (open_cover, load_square):
        with pytest.raises(InputImageError, match="too many pixels"):
            load(photo)


def test_transparent_pixels_are_fixed(photo):
    picture = photo.convert("RGBA")
    picture.putalpha(Image.fromarray(np.tile(np.arange(120, dtype=np.uint8) % 2, (96, 1))))
    cover = open_cover(picture)
    assert np.array_equal(cover.fixed, np.asarray(picture)[:, :, 3] == 0)


def test_a_transparent_colour_is_neither_reached_nor_left(tmp_path, photo):
    path = tmp_path / "key.png"
    key = photo.getpixel((5, 6))
    photo.save(path, transparency=key)
    cover = open_cover(path)
    near = np.abs(cover.samples.astype(int) - key).max(axis=2) <= 1
    assert cover.fixed[6, 5] and np.array_equal(cover.fixed, near)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("value", [256, 0x8000, 0xFFFF])
def test_a_transparent_colour_out_of_range_fixes_nothing(tmp_path, photo, mode, value):
    raw = encode(photo.convert(mode), "PNG")
    end = raw.index(b"IDAT") - 4
    key = chunk(b"tRNS", struct.pack(">H", value) * len(mode))
    (tmp_path / "key.png").write_bytes(raw[:end] + key + raw[end:])
    cover = open_cover(tmp_path / "key.png")
    assert cover.fixed is not None and not cover.fixed.any()
    assert key in cover.encode(cover.samples)


def test_colour_profiles_of_other_formats_are_kept(tmp_path, photo):
    photo.save(tmp_path / "a.tif", icc_profile=b"profile")
    cover = open_cover(tmp_path / "a.tif")
    written = Image.open(io.BytesIO(cover.encode(cover.samples)))
    assert written.info["icc_profile"] == b"profile"
    assert cover.render(cover.elements).info["icc_profile"] == b"profile"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_secrets_may_have_any_common_format(tmp_path, face, kind):
    face.save(tmp_path / "secret", kind)
    secret = load_square(tmp_path / "secret")
    assert (secret.mode, secret.size) == ("RGB", (100, 100))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "I;16", "F"])
def test_secrets_may_have_any_mode(face, mode):
    picture = face.convert("L").convert("I").convert(mode) if mode == "I;16" else face.convert(mode)
    assert load_square(picture).mode == "RGB"


def test_secrets_are_turned_upright(tmp_path, face):
    exif = Image.Exif()
    exif[274] = 6
    face.save(tmp_path / "turned.png", exif=exif)
    upright = load_square(tmp_path / "turned.png")
    assert np.array_equal(np.asarray(upright), np.asarray(face.transpose(Image.ROTATE_270)))


def test_secrets_are_cropped_to_the_middle(caplog, face):
    wide = Image.new("RGB", (140, 100))
    wide.paste(face, (20, 0))
    with caplog.at_level("INFO", logger="deephide"):
        assert np.array_equal(np.asarray(load_square(wide)), np.asarray(face))
    assert "not square" in caplog.text


def test_transparent_secrets_are_laid_on_white(face):
    picture = face.convert("RGBA")
    picture.putalpha(0)
    assert np.asarray(load_square(picture)).min() == 255


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: encode(p.resize((63, 200)), "PNG"), "too small"),
        (lambda p: b"text", "not an image"),
        (lambda p: b"\0\0\0\x18ftypheic" + bytes(90), "HEIC file"),
        (lambda p: encode(p, "JPEG")[:300], "truncated"),
        (lambda p: huge(), "too many pixels"),
    ],
)
def test_bad_secrets_are_refused(tmp_path, face, make, message):
    (tmp_path / "secret").write_bytes(make(face))
    with pytest.raises(InputImageError, match=message):
        load_square(tmp_path / "secret")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["PNG", "BMP", "TIFF"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    st.booleans(),
)
def test_damaged_files_give_a_picture_or_one_error(tmp_path, photo, kind, damage, early):
    raw = bytearray(encode(photo.crop((0, 0, 70, 60)), kind))
    for place, value in damage:
        raw[place % (200 if early else len(raw))] = value
    path = tmp_path / "damaged"
    path.write_bytes(raw)
    for load in (open_cover, load_square):
        with contextlib.suppress(InputImageError):
            load(path)


@pytest.mark.parametrize("load", [load_square, open_cover])
def test_formats_that_start_other_programs_are_not_opened(tmp_path, load):
    path = tmp_path / "picture.png"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(InputImageError, match="not an image"):
        load(path)


def test_pages_are_not_counted(tmp_path, monkeypatch, photo):
    """Counting takes time that grows with the square of the pages; 300,000 fit into 30 MB."""
    from PIL import TiffImagePlugin

    def refuse(_):
        raise AssertionError("counted")

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "n_frames", property(refuse))
    path = tmp_path / "pages.tif"
    path.write_bytes(frames(photo, "TIFF"))
    with pytest.raises(InputImageError, match="several pages"):
        open_cover(path)
    path.write_bytes(encode(photo, "TIFF"))
    assert open_cover(path).shape == (120, 96, 3)
