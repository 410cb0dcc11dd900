import io

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

import deephide
from deephide import inference, models
from deephide.codecs import base
from deephide.codecs import file as file_codec
from deephide.codecs import image as image_codec
from deephide.codecs import latent as latent_codec
from deephide.codecs import paper as paper_codec
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


@given(st.binary(max_size=2000))
@settings(max_examples=50, deadline=None)
def test_bytes_come_back_and_a_changed_parameter_never_passes(data):
    parameters, payload = file_codec.compress(data)
    assert file_codec.decompress(parameters, payload) == data and len(payload) <= len(data)
    for place in range(8):
        bad = bytearray(parameters)
        bad[place] ^= 1
        with pytest.raises(file_codec.FileFormatError):
            file_codec.decompress(bytes(bad), payload)


@given(st.binary(max_size=300), st.integers(0, 2**26))
@settings(max_examples=100, deadline=None)
def test_hostile_frames_end_in_one_error_or_the_declared_size(payload, size):
    try:
        found = file_codec.decompress(b"\x01" + size.to_bytes(4, "little") + bytes(3), payload)
    except file_codec.FileFormatError:
        return
    assert len(found) == size


def test_a_bomb_is_cut_off_at_the_declared_size():
    many = 1 << 28
    maker = zstandard.ZstdCompressionParameters.from_level(
        3, format=zstandard.FORMAT_ZSTD1_MAGICLESS, window_log=20, write_content_size=False
    )
    bomb = zstandard.ZstdCompressor(compression_params=maker).compress(bytes(many))
    for size in (100, file_codec.MAX_FILE_BYTES):
        with pytest.raises(file_codec.FileFormatError):
            file_codec.decompress(b"\x01" + size.to_bytes(4, "little") + bytes(3), bomb)
    with pytest.raises(file_codec.FileFormatError, match="too large"):
        file_codec.decompress(b"\x01" + many.to_bytes(4, "little") + bytes(3), bomb)
    with pytest.raises(ValueError, match=r"allowed 0\.\."):
        file_codec.compress(bytes(file_codec.MAX_FILE_BYTES + 1))


def test_files_that_cannot_fit_are_refused_before_they_are_packed(photo, monkeypatch):
    noise = np.random.default_rng(0).bytes(1 << 21)
    monkeypatch.setattr(file_codec, "compress", lambda _: pytest.fail("packed"))
    with pytest.raises(deephide.CapacityError, match="the file of 2097152 bytes is too long"):
        deephide.embed(noise, photo, "p", codec="file")
    # What shrinks a lot, or repeats far back, still has its chance.
    assert not file_codec.is_hopeless(bytes(1 << 24), 2000)
    assert not file_codec.is_hopeless(noise * 8, 600_000)


def test_paper_bits_are_those_of_algorithm_1():
    integers = np.array([[5, -255, 0, 255] * 128] * 2, np.int32)
    bits = "".join(f"{int(v < 0)}{abs(v):08b}" for v in integers.ravel())
    expected = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    assert paper_codec.pack(integers) == expected
    assert np.array_equal(paper_codec.unpack(expected, 2), integers)
    with pytest.raises(paper_codec.PaperFormatError, match="a zero has a sign"):
        paper_codec.unpack(b"\x80" + bytes(2 * 576 - 1), 2)
    with pytest.raises(paper_codec.PaperFormatError, match="not as many"):
        paper_codec.unpack(expected, 3)


def test_paper_rounding():
    code = np.array([[-1.5, -0.5, 0.5, 1.5, 255.4, -255.4]], np.float32)
    assert paper_codec.round_code(code).tolist() == [[-2, 0, 0, 2, 255, -255]]
    assert paper_codec.round_code(code[:, :5], "floor").tolist() == [[-2, -1, 0, 1, 255]]
    for bad in (code[:, 5:], np.array([[np.nan]], np.float32)):
        with pytest.raises(ValueError, match="nine bits hold"):
            paper_codec.round_code(bad, "floor")


@pytest.mark.parametrize("rounding", ["nearest", "floor"])
def test_the_paper_codec_end_to_end(face, model, make_texture, rounding):
    model.quantizer = None
    carrier = Image.fromarray(make_texture(250, 300, 3))
    result = deephide.embed(face, carrier, "p", model, codec="paper", rounding=rounding)
    assert result.payload_bits == 8 * (46 + 2 * 576)
    found = deephide.extract(result.stego, "p", model)
    assert found.info.codec == "paper"
    assert found.image.tobytes() == result.preview.tobytes()
    whole = np.floor if rounding == "floor" else np.rint
    code = inference.invert(model, face.resize((64, 64)))
    assert result.integers.shape == code.shape and np.abs(whole(code) - result.integers).max() <= 1


def test_codes_beyond_nine_bits_are_refused_by_the_sender(face, photo, model, monkeypatch):
    monkeypatch.setattr(inference, "invert", lambda *_: np.full((2, 512), 256.0, np.float32))
    with pytest.raises(deephide.InputImageError, match="the code holds 256"):
        deephide.embed(face, photo, "p", model, codec="paper")


