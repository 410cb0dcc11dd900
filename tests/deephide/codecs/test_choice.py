import pytest
from PIL import Image

import deephide
from deephide import models
from deephide.codecs import base, latent

pytestmark = pytest.mark.usefixtures("cheap_kdf")


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
    result = deephide.embed(face, photo, "p", model, budget=174)
    assert result.codec == "image" and result.payload_bits <= 8 * 174
    assert "the face's code takes 221 bytes, and 174 are safe here or allowed" in result.reason
    result = deephide.embed(face, photo, "p", model, budget=221)
    assert result.codec == "latent" and result.payload_bits == 8 * 221
    assert "in 221 bytes" in result.reason
    assert deephide.embed(face, photo, "p", model).codec == "latent"
    # Where no picture is smaller than the code, the code goes.
    assert deephide.embed(face, photo.crop((0, 0, 60, 96)), "p", model).codec == "latent"
    monkeypatch.setattr(latent, "compress", lambda *_: bytes(999))
    result = deephide.embed(face, photo, "p", model)
    room = deephide.capacity(photo).safe_bytes
    assert result.codec == "image" and result.payload_bits <= result.safe_bits
    assert f"takes 1053 bytes, and {room} are safe here" in result.reason


def test_of_a_secret_that_is_no_image_the_hint_says_how_files_are_hidden(photo, model):
    with pytest.raises(deephide.InputImageError, match="not an image") as caught:
        deephide.embed(b"meet me at the usual place", photo, "p", model)
    assert "--codec file" in caught.value.hint


@pytest.mark.parametrize("codec", ["auto", "latent", "image"])
def test_a_budget_binds_whatever_travels(face, photo, model, codec):
    for budget in (12, 60):
        with pytest.raises(deephide.CapacityError) as caught:
            deephide.embed(face, photo, "p", model, codec=codec, budget=budget)
        assert caught.value.capacity_bits == 8 * budget < caught.value.needed_bits


@pytest.mark.parametrize("padded", [False, True])
def test_a_budget_counts_everything_that_is_hidden(face, photo, model, padded):
    for codec in ("auto", "latent", "image"):
        for budget in (150, 240, 400):
            try:
                result = deephide.embed(
                    face, photo, "p", model, codec=codec, budget=budget, pad=padded
                )
            except deephide.CapacityError as error:
                assert codec == "latent" and error.needed_bits > 8 * budget
            else:
                assert result.payload_bits <= 8 * budget


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


@pytest.mark.parametrize(("number", "parameters"), [(2, bytes(8)), (3, b"\x09" + bytes(7))])
def test_bad_payloads_get_the_one_error(number, parameters):
    with pytest.raises(deephide.ExtractionError):
        base.decode(number, parameters, b"", models.LazyModel(None))
