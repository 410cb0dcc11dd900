"""Commands for channels: embed, capacity and survive."""

import json

import image_samples
import numpy as np
import pytest
from PIL import Image

from deephide.channels import battery, survival


@pytest.fixture
def scene(folder):
    """A photo with room for something robust, and a short file."""
    rng = np.random.default_rng(5)
    image_samples.blocky_photo(rng, 90, 120).resize((480, 360)).save(folder / "scene.png")
    (folder / "note.txt").write_text("at noon")
    return folder


def embed(run, *more):
    given = ("embed", "--secret", "note.txt", "--carrier", "scene.png", "--codec", "file")
    return run(*given, "--channel", "any", *more)


def test_a_note_travels_through_a_channel(run, scene):
    done = embed(run)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == "stego.jpg"
    assert "survives JPEG compression of every quality from 75 up" in done.stderr
    with Image.open("stego.jpg") as image:
        image.save("back.jpg", quality=77)
    assert run("extract", "back.jpg", "-o", "note2.txt").exit_code == 0
    assert (scene / "note2.txt").read_text() == "at noon"


def test_reports_of_an_embedding(run_json, run, scene):
    _, found = embed(run_json, "--dry-run")
    assert found["channel"]["name"] == "any"
    assert "JPEG 75 4:2:0" in found["channel"]["survived"]
    assert found["detector_error"] is None
    text = embed(run, "--dry-run").stdout
    assert "channel any: survives all" in text
    assert not (scene / "stego.jpg").exists()


def test_capacity_for_a_channel(run, run_json, scene):
    text = run("capacity", "scene.png", "--channel", "any").stdout
    assert text.startswith("safe  ")
    assert "detector" not in text
    _, found = run_json("capacity", "scene.png", "--channel", "any")
    assert found["detector_error"] is None
    assert found["elements"] == 45 * 60 * 49


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--channel", "pigeon"), "allowed: any, any:75, any:60"),
        (("--channel", "any", "--cost", "hill"), "--cost hill has no effect with --channel"),
        (("--channel", "any", "--strip-metadata"), "--strip-metadata has no effect"),
    ],
)
def test_usage_errors(run, scene, options, message):
    done = run("embed", "--secret", "note.txt", "--carrier", "scene.png", *options)
    assert done.exit_code == 2
    assert message in done.stderr


def test_other_names_than_those_of_jpeg_files_are_rejected(run, scene):
    done = embed(run, "-o", "stego.png")
    assert done.exit_code == 8
    assert "does not end in .jpg" in done.stderr


def test_survive(run, run_json, scene, monkeypatch):
    few = (battery.hops((75,)), battery.hops((50,)))
    monkeypatch.setattr(survival, "channels_to_try", lambda: iter(few))
    assert embed(run).exit_code == 0
    done, found = run_json("survive", "stego.jpg", "--report", "page.html")
    assert done.exit_code == 0
    assert [each["survived"] for each in found["channels"]] == [True, False]
    assert "<title>What stego.jpg survives</title>" in (scene / "page.html").read_text()
    text = run("survive", "stego.jpg").stdout
    assert text.splitlines() == ["JPEG 75  survives", "JPEG 50  lost"]
    again = run("survive", "stego.jpg", "--report", "page.html")
    assert again.exit_code == 8
    assert json.loads(run("survive", "scene.png", "--json").stdout)["error"]["code"] == 5


def test_strong_mode_belongs_to_any_channel(run, scene):
    given = ("embed", "--secret", "note.txt", "--carrier", "scene.png", "--codec", "file")
    for more in ((), ("--channel", "jpeg:80")):
        done = run(*given, "--strong", *more)
        assert done.exit_code == 2
        assert "--strong needs --channel any" in done.stderr
    done = embed(run, "--strong")
    assert done.exit_code == 4
    assert "too small for strong mode" in done.stderr
