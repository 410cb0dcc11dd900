"""Commands for photos that are made smaller, and for several that share a secret."""

import image_samples
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(folder):
    """Two more photos, a note, and a folder for what is sent."""
    rng = np.random.default_rng(12)
    for name in ("two.png", "three.jpg"):
        image_samples.blocky_photo(rng, 32, 40).save(folder / name, quality=92)
    (folder / "note.txt").write_text("at noon")
    (folder / "sent").mkdir()
    return folder


NOTE = ("embed", "--secret", "note.txt", "--codec", "file")
THREE = ("--carrier", "photo.png", "--carrier", "two.png", "--carrier", "three.jpg")


def test_two_of_three_photos(run, photos):
    done = run(*NOTE, *THREE, "--needed", "2", "-o", "sent")
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == ["sent/photo.png", "sent/two.png", "sent/three.jpg"]
    assert done.stderr.count("of them changed by one level") == 3
    assert run("extract", "sent/three.jpg", "sent/two.png", "-o", "back.txt").exit_code == 0
    assert (photos / "back.txt").read_text() == "at noon"
    alone = run("extract", "sent/two.png", "-o", "no.txt")
    assert alone.exit_code == 10
    assert "found 1 of the 2 photos that are needed" in alone.stderr
    assert not (photos / "no.txt").exists()


def test_the_report_of_several_photos(run_json, photos):
    done, found = run_json(*NOTE, *THREE, "--dry-run")
    assert done.exit_code == 0
    assert [each["carrier"] for each in found["photos"]] == ["photo.png", "two.png", "three.jpg"]
    assert found["payload_bits"] == sum(each["payload_bits"] for each in found["photos"])
    assert found["output"] is None
    assert not list((photos / "sent").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--carrier", "photo.png", "--needed", "1"), "for several photos"),
        ((*THREE, "--needed", "4", "-o", "sent"), "more than the 3 photos"),
        (THREE, "a folder that exists"),
        ((*THREE, "-o", "nowhere"), "a folder that exists"),
        ((*THREE, "--carrier", "-", "-o", "sent"), "stdin holds one photo"),
    ],
)
def test_what_several_photos_cannot_do(run, photos, options, message):
    done = run(*NOTE, *options)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_a_photo_is_made_smaller_first(run, run_json, photos):
    done = run(*NOTE, "--carrier", "photo.png", "--shrink", "0.75")
    assert done.exit_code == 0, done.output
    assert "made smaller from 160 x 120 to 120 x 90" in done.stderr
    with Image.open("stego.png") as image:
        assert image.size == (120, 90)
    assert run("extract", "stego.png", "-o", "back.txt").exit_code == 0
    _, found = run_json(*NOTE, "--carrier", "three.jpg", "--shrink", "100px", "--dry-run")
    made = {"original_size": [160, 128], "size": [100, 80], "bits": 8, "quality": 95}
    assert found["made"] == made
    _, plain = run_json("capacity", "photo.png")
    _, known = run_json("capacity", "photo.png", "--shrink", "0.75")
    assert known["elements"] == 120 * 90 * 3 < plain["elements"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shrink", "2"), "a factor above 0 and up to 1"),
        (("--shrink", "0.5", "--channel", "any"), "pixels of the longer side as 1600px"),
        (("--shrink", "900px", "--channel", "any", "--strong"), "none for strong"),
        (("--quality-jpeg", "80", "--channel", "any"), "excludes --quality-jpeg"),
        (("--shrink", "0.5", "--strip-metadata"), "what is made has none"),
        (("--quality-jpeg", "20"), "50<=x<=100"),
    ],
)
def test_what_cannot_be_made(run, photos, options, message):
    done = run(*NOTE, "--carrier", "photo.png", *options)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_a_refusal_is_one_sentence_with_a_hint(run, photos):
    done = run(*NOTE, "--carrier", "photo.png", "--shrink", "4000px")
    assert done.exit_code == 3
    assert "the carrier has 160 x 120 pixels and cannot be made smaller to 4000" in done.stderr
    assert "hint: ask for fewer pixels" in done.stderr
