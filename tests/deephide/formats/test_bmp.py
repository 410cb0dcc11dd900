"""BMP carriers: what stays of the file, and what their stegos may be called."""

import io

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.covers.opening import open_cover, suffixes

SECRET = bytes(range(30))


def pillow(picture, kind="BMP", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def apart(one, other):
    """Return how many bytes differ between files of one length."""
    assert len(one) == len(other)
    return sum(a != b for a, b in zip(one, other, strict=True))


def version_5(picture):
    """Return a BMP file with the longest header, masks, and a gap before the pixels."""
    raw = pillow(picture.convert("RGBA"))
    info = int.from_bytes(raw[14:18], "little")
    old, pixels = raw[14 : 14 + info], raw[int.from_bytes(raw[10:14], "little") :]
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    header = (124).to_bytes(4, "little") + old[4:16] + (3).to_bytes(4, "little") + old[20:40]
    header = (header + masks + b"BGRs").ljust(124, b"\0") + b"gap!"
    start = 14 + len(header)
    head = b"BM" + (start + len(pixels)).to_bytes(4, "little") + raw[6:10]
    return head + start.to_bytes(4, "little") + header + pixels


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "V5"])
def test_samples_alone_change(photo, mode):
    raw = version_5(photo) if mode == "V5" else pillow(photo.convert(mode)) + b"what follows"
    cover = open_cover(raw)
    stego = cover.encode(cover.elements ^ 1, suffix=".bmp")
    again = open_cover(stego)
    assert np.array_equal(again.elements, cover.elements ^ 1)
    assert (again.alpha is None) == (cover.alpha is None)
    assert apart(raw, stego) == cover.elements.size
    assert cover.encode(cover.elements, suffix=".bmp") == raw


def turned(raw):
    """Return the same image with its rows from top to bottom."""
    start, height = (int.from_bytes(raw[at : at + 4], "little") for at in (10, 22))
    row = (len(raw) - start) // height
    rows = [raw[at : at + row] for at in range(start, len(raw), row)]
    return (
        raw[:22]
        + (-height).to_bytes(4, "little", signed=True)
        + raw[26:start]
        + b"".join(reversed(rows))
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "V5", "turned", "cut"])
def test_issue_16_a_stego_is_read_as_pillow_reads_it_without_its_copy(photo, mode, monkeypatch):
    picture = photo.crop((0, 0, 75, 131))  # more than two bands of rows, each with padding
    makers = {
        "V5": version_5,
        "turned": lambda picture: turned(pillow(picture)),
        "cut": lambda picture: turned(pillow(picture))[:-3],  # the padding of the last row
    }
    raw = makers.get(mode, lambda picture: pillow(picture.convert(mode)))(picture)
    wanted = open_cover(raw).samples
    with Image.open(io.BytesIO(raw)) as image:
        np.testing.assert_array_equal(
            np.asarray(image).reshape(131, 75, -1)[:, :, : wanted.shape[2]], wanted
        )
        image.getpixel((0, 0))
        kind = type(image)
    monkeypatch.setattr(kind, "load", lambda image: pytest.fail("Pillow decodes all of it"))
    np.testing.assert_array_equal(open_cover(raw, "stego").samples, wanted)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_samples_that_overlap_the_header_cannot_be_changed(photo, mode):
    raw = bytearray(pillow(photo.convert(mode)) + bytes(2000))
    raw[10:14] = (int.from_bytes(raw[10:14], "little") - 3).to_bytes(4, "little")
    with pytest.raises(deephide.OutputError, match="rare kind"):
        open_cover(bytes(raw)).check_suffix(".bmp")


def few_grays(photo):
    """A BMP file whose palette has 100 grays only."""
    raw = bytearray(pillow(photo.convert("L").point(lambda value: value * 99 // 255)))
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


def test_what_a_stego_may_be_called(tmp_path, photo, jpegs):
    for name in ("a.bmp", "a.tiff", "a.png"):
        photo.save(tmp_path / name)
    photo.save(tmp_path / "a.webp", lossless=True)
    (tmp_path / "a.jpeg").write_bytes(jpegs.encoded(jpegs.photo(64, 64)))
    found = {path.name: suffixes(path) for path in tmp_path.iterdir()}
    assert found == {
        "a.bmp": (".bmp", ".png"),
        "a.tiff": (".tiff", ".tif", ".png"),
        "a.png": (".png",),
        "a.webp": (".webp", ".png"),
        "a.jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    }
    assert suffixes(photo) == suffixes(tmp_path / "none.bmp") == (".png",)
