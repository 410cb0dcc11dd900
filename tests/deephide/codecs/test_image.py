import io

import numpy as np
import pytest
from PIL import Image, features

import deephide
from deephide import models
from deephide.codecs import base
from deephide.codecs import image as image_codec
from deephide.formats import still as bitstreams

pytestmark = pytest.mark.usefixtures("cheap_kdf")
KINDS = [bitstreams.WEBP, bitstreams.WEBP_LOSSLESS]
if features.check("avif"):
    KINDS.append(bitstreams.AVIF)


def file_of(kind, picture):
    buffer = io.BytesIO()
    if kind == bitstreams.AVIF:
        picture.save(buffer, "AVIF", quality=30, speed=9, max_threads=1)
    else:
        picture.save(buffer, "WEBP", quality=30, lossless=kind == bitstreams.WEBP_LOSSLESS)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (17, 40), (96, 64), (255, 3)])
def test_files_are_rebuilt_bit_for_bit(kind, size, face):
    file = file_of(kind, face.resize(size))
    data = bitstreams.strip(kind, file)
    assert len(data) <= len(file) - 24
    assert bitstreams.build(kind, *size, data) == file


@pytest.mark.parametrize("kind", KINDS)
def test_other_sizes_than_stated_are_refused_before_decoding(kind, face):
    data = bitstreams.strip(kind, file_of(kind, face.resize((40, 30))))
    parameters = bytes([kind]) + b"".join(n.to_bytes(2, "little") for n in (80, 60, 40)) + b"\0"
    assert image_codec.expand(parameters, data).size == (80, 60)
    if kind == bitstreams.AVIF:
        with pytest.raises(bitstreams.BitstreamError, match="another size than stated"):
            bitstreams.build(kind, 41, 30, data)
    for change in ((1, 0), (2, 255), (4, 255), (5, 0), (6, 255), (7, 1)):
        bad = bytearray(parameters)
        bad[change[0]] = change[1]
        if bytes(bad) == parameters:
            continue
        with pytest.raises(image_codec.ImageFormatError):
            image_codec.expand(bytes(bad), b"" if change[0] == 2 else data)
    for damaged in (b"", data[: len(data) // 2], bytes(40)):
        with pytest.raises(image_codec.ImageFormatError):
            image_codec.expand(parameters, damaged)


@pytest.mark.skipif(bitstreams.AVIF not in KINDS, reason="this Pillow has no AVIF")
def test_an_avif_frame_cannot_be_larger_than_its_sequence_header_says():
    with pytest.raises(bitstreams.BitstreamError, match="not that of a still picture"):
        bitstreams.build(bitstreams.AVIF, 8, 8, b"\x04\x00\x00\x00\x00\x01")
    with pytest.raises(bitstreams.BitstreamError, match="another length"):
        bitstreams.build(bitstreams.AVIF, 8, 8, bytes([200]) + bytes(300))


@pytest.mark.parametrize("avif", [False, None])
def test_pictures_keep_to_their_budget_and_more_bytes_look_better(make_texture, avif):
    y, x = np.mgrid[0:150, 0:200] / 30
    smooth = 128 + 90 * np.stack((np.sin(x), np.cos(y), np.sin(x + y)), axis=2)
    picture = Image.fromarray((smooth + make_texture(150, 200, 3) % 9).clip(0, 255).astype("u1"))
    found = [image_codec.squeeze(picture, budget, avif=avif) for budget in (70, 300, 1500)]
    for squeezed, budget in zip(found, (70, 300, 1500), strict=True):
        assert len(squeezed.payload) <= budget and squeezed.preview.size == (200, 150)
        again = image_codec.expand(squeezed.parameters, squeezed.payload)
        assert again.tobytes() == squeezed.preview.tobytes()
        error = np.mean(np.square(np.asarray(again, int) - np.asarray(picture, int)))
        assert squeezed.psnr == pytest.approx(10 * np.log10(255**2 / error))
        assert squeezed.parameters == image_codec.squeeze(picture, budget, avif=avif).parameters
    assert found[0].psnr < found[1].psnr < found[2].psnr
    assert image_codec.squeeze(picture, 10, avif=avif) is None


@pytest.mark.parametrize("kind", KINDS)
def test_long_bitstreams_are_refused_before_decoding(kind, face, monkeypatch):
    """A lossless WebP of some hundred kilobytes can claim hundreds of megabytes of tables."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("decoded"))
    parameters = bytes([kind]) + b"".join(n.to_bytes(2, "little") for n in (9, 9, 9)) + b"\0"
    with pytest.raises(image_codec.ImageFormatError, match="more than 65,536"):
        image_codec.expand(parameters, bytes(image_codec.MAX_PAYLOAD + 1))


def test_no_budget_makes_a_picture_longer_than_receivers_take(make_texture, monkeypatch):
    monkeypatch.setattr(image_codec, "MAX_PAYLOAD", 1000)
    noise = Image.fromarray(make_texture(200, 200, 3))
    assert len(image_codec.squeeze(noise, 10**6, avif=False).payload) <= 1000


def test_a_drawing_that_fits_travels_without_loss():
    drawing = Image.new("RGB", (300, 200), "white")
    drawing.paste((200, 10, 10), (40, 50, 200, 90))
    squeezed = image_codec.squeeze(drawing, 200)
    assert squeezed.preview.tobytes() == drawing.tobytes() and squeezed.psnr == float("inf")


def test_large_secrets_are_shown_smaller():
    squeezed = image_codec.squeeze(
        Image.linear_gradient("L").convert("RGB").resize((2000, 500)), 300
    )
    assert squeezed.preview.size == (1024, 256)


def test_the_budget_counts_and_too_small_a_one_is_refused(face, photo):
    result = deephide.embed(face, photo, "p", codec="image", budget=80)
    assert result.payload_bits <= 8 * (54 + 80)
    with pytest.raises(deephide.CapacityError, match="no image fits in 12 bytes"):
        deephide.embed(face, photo, "p", codec="image", budget=12)
    with pytest.raises(ValueError, match="budget: got 0"):
        deephide.embed(face, photo, "p", codec="image", budget=0)


def test_a_receiver_without_a_decoder_says_so(face, monkeypatch):
    squeezed = image_codec.squeeze(face, 200)
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(deephide.FormatVersionError, match="cannot decode"):
        base.decode(2, squeezed.parameters, squeezed.payload, models.LazyModel(None))
    with pytest.raises(deephide.FormatVersionError, match="image format 9"):
        base.decode(2, b"\x09" + squeezed.parameters[1:], b"", models.LazyModel(None))
