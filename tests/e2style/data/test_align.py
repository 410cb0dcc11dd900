"""Faces in photos: where they are, how they are cut out and put back."""

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from files import files_in
from PIL import Image, ImageDraw

from e2style.data import align, detect
from e2style.data.archive import photo
from e2style.errors import CheckpointError, DataError

SHARED = Path(__file__).resolve().parents[4] / "shared"
PORTRAITS = SHARED / "data" / "portraits"
needs_shared = pytest.mark.weights
LANDMARKS = np.array([[40, 50], [64, 50], [52, 60], [43, 77.8], [61, 77.8]], dtype=float)


@pytest.fixture(scope="module")
def detector():
    if not SHARED.is_dir():
        pytest.skip(f"no weights at {SHARED}")
    return detect.load_detector(SHARED / "weights")


def portrait(name):
    return photo((PORTRAITS / name).read_bytes())


def smooth(width, height, seed=0):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def turned(points, degrees, scale=1.0, shift=(0.0, 0.0)):
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    return points @ turn * scale + shift


def test_the_place_turns_and_grows_with_the_face():
    base = align.place(LANDMARKS)
    # Eyes 24 apart, the mouth 27.8 below them: a square of side 100, 2.78 below the eyes.
    assert base.side == pytest.approx(2 * 1.8 * 27.8)
    assert base.centre == pytest.approx([52, 52.78])
    moved = align.place(turned(LANDMARKS, 30, 2.0, (7, 9)))
    assert moved.corners == pytest.approx(turned(base.corners, 30, 2.0, (7, 9)))


def test_a_profile_is_measured_from_eyes_to_mouth():
    narrow = LANDMARKS.copy()
    narrow[:, 0] = 52 + (narrow[:, 0] - 52) * 0.3
    assert align.place(narrow).side == pytest.approx(align.place(LANDMARKS).side)


def test_upright_pixels_are_cut_without_a_change():
    picture = smooth(192, 160)
    place = align.Placement(np.array([96.0, 80.0]), np.array([32.0, 0.0]))
    cut = align.cut(picture, place, 64)
    assert np.array_equal(np.asarray(cut), np.asarray(picture)[48:112, 64:128])


@pytest.mark.parametrize("degrees", [0, 25, -140])
def test_what_is_pasted_back_is_what_was_cut(degrees):
    picture = smooth(320, 256)
    right = turned(np.array([[60.0, 0.0]]), degrees)[0]
    place = align.Placement(np.array([150.0, 120.0]), right)
    same = align.paste(picture, place, align.cut(picture, place, 120))
    off = np.abs(np.asarray(same, int) - np.asarray(picture, int))
    assert off.max() <= 6
    flat = align.paste(picture, place, Image.new("RGB", (120, 120), (255, 0, 0)))
    changed = np.argwhere((np.asarray(flat) != np.asarray(picture)).any(2))
    assert np.hypot(*(changed[:, ::-1] - [149.5, 119.5]).T).max() < 60 * align.OVAL[1]
    assert flat.getpixel((150, 120)) == (255, 0, 0)


def test_beyond_the_edge_the_photo_is_mirrored_and_blurred():
    picture = smooth(200, 200)
    place = align.Placement(np.array([20.0, 100.0]), np.array([64.0, 0.0]))
    cut = np.asarray(align.cut(picture, place, 128), int)
    inside = np.asarray(picture, int)[36:164]
    assert np.array_equal(cut[:, 44 + 45 :], inside[:, 45:84])
    mirrored = inside[:, 1:31][:, ::-1]
    near = np.abs(cut[:, 14:44] - mirrored).mean((0, 2))
    assert near[-1] < near[0]
    outside = np.abs(np.diff(cut[:, :10].astype(int), axis=0)).mean()
    assert outside < np.abs(np.diff(inside, axis=0)).mean() / 2


def test_a_face_outside_of_the_photo_is_refused():
    place = align.Placement(np.array([-500.0, 20.0]), np.array([30.0, 0.0]))
    for act in (
        lambda: align.cut(smooth(64, 64), place, 32),
        lambda: align.paste(smooth(64, 64), place, smooth(32, 32)),
    ):
        with pytest.raises(DataError, match="outside of the image"):
            act()


def test_faces_are_chosen_by_number():
    faces = [detect.Face(np.array([0, 0, n, n]), LANDMARKS, 1.0) for n in (9, 5)]
    assert align.choose(faces) is faces[0]
    assert align.choose(faces, 2) is faces[1]
    with pytest.raises(DataError, match="face 3: only 2 faces were found"):
        align.choose(faces, 3)
    with pytest.raises(DataError, match="no face was found"):
        align.choose([])


def test_only_square_pictures_with_the_eyes_in_place_are_aligned():
    face = detect.Face(np.zeros(4), LANDMARKS - np.array([2, 3]), 1.0)
    assert align.is_aligned(Image.new("RGB", (100, 100)), face)
    assert not align.is_aligned(Image.new("RGB", (100, 120)), face)
    low = dataclasses.replace(face, landmarks=LANDMARKS + np.array([0, 4]))
    assert not align.is_aligned(Image.new("RGB", (100, 100)), low)


