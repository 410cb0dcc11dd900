"""Face of a secret: the part that is hidden, and the decision whether it is one."""

from pathlib import Path

import pytest
from PIL import Image

import deephide
from deephide import inference, models
from deephide.codecs import faces
from deephide.errors import CheckpointError, InputImageError
from e2style.data import detect

SHARED = Path(__file__).parents[4] / "shared"


@pytest.fixture
def no_detector(monkeypatch):
    monkeypatch.delenv("DEEPHIDE_MODEL_DIR", raising=False)
    monkeypatch.setattr(detect, "PACKAGE", "a_package_that_nobody_has")


@pytest.fixture
def detector(monkeypatch):
    if not SHARED.is_dir():
        pytest.skip(f"no weights at {SHARED}")
    monkeypatch.setenv("DEEPHIDE_MODEL_DIR", str(SHARED / "weights"))


@pytest.fixture
def portrait():
    return Image.open(SHARED / "data" / "portraits" / "m74.jpg").convert("RGB")


@pytest.mark.usefixtures("no_detector")
def test_without_a_detector_the_middle_travels_and_a_wish_is_refused(face):
    wide = face.resize((200, 100))
    square, clause = faces.of_secret(wide, "auto", 64)
    assert square.size == (100, 100)
    assert "only the central 100 x 100 travel" in clause
    assert faces.of_secret(face, "auto", 64) == (face, "")
    with pytest.raises(CheckpointError, match="cannot be looked for") as caught:
        faces.of_secret(wide, "largest", 64)
    assert "deephide[align]" in caught.value.hint
    assert faces.of_secret(wide, None, 64)[0].tobytes() == square.tobytes()


@pytest.mark.parametrize("face", [0, -1, "2", "all", True, 1.0])
def test_other_choices_of_a_face_are_refused(face, photo, model):
    with pytest.raises(ValueError, match="face: got"):
        deephide.embed(photo, photo, model=model, face=face)


@pytest.fixture
def square(face):
    return face.resize((64, 64))


def test_every_criterion_states_its_value_and_limit(square, model):
    code = inference.invert(model, square)
    integers = models.round_code(model.quantizer, code)
    shown = inference.generate(model, models.dequantise(model, integers))
    found = list(faces.criteria(model, square, shown, integers))
    assert [each.name for each in found] == ["agreement", "likeness", "bits", "identity"]
    assert all(each.passed for each in found)
    assert found[0].value == models.agreement(square, shown) >= found[0].limit == 24.0
    assert found[1].value == models.likeness(square, shown) >= found[1].limit == 0.4
    assert 0 < found[2].value <= found[2].limit == float("inf")
    assert faces.failed_criterion(model, square, code) is None
    assert faces.failed_criterion(model, square, code, shown) is None


@pytest.mark.parametrize(
    ("attribute", "limit", "name", "words"),
    [
        ("accept_psnr", 99.0, "agreement", "dB, at least 99.0 dB are expected"),
        ("accept_likeness", 1.5, "likeness", "its edges agree to"),
        ("accept_bits", 1.0, "bits", "bits, at most 1 are expected"),
    ],
)
def test_the_criterion_that_fails_says_why(square, model, attribute, limit, name, words):
    setattr(model, attribute, limit)
    failed = faces.failed_criterion(model, square, inference.invert(model, square))
    assert failed.name == name and failed.limit == limit and not failed.passed
    assert words in failed.reason


def test_the_recogniser_has_the_last_word(square, model, monkeypatch):
    monkeypatch.setattr(models, "similarity", lambda *_: 0.25)
    failed = faces.failed_criterion(model, square, inference.invert(model, square))
    assert failed.name == "identity" and failed.value == 0.25 < failed.limit
    assert "somebody else" in failed.reason
    assert not faces.shows_same_person(square, square)
    model.accept_psnr = 99.0
    monkeypatch.setattr(models, "similarity", lambda *_: pytest.fail("measured in vain"))
    code = inference.invert(model, square)
    assert faces.failed_criterion(model, square, code).name == "agreement"


def test_a_shape_is_judged_before_any_model(square):
    assert faces.unfit_shape(square, whole=True) is None
    small = faces.unfit_shape(square.resize((63, 80)), whole=True)
    assert (small.name, small.value, small.limit) == ("size", 63, 64)
    wide = faces.unfit_shape(square.resize((120, 100)), whole=True)
    assert (wide.name, wide.value, wide.limit) == ("aspect", 1.2, 1.1)
    assert faces.unfit_shape(square.resize((120, 100)), whole=False) is None


@pytest.mark.weights
@pytest.mark.usefixtures("detector")
def test_the_face_of_a_photo_is_cut_out(portrait):
    found, clause = faces.of_secret(portrait, "largest", 96)
    assert found.size == (96, 96)
    assert "only the face travels, cut to 5" in clause
    assert faces.of_secret(found, "auto", 96) == (found, "")
    with pytest.raises(InputImageError, match="face 2: only one face was found"):
        faces.of_secret(portrait, 2, 96)
    with pytest.raises(InputImageError, match="the face in the secret is too small"):
        faces.of_secret(portrait.resize((110, 110)), 1, 96)


@pytest.mark.weights
@pytest.mark.usefixtures("detector", "cheap_kdf")
def test_codec_auto_takes_a_part_of_the_secret_only_when_asked(portrait, model, photo, face):
    wide = portrait.crop((0, 0, 1024, 800))
    whole = deephide.embed(wide, photo, "p", model=model, budget=900)
    assert whole.codec == "image"
    assert "is not square" in whole.reason
    found = deephide.embed(wide, photo, "p", model=model, codec="latent")
    assert "only the face travels" in found.reason
    with pytest.raises(InputImageError, match="no face was found"):
        deephide.embed(face, photo, "p", model=model, face="largest")
    assert deephide.embed(face, photo, "p", model=model, codec="latent").codec == "latent"
