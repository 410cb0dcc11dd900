"""Face of a secret: the part that is hidden, and the decision whether it is one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide import inference, models
from deephide.codecs import faces
from deephide.errors import CheckpointError, InputImageError
from e2style.data import align, detect

SHARED = Path(__file__).parents[4] / "shared"
FACES = Path(__file__).parents[3] / "benchmarks" / "demo_faces"


@pytest.fixture
def no_detector(monkeypatch):
    detect._shipped.cache_clear()
    monkeypatch.setattr(detect, "DETECTOR", "absent.safetensors")
    yield
    detect._shipped.cache_clear()


@pytest.fixture
def portrait():
    if not SHARED.is_dir():
        pytest.skip(f"no portraits at {SHARED}")
    return Image.open(SHARED / "data" / "portraits" / "m74.jpg").convert("RGB")


@pytest.mark.usefixtures("no_detector")
def test_without_a_detector_the_middle_travels_and_a_wish_is_refused(face, caplog):
    wide = face.resize((200, 100))
    found = faces.of_secret(wide, "auto", 64)
    assert found.image.size == (100, 100) and found.placement is None
    assert "only the central 100 x 100 travel" in found.clause
    assert "install deephide again" in caplog.text
    whole = faces.of_secret(face, "auto", 64)
    assert (whole.image, whole.clause) == (face, "")
    with pytest.raises(CheckpointError, match="cannot be looked for") as caught:
        faces.of_secret(wide, "largest", 64)
    assert "install deephide again" in caught.value.hint
    assert faces.of_secret(wide, None, 64).image.tobytes() == found.image.tobytes()
    caplog.clear()
    assert faces.subject(wide, 64) is None
    assert "cannot be looked for" in caplog.text and "install deephide again" in caplog.text


def placed(*where):
    """Places of faces in an image, each given by its centre and its side."""
    return [
        align.Placement(np.array([x, y], float), np.array([side / 2, 0.0])) for x, y, side in where
    ]


@pytest.mark.parametrize(
    ("where", "about_it"),
    [
        ([(500, 400, 600)], True),
        ([(480, 210, 420)], True),  # a head high in the frame
        ([(480, 300, 280)], True),
        ([(480, 300, 260)], False),  # too small
        ([(520, 640, 340)], True),
        ([(520, 700, 340)], False),  # too low
        ([(190, 400, 300)], False),  # at the edge
        ([(820, 400, 300)], False),
        ([(580, 80, 340)], False),  # cut off by the edge
        ([(500, 400, 500), (100, 600, 240)], True),  # somebody in the background
        ([(500, 400, 500), (800, 400, 260)], False),  # two people
    ],
)
def test_what_an_image_is_about(where, about_it):
    assert faces._is_subject(Image.new("RGB", (1000, 1000)), placed(*where)) is about_it
    wide, shifted = Image.new("RGB", (2000, 1000)), [(x + 500, y, side) for x, y, side in where]
    expected = about_it or (len(where) == 1 and where[0][0] in (190, 820))
    assert faces._is_subject(wide, placed(*shifted)) is expected


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


def test_a_model_of_faces_asks_whether_there_is_one(square, photo, model):
    model.accept_face = True
    face = Image.open(FACES / "face1.png").convert("RGB")
    first = next(faces.criteria(model, face, face, None))
    assert (first.name, first.passed) == ("face", True)
    small = Image.new("RGB", (256, 256), "gray")
    small.paste(face.resize((96, 96)), (20, 20))
    for empty in (square, small):
        first = next(faces.criteria(model, empty, empty, None))
        assert (first.name, first.passed) == ("face", False) and "that fills it" in first.reason
    result = deephide.embed(square, photo, model=model)
    assert result.codec == "image" and "no face was found" in result.reason


@pytest.mark.usefixtures("no_detector")
def test_without_a_detector_a_model_of_faces_does_not_ask(square, model, caplog):
    model.accept_face = True
    code = inference.invert(model, square)
    assert faces.failed_criterion(model, square, code) is None
    assert "cannot be looked for" in caplog.text


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
def test_the_face_of_a_photo_is_cut_out(portrait):
    cut = faces.of_secret(portrait, "largest", 96)
    found, clause = cut.image, cut.clause
    assert found.size == (96, 96)
    assert "only the face travels, cut to 5" in clause
    again = faces.of_secret(found, "auto", 96)
    assert (again.image, again.clause) == (found, "")
    with pytest.raises(InputImageError, match="face 2: only one face was found"):
        faces.of_secret(portrait, 2, 96)
    with pytest.raises(InputImageError, match="the face in the secret is too small"):
        faces.of_secret(portrait.resize((110, 110)), 1, 96)


@pytest.fixture(scope="module")
def scene():
    """A head and shoulders of a generated person in a wide image."""
    person = Image.open(FACES / "face1.png").convert("RGB")
    scene = person.resize((8, 8)).resize((480, 400), Image.Resampling.BICUBIC)
    scene.paste(person.resize((200, 200), Image.Resampling.LANCZOS), (150, 70))
    return scene


@pytest.fixture(scope="module")
def real_model():
    return models.load_model(None)


def test_a_face_is_cut_out_of_an_image_that_is_about_it(scene):
    cut = faces.subject(scene, 256)
    assert cut.image.size == (256, 256)
    assert abs(cut.placement.centre - (250, 170)).max() < 12
    assert abs(cut.placement.side - 200) < 20
    assert "only the face travels" in cut.clause and "--face none" in cut.clause
    aligned = Image.open(FACES / "face1.png").convert("RGB")
    assert faces.subject(aligned, 256) is None
    assert faces.subject(Image.new("RGB", (300, 300)), 256) is None
    assert faces.subject(scene.resize((60, 50)), 256) is None
    two = Image.new("RGB", (960, 400))
    two.paste(scene, (0, 0))
    two.paste(scene, (480, 0))
    assert faces.subject(two, 256) is None


@pytest.mark.usefixtures("cheap_kdf")
def test_codec_auto_hides_the_face_of_a_portrait_unless_the_whole_is_wanted(
    scene, real_model, make_texture
):
    carrier = Image.fromarray(make_texture(256, 256, 3))
    found = deephide.embed(scene, carrier, "p", model=real_model, budget=700)
    assert (found.codec, found.cut_out) == ("latent", True)
    assert "only the face travels" in found.reason
    shown = deephide.extract(found.stego, "p", model=real_model).image
    assert shown.size == (256, 256)
    whole = deephide.embed(scene, carrier, "p", model=real_model, budget=700, face=None)
    assert (whole.codec, whole.cut_out) == ("image", False)
    assert deephide.extract(whole.stego, "p", model=real_model).image.size == scene.size


@pytest.mark.weights
@pytest.mark.usefixtures("cheap_kdf")
def test_codec_auto_takes_a_part_of_the_secret_only_when_it_is_meant(portrait, model, photo, face):
    wide = portrait.crop((0, 0, 1024, 800))
    whole = deephide.embed(wide, photo, "p", model=model, budget=900, face=None)
    assert whole.codec == "image"
    assert "is not square" in whole.reason
    found = deephide.embed(wide, photo, "p", model=model, codec="latent")
    assert "only the face travels" in found.reason
    with pytest.raises(InputImageError, match="no face was found"):
        deephide.embed(face, photo, "p", model=model, face="largest")
    assert deephide.embed(face, photo, "p", model=model, codec="latent").codec == "latent"
