"""Gray images that their files store as colours."""

import io

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.covers.opening import open_cover
from deephide.errors import ExtractionError, InputImageError

SECRET = b"hidden in gray"


@pytest.fixture
def gray(make_texture):
    return Image.fromarray(make_texture(80, 96, 1).squeeze())


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def transparent(gray):
    image = gray.convert("RGBA")
    ramp = np.linspace(0, 255, gray.width).astype(np.uint8)
    image.putalpha(Image.fromarray(np.tile(ramp, (gray.height, 1))))
    return image


def paletted(gray):
    image = gray.convert("P")
    image.putpalette([value for value in range(256) for _ in range(3)])
    return image


def changed(before, after):
    return int((np.asarray(before.convert("L")) != np.asarray(after.convert("L"))).sum())


@pytest.mark.parametrize(
    ("kind", "options", "mode"),
    [
        ("PNG", {}, "RGB"),
        ("PNG", {}, "RGBA"),
        ("BMP", {}, "RGB"),
        ("TIFF", {"compression": "tiff_lzw"}, "RGB"),
    ],
)
def test_the_stego_of_a_gray_cover_is_gray_and_opens_however_it_is_stored(
    gray, kind, options, mode, tmp_path
):
    colours = gray.convert("RGB") if mode == "RGB" else transparent(gray)
    path = tmp_path / f"stego.{kind.lower()}"
    result = deephide.embed_file(
        SECRET, saved(colours, kind, **options), path, "p", codec="file", dry_run=False
    )
    assert result.elements == gray.width * gray.height
    with Image.open(path) as stego:
        stego.load()
    samples = np.asarray(stego)
    assert stego.mode == mode and (samples[:, :, :3] == samples[:, :, :1]).all()
    if mode == "RGBA":
        assert np.array_equal(samples[:, :, 3], np.asarray(colours)[:, :, 3])
    assert changed(gray, stego) == result.changes > 0
    opaque = stego.convert("RGB").convert("L")
    for copy in (
        path,
        opaque,
        opaque.convert("RGB"),
        saved(transparent(opaque), "PNG"),
        saved(opaque.convert("LA"), "PNG"),
        saved(paletted(opaque), "PNG", optimize=True),
        saved(paletted(opaque), "PNG", transparency=bytes(range(256))),
        paletted(opaque),
        saved(opaque, "BMP"),
        saved(opaque, "TIFF"),
    ):
        assert deephide.extract(copy, "p").data == SECRET


def test_a_stego_of_few_grays_opens_with_fewer_bits(make_texture):
    samples = np.minimum(make_texture(80, 96, 1).squeeze() // 16, 15) * 17
    stego = Image.fromarray(samples.astype(np.uint8))
    packed = saved(paletted(stego), "PNG", bits=4)
    expected = open_cover(stego, "stego").elements
    for copy in (packed, saved(paletted(stego), "PNG")):
        found = open_cover(copy, "stego")
        assert found.shape == (96, 80, 1)
    ordered = Image.fromarray((samples // 17).astype(np.uint8), "P")
    ordered.putpalette([value * 17 for value in range(16) for _ in range(3)])
    assert np.array_equal(open_cover(saved(ordered, "PNG", bits=4), "stego").elements, expected)


def test_gray_holds_the_same_however_it_is_stored(gray):
    assert deephide.capacity(gray.convert("RGB")) == deephide.capacity(gray)
    assert deephide.capacity(saved(gray.convert("RGB"), "BMP")) == deephide.capacity(gray)


def test_a_palette_makes_no_carrier(gray):
    for carrier in (paletted(gray), saved(paletted(gray), "PNG"), gray.convert("LA")):
        with pytest.raises(InputImageError, match=r"the carrier is a (palette|gray) image"):
            open_cover(carrier)


def test_gray_counts_once_where_an_image_is_too_small(make_texture):
    small = Image.fromarray(make_texture(60, 60, 1).squeeze()).convert("RGB")
    with pytest.raises(InputImageError, match="3600 samples"):
        open_cover(small)
    with pytest.raises(ExtractionError):
        open_cover(small, "stego")
    assert open_cover(Image.fromarray(make_texture(60, 60, 3)), "stego").shape == (60, 60, 3)


def test_a_gray_image_with_a_coloured_pixel_is_refused_and_says_why(gray):
    for mode in ("RGB", "RGBA"):
        nearly = gray.convert(mode)
        nearly.putpixel((9, 9), (200, 30, 30, 0)[: len(mode)])
        with pytest.raises(InputImageError, match="gray but for a few pixels") as caught:
            open_cover(nearly)
        assert caught.value.hint == "save it as a gray image"
        assert open_cover(nearly, "stego").shape == (96, 80, 3)


def test_gray_areas_of_a_colour_image_stay_gray(make_texture):
    samples = make_texture(96, 160, 3)
    samples[:, :80] = samples[:, :80, :1]
    cover = open_cover(Image.fromarray(samples))
    finite = [np.isfinite(cost).reshape(samples.shape) for cost in cover.costs()]
    assert not any(part[:, :79].any() for part in finite)
    assert all(part[:, 81:].mean() > 0.9 for part in finite)