def test_auto_crops_no_picture_that_is_not_square(face, photo, model, caplog):
    wide = face.resize((150, 100))
    result = deephide.embed(wide, photo, "p", model)
    assert result.codec == "image" and result.preview.size == (150, 100)
    assert "is not square (150 x 100)" in result.reason
    assert not any("central" in note for note in caplog.messages)
    for codec in ("latent", "paper"):
        carrier = photo.resize((400, 400)) if codec == "paper" else photo
        result = deephide.embed(wide, carrier, "p", model, codec=codec)
        assert "of the secret's 150 x 100 pixels only the central 100 x 100" in result.reason
        assert any("only its central 100 x 100 pixels" in note for note in caplog.messages)
    result = deephide.embed(face.resize((105, 100)), photo, "p", model)
    assert result.codec == "latent" and "only the central 100 x 100" in result.reason


def test_auto_sends_a_picture_where_a_face_cannot_travel(face, photo, model):
    small = deephide.embed(face.resize((63, 63)), photo, "p", model)
    assert small.codec == "image" and "only 63 x 63 pixels" in small.reason
    model.quantizer = None
    result = deephide.embed(face, photo, "p", model)
    assert result.codec == "image" and "the model fake has no quantizer" in result.reason
    for secret, error in (
        (face, deephide.CheckpointError),
        (small.preview, deephide.InputImageError),
    ):
        with pytest.raises(error):
            deephide.embed(secret, photo, "p", model, codec="latent")


def test_auto_sends_a_picture_where_the_code_of_a_face_is_not_safe(face, photo, model, monkeypatch):
    result = deephide.embed(face, photo, "p", model, budget=120)
    assert result.codec == "image" and result.payload_bits <= 8 * (46 + 120)
    assert "the face's code takes 167 bytes, and 120 are safe here or allowed" in result.reason
    assert deephide.embed(face, photo, "p", model, budget=167).codec == "latent"
    assert deephide.embed(face, photo, "p", model).codec == "latent"
    # Where no picture is smaller than the code, the code goes.
    assert deephide.embed(face, photo, "p", model, budget=12).codec == "latent"
    assert deephide.embed(face, photo.crop((0, 0, 60, 96)), "p", model).codec == "latent"
    monkeypatch.setattr(latent_codec, "compress", lambda *_: bytes(999))
    result = deephide.embed(face, photo, "p", model)
    room = deephide.capacity(photo).fit.file_bytes
    assert result.codec == "image" and result.payload_bits <= result.safe_bits
    assert f"takes 999 bytes, and {room} are safe here" in result.reason


def test_image_and_file_need_no_model_on_either_side(face, photo, tmp_path):
    absent = tmp_path / "absent.safetensors"
    for codec, secret in (("image", face), ("file", b"some bytes")):
        result = deephide.embed(secret, photo, "p", absent, codec=codec)
        found = deephide.extract(result.stego, "p", absent)
        assert found.info.codec == codec and found.info.model is None
        if codec == "image":
            assert found.image.tobytes() == result.preview.tobytes() and found.data is None
        else:
            assert found.data == b"some bytes" and found.image is None and result.preview is None


def test_the_budget_counts_and_too_small_a_one_is_refused(face, photo):
    result = deephide.embed(face, photo, "p", codec="image", budget=80)
    assert result.payload_bits <= 8 * (46 + 80)
    with pytest.raises(deephide.CapacityError, match="no picture fits in 12 bytes"):
        deephide.embed(face, photo, "p", codec="image", budget=12)
    with pytest.raises(ValueError, match="budget: got 0"):
        deephide.embed(face, photo, "p", codec="image", budget=0)


def test_files_are_written_as_they_were(tmp_path, photo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo.save("photo.png")
    (tmp_path / "notes.jpg").write_bytes(b"no picture at all")
    deephide.embed_file("notes.jpg", "photo.png", "stego.png", "p", codec="file")
    assert str(deephide.extract_file("stego.png", None, "p").path) == "secret.bin"
    deephide.extract_file("stego.png", "copy.jpg", "p")
    assert (tmp_path / "copy.jpg").read_bytes() == b"no picture at all"
    with pytest.raises(deephide.OutputError):
        deephide.extract_file("stego.png", "copy.jpg", "p")


def test_a_dry_run_writes_the_preview_alone(tmp_path, face, photo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo.save("photo.png")
    result = deephide.embed_file(
        face, "photo.png", "stego.png", "p", codec="image", preview="seen.png", dry_run=True
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "seen.png"]
    with Image.open("seen.png") as seen:
        assert seen.tobytes() == result.preview.tobytes()
    # What stands in the way of writing does not stand in the way of asking.
    deephide.embed_file(b"x", "photo.png", "photo.png", "p", codec="file", dry_run=True)
    with pytest.raises(ValueError, match="a file has none"):
        deephide.embed_file(b"x", "photo.png", "s.png", "p", codec="file", preview="p.png")


def test_more_than_is_safe_earns_a_warning(photo):
    result = deephide.embed(bytes(range(256)), photo, "p", codec="file")
    assert result.payload_bits > result.safe_bits
    assert any("more than the" in note for note in result.warnings)


def test_a_receiver_without_a_decoder_says_so(face, monkeypatch):
    squeezed = image_codec.squeeze(face, 200)
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(deephide.FormatVersionError, match="cannot decode"):
        base.decode(2, squeezed.parameters, squeezed.payload, models.LazyModel(None))
    with pytest.raises(deephide.FormatVersionError, match="picture format 9"):
        base.decode(2, b"\x09" + squeezed.parameters[1:], b"", models.LazyModel(None))


@pytest.mark.parametrize(("number", "parameters"), [(2, bytes(8)), (3, b"\x09" + bytes(7))])
def test_bad_payloads_get_the_one_error(number, parameters):
    with pytest.raises(deephide.ExtractionError):
        base.decode(number, parameters, b"", models.LazyModel(None))
