"""Lossless WebP carriers: other samples, and every other chunk as it was."""

import io

import numpy as np
import pytest
from files import files_in
from PIL import Image

import deephide
from deephide.covers.opening import open_cover
from deephide.formats import webp
from deephide.formats.exif import orientation_alone

SECRET = bytes(range(30))
EXIF = b"Exif\0\0" + orientation_alone(6)


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, exact=True, **options)
    return buffer.getvalue()


def chunks(raw):
    file = webp.parse(raw)
    return [(name, raw[start:end]) for name, start, end in file.chunks if name != b"VP8L"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("more", [{}, {"exif": EXIF, "icc_profile": b"p" * 131, "xmp": b"<x/>"}])
def test_other_samples_and_the_same_chunks(photo, mode, more):
    image = photo.convert(mode)
    if mode == "RGBA":
        image.putalpha(photo.convert("L"))
    raw = saved(image, method=0 if more else 4, **more) + b"behind"
    cover = open_cover(raw)
    stego = cover.encode(cover.elements ^ 1, suffix=".webp")
    again = open_cover(stego)
    assert np.array_equal(again.elements, cover.elements ^ 1)
    assert (mode == "RGBA") == (again.alpha is not None)
    assert again.alpha is None or np.array_equal(again.alpha, cover.alpha)
    assert chunks(stego) == chunks(raw) and stego.endswith(b"behind")
    bare = cover.encode(cover.elements, suffix=".webp", strip_metadata=True)
    names = [name for name, _ in chunks(bare)]
    assert b"XMP " not in names and b"<x/>" not in bare
    assert Image.open(io.BytesIO(bare)).getexif().get(274, 1) == (6 if more else 1)


def test_the_encoder_is_imitated(photo, caplog):
    for options in ({}, {"quality": 75}, {"quality": 100}):
        raw = saved(photo, **options)
        cover = open_cover(raw)
        assert cover.encode(cover.elements, suffix=".webp") == raw
    assert not caplog.messages
    cover = open_cover(saved(photo, quality=33, method=1))
    cover.encode(cover.elements, suffix=".webp")
    assert "cannot be imitated" in caplog.text


def test_round_trip_and_copies(tmp_path, photo, cheap_kdf):
    (tmp_path / "a.webp").write_bytes(saved(photo))
    deephide.embed_file(SECRET, tmp_path / "a.webp", tmp_path / "b.webp", "p", codec="file")
    assert deephide.extract(tmp_path / "b.webp", "p").data == SECRET
    with Image.open(tmp_path / "b.webp") as image:
        image.save(tmp_path / "c.png")
    assert deephide.extract(tmp_path / "c.png", "p").data == SECRET
    photo.save(tmp_path / "d.png")
    deephide.embed_file(SECRET, tmp_path / "d.png", tmp_path / "e.png", "p", codec="file")
    with Image.open(tmp_path / "e.png") as image:
        (tmp_path / "f.webp").write_bytes(saved(image))
    assert deephide.extract(tmp_path / "f.webp", "p").data == SECRET


def test_lossy_animated_and_damaged_files_are_refused_by_name(photo):
    buffer = io.BytesIO()
    photo.save(buffer, "WEBP", quality=90)
    with pytest.raises(deephide.InputImageError, match="a lossy WebP file"):
        open_cover(buffer.getvalue())
    frames = [photo, photo.transpose(Image.Transpose.ROTATE_180)]
    raw = saved(frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(deephide.InputImageError, match="animated"):
        open_cover(raw)
    raw = saved(photo)
    for size in (11, 13, 30, 200, len(raw) - 1):
        with pytest.raises(deephide.InputImageError):
            open_cover(raw[:size])


def test_copies_without_a_change_of_any_pixel_open(tmp_path, cheap_kdf):
    """Few colours, so that a palette holds them; each format keeps every pixel."""
    rng = np.random.default_rng(1)
    gray = (96 + rng.integers(0, 40, (96, 120))).astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / "a.png")
    deephide.embed_file(SECRET, tmp_path / "a.png", tmp_path / "b.png", "p", codec="file")
    with Image.open(tmp_path / "b.png") as image:
        stego = image.convert("RGB")
        indexed = image.convert("P")
    stego.save(tmp_path / "rgb.tif", compression="tiff_lzw")
    stego.save(tmp_path / "rgb.webp", lossless=True)
    stego.save(tmp_path / "rgb.ppm")
    indexed.save(tmp_path / "palette.gif")
    indexed.save(tmp_path / "palette.tif")
    indexed.save(tmp_path / "palette.bmp")
    for path in files_in(tmp_path, "[rp]*.*"):
        assert deephide.extract(path, "p").data == SECRET, path.name
    with pytest.raises(deephide.InputImageError, match="palette") as caught:
        open_cover(tmp_path / "palette.tif")
    assert "magick" in caught.value.hint
