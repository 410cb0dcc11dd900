"""`e2style align`: the pattern of inputs and outputs, with a detector that knows the answer."""

import json
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.e2style_app import app
from e2style.data import detect

EYES_AND_MOUTH = np.array([[38, 47], [62, 47], [50, 60], [41, 74.8], [59, 74.8]], dtype=float)


class Knowing:
    """Finds a face in the middle of any image that is not black, and a second one on request."""

    faces = 1

    def find(self, photo):
        if np.asarray(photo).max() == 0:
            return []
        shift = (np.array(photo.size) - 100) / 2
        box = np.array([30, 30, 70, 90]) + np.tile(shift, 2)
        return [detect.Face(box, EYES_AND_MOUTH + shift, 1.0)] * self.faces


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(detect, "load_detector", Knowing)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    (tmp_path / "photos" / "inner").mkdir(parents=True)
    for name in ("a.png", "inner/b.png"):
        pixels = rng.integers(1, 256, (140, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    Image.new("RGB", (150, 150)).save(tmp_path / "photos" / "nobody.png")
    return tmp_path


def _run(*arguments):
    return CliRunner().invoke(app, ["align", *map(str, arguments)])


def _picture(path):
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_one_photo_gives_one_file(place):
    done = _run("photos/a.png", "-o", "face.png", "--size", 100)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == "face.png"
    photo = np.asarray(_picture("photos/a.png"))
    cut = np.asarray(_picture("face.png"))
    assert cut.shape == (100, 100, 3)
    assert np.abs(cut.astype(int) - photo[20:120, 30:130]).mean() < 20
    assert _run("photos/a.png", "-o", "face.png").exit_code == 8
    assert _run("photos/a.png", "-o", "face.jpg").exit_code == 8
    assert _run("photos/a.png", "-o", "photos/a.png", "--force").exit_code == 8
    assert _run("photos/nobody.png", "-o", "none.png").exit_code == 3
    assert _run("photos/missing.png", "-o", "none.png").exit_code == 3
    assert not (place / "none.png").exists()


def test_a_folder_gives_a_folder_and_goes_on_where_it_stopped(place):
    done = _run("photos", "-o", "faces", "--json")
    fields = json.loads(done.stdout)
    assert done.exit_code == 0
    assert fields["written"] == 2
    assert fields["skipped"] == ["nobody.png"]
    (place / "faces" / "a.png").write_bytes(b"kept")
    (place / "faces" / "inner" / "b.png").unlink()
    fields = json.loads(_run("photos", "-o", "faces", "--json").stdout)
    assert (fields["written"], fields["there"]) == (1, 1)
    assert (place / "faces" / "a.png").read_bytes() == b"kept"
    assert json.loads(_run("photos", "-o", "faces", "--json", "--force").stdout)["written"] == 2
    assert (place / "faces" / "a.png").read_bytes() != b"kept"


@pytest.mark.parametrize("output", ["faces.zip", "faces.png", "FACES.PNG"])
def test_a_folder_is_not_named_like_a_file(place, output):
    done = _run("photos", "-o", output)
    assert done.exit_code == 8
    assert "would be a folder with the name of a file" in done.stderr
    assert not (place / output).exists()
    (place / output).mkdir()
    assert _run("photos", "-o", output).exit_code == 0


def test_a_zip_cannot_write_outside_of_the_folder(place):
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write("photos/a.png", "x.png")
        archive.write("photos/a.png", "x.webp")
    twice = _run("photos.zip", "-o", "faces")
    assert twice.exit_code == 8
    assert "would both become" in twice.stderr
    with zipfile.ZipFile("evil.zip", "w") as archive:
        archive.write("photos/a.png", "../../x.png")
    assert _run("evil.zip", "-o", "faces").exit_code == 8
    assert not (place.parent / "x.png").exists()


def test_aligned_pictures_are_left_alone_and_several_faces_are_said(place, monkeypatch):
    Image.new("RGB", (100, 100), (9, 9, 9)).save("aligned.png")
    done = _run("aligned.png", "-o", "same.png")
    assert "aligned already and left alone: aligned.png" in done.stderr
    assert _picture("same.png").size == (100, 100)
    monkeypatch.setattr(Knowing, "faces", 2)
    assert "shows 2 faces" in _run("photos/a.png", "-o", "one.png").stderr
    assert "shows" not in _run("photos/a.png", "--face", 2, "-o", "two.png").stderr
    assert _run("photos/a.png", "--face", 3, "-o", "three.png").exit_code == 3
    assert _run("photos/a.png", "--face", "zero", "-o", "three.png").exit_code == 2


def test_an_edited_face_is_put_back(place):
    Image.new("RGB", (64, 64), (255, 0, 0)).save("red.png")
    done = _run("photos/a.png", "--paste-back", "red.png", "-o", "whole.png")
    assert done.exit_code == 0, done.output
    before, after = _picture("photos/a.png"), _picture("whole.png")
    assert after.size == before.size
    assert after.getpixel((80, 70)) == (255, 0, 0)
    assert after.getpixel((2, 2)) == before.getpixel((2, 2))