def test_overlapping_boxes_give_way_to_better_ones():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [2, 2, 6, 6]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert detect._suppressed(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert detect._suppressed(boxes, scores, 0.5, by_smaller=True).tolist() == [1, 2]
    assert detect._suppressed(boxes[:0], scores[:0], 0.5).tolist() == []


def test_the_detector_that_ships_is_loaded_once_and_missed_by_name(monkeypatch, tmp_path):
    assert detect.load_detector() is detect.load_detector()
    detect._shipped.cache_clear()
    monkeypatch.setattr(detect, "DETECTOR", "absent")
    with pytest.raises(CheckpointError, match=r"face detector of this installation.*absent"):
        detect.load_detector()
    with pytest.raises(CheckpointError, match=r"there is no pnet\.pt"):
        detect.load_detector(tmp_path)
    (tmp_path / "mtcnn_pnet.npz").write_bytes(b"damaged")
    with pytest.raises(CheckpointError):
        detect.load_detector(tmp_path)


@needs_shared
def test_the_detector_that_ships_finds_what_the_original_weights_find(detector):
    for path in files_in(PORTRAITS, "*.jpg")[::13]:
        found, same = (
            each.find(portrait(path.name)) for each in (detector, detect.load_detector())
        )
        assert len(found) == len(same) == 1
        assert np.abs(found[0].landmarks - same[0].landmarks).max() < 0.01


@needs_shared
def test_portraits_are_aligned_and_then_left_alone(detector):
    for path in files_in(PORTRAITS, "*.jpg")[::8]:
        found = align.align(portrait(path.name), detector, 256)
        assert found.faces == 1, path.name
        again = align.align(found.image, detector, 256)
        assert again.placement is None, path.name
        assert again.image is found.image


@needs_shared
def test_faces_that_are_aligned_already_are_left_alone(detector):
    with zipfile.ZipFile(SHARED / "data" / "faces" / "val.zip") as archive:
        for name in archive.namelist()[::60]:
            picture = photo(archive.read(name))
            assert align.align(picture, detector, 256).image is picture, name


@needs_shared
@pytest.mark.parametrize("degrees", [-30, 30])
def test_a_turned_head_comes_out_upright(degrees, detector):
    upright = align.align(portrait("m74.jpg"), detector, 128)
    tilted = portrait("m74.jpg").rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90))
    found = align.align(tilted, detector, 128)
    angle = np.rad2deg(np.arctan2(*found.placement.right[::-1]))
    assert angle == pytest.approx(-degrees, abs=4)
    middle = (slice(40, 100), slice(40, 88))
    a, b = (np.asarray(f.image.convert("L"), float)[middle] for f in (upright, found))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.8


@needs_shared
def test_of_two_faces_the_larger_comes_first(detector):
    both = Image.new("RGB", (900, 600), (120, 120, 120))
    both.paste(portrait("m74.jpg").resize((300, 300)), (20, 250))
    both.paste(portrait("f12.jpg").resize((560, 560)), (330, 20))
    faces = detector.find(both)
    assert len(faces) == 2
    assert faces[0].box[0] > 330 > faces[1].box[2]
    second = align.align(both, detector, 64, 2)
    assert second.faces == 2
    assert second.placement.centre[0] < 330


@needs_shared
def test_a_photo_that_lies_on_its_side_is_turned_by_its_exif_data(detector):
    stored = portrait("f16.jpg").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    data = io.BytesIO()
    stored.save(data, "JPEG", quality=95, exif=exif)
    shown = photo(data.getvalue())
    a = align.align(shown, detector, 128).placement
    b = align.align(portrait("f16.jpg"), detector, 128).placement
    assert a.centre == pytest.approx(b.centre, abs=6)
    assert a.right == pytest.approx(b.right, abs=6)


@needs_shared
@pytest.mark.parametrize("name", ["a02085.webp", "c00375.webp"])
def test_a_head_that_is_turned_away_is_found(name, detector):
    with zipfile.ZipFile(SHARED / "data" / "faces" / "train.zip") as archive:
        face = photo(archive.read(name))
    scene = Image.new("RGB", (500, 400), (110, 120, 130))
    scene.paste(face, (150, 80))
    found = align.align(scene, detector, 256)
    assert found.faces == 1
    # The face was aligned like FFHQ by others, so its middle is known.
    off = found.placement.centre - np.array([150 + 128, 80 + 128])
    assert np.hypot(*off) < 0.08 * 256


@needs_shared
@pytest.mark.parametrize("name", ["m74.jpg", "f12.jpg"])
def test_a_hat_hides_no_face(name, detector):
    bare = portrait(name)
    (left, top), (right, _) = detector.find(bare)[0].landmarks[:2]
    apart = right - left
    hat = bare.copy()
    draw = ImageDraw.Draw(hat)
    brim = top - 0.55 * apart
    draw.ellipse((left - apart, brim - 2.2 * apart, right + apart, brim), fill=(60, 40, 30))
    draw.rectangle(
        (left - 1.4 * apart, brim - 0.6 * apart, right + 1.4 * apart, brim), fill=(40,) * 3
    )
    one, other = (align.align(picture, detector, 256).placement for picture in (bare, hat))
    assert np.hypot(*(one.centre - other.centre)) < 0.1 * np.hypot(*one.right)
    assert np.hypot(*other.right) == pytest.approx(np.hypot(*one.right), rel=0.06)


@needs_shared
def test_pictures_without_a_face_have_none(detector):
    import skimage.data

    rng = np.random.default_rng(3)
    noise = Image.fromarray(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8))
    photos = Path(skimage.data.__file__).parent
    for picture in (noise, smooth(320, 240), photo((photos / "coffee.png").read_bytes())):
        with pytest.raises(DataError, match="no face was found"):
            align.align(picture, detector, 64)
    assert detector.find(Image.new("RGB", (5, 3))) == []
