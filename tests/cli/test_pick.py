"""Choice among photos: the sampled look, the ranking, the command, and a folder as carrier."""

import numpy as np
import pytest
from files import files_in
from PIL import Image

from deephide import picking
from deephide.covers.opening import open_cover
from deephide.covers.sampling import look


def scene(seed, strength, side=(384, 448)):
    """A scene with as much noise as asked for."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(128, 25, (side[0] // 16, side[1] // 16, 3)).repeat(16, 0).repeat(16, 1)
    noisy = coarse + rng.normal(0, strength, coarse.shape)
    return Image.fromarray(np.clip(np.rint(noisy), 1, 254).astype(np.uint8))


@pytest.fixture
def photos(folder):
    """Photos from rough to smooth, one twice, one that betrays, and one that is none."""
    place = folder / "photos"
    place.mkdir()
    for seed, (name, strength) in enumerate((("rough", 9.0), ("smooth", 1.2), ("medium", 4.0))):
        scene(seed, strength).save(place / f"{name}.png")
    scene(0, 8.0).save(place / "rough again.png")
    scene(5, 9.0).save(place / "photo.jpg", quality=95)
    with Image.open(place / "photo.jpg") as image:
        image.save(place / "decoded.png")
    (place / "broken.png").write_bytes(b"no picture")
    (place / "tiny.png").write_bytes((folder / "face.png").read_bytes())
    (place / "notes.txt").write_text("not a photo")
    return place


def test_a_look_agrees_with_the_whole_photo(folder):
    for seed, strength in ((1, 2.0), (2, 6.0)):
        path = folder / "scene.png"
        scene(seed, strength, (512, 640)).save(path)
        cover = open_cover(path)
        whole = cover.survey(cover.costs()).at(4000)
        sampled = look(path.read_bytes()).prospect.at(4000)
        assert sampled.deflection == pytest.approx(whole.deflection, rel=0.25)
        assert sampled.change_rate == pytest.approx(whole.change_rate, rel=0.25)


def test_a_look_at_a_jpeg_file_sees_its_coefficients(folder):
    path = folder / "scene.jpg"
    scene(3, 5.0, (512, 640)).convert("L").save(path, quality=90)
    cover = open_cover(path)
    whole = cover.survey(cover.costs()).at(4000)
    sampled = look(path.read_bytes()).prospect.at(4000)
    assert sampled.deflection == pytest.approx(whole.deflection, rel=0.3)


def test_rough_photos_come_first_and_traitors_last(photos):
    found = picking.ranked([picking.candidate(path, 2400) for path in picking.photos_in(photos)])
    names = [each.path.name for each in found]
    order = [names.index(f"{name}.png") for name in ("rough", "medium", "smooth", "decoded")]
    assert order == sorted(order)
    by_name = {each.path.name: each for each in found}
    assert by_name["decoded.png"].betrays and by_name["decoded.png"].detector_error == 0
    assert "not an image" in by_name["broken.png"].problem
    assert "shows the same scene as rough.png" in by_name["rough again.png"].warnings[-1]
    assert set(names[-2:]) <= {"broken.png", "tiny.png"}


def test_the_command_and_its_page(run, run_json, photos, folder):
    done = run("pick", "photos", "--payload", "300", "--page", "page.html", "--jobs", "1")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == 8 and lines[0].split()[0] == "1"
    page = (folder / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 6
    assert "rough.png" in page and 'class="bad"' in page
    _, found = run_json("pick", "photos", "--payload", "300", "--jobs", "1")
    assert found["payload_bits"] == 2400
    assert [
        each["path"].split("/")[-1] in line
        for each, line in zip(found["photos"], lines, strict=True)
    ] == [True] * 8


def test_a_secret_says_how_much_is_hidden(run_json, photos, folder):
    (folder / "note.txt").write_text("at noon")
    given = ("--secret", "note.txt", "--codec", "file")
    _, found = run_json("pick", "photos", *given, "--jobs", "1")
    _, hidden = run_json("embed", *given, "--carrier", "photos/rough.png", "--dry-run")
    assert found["payload_bits"] == hidden["payload_bits"]


def test_embed_takes_the_best_photo_of_a_folder(run, photos, folder):
    (folder / "note.txt").write_text("at noon")
    done = run("embed", "--secret", "note.txt", "--codec", "file", "--carrier", "photos")
    assert done.exit_code == 0, done.output
    assert "took photos/" in done.stderr and "the best of 8 photos" in done.stderr
    for path in files_in(photos, "rough*"):
        path.unlink()
    for name in ("medium.png", "smooth.png", "photo.jpg"):
        (photos / name).unlink()
    done = run("embed", "--secret", "note.txt", "--codec", "file", "--carrier", "photos")
    assert done.exit_code == 3
    assert "none of the 3 photos in photos can carry it: decoded.png" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("photos",), 2, "either --secret or --payload"),
        (("photos", "--payload", "9", "--shrink", "0.5"), 2, "leave --shrink out"),
        (("nowhere", "--payload", "9"), 3, "does not exist"),
        (("empty", "--payload", "9"), 3, "holds 0 photos"),
    ],
)
def test_what_pick_cannot_do(run, photos, folder, options, code, message):
    (folder / "empty").mkdir()
    done = run("pick", *options)
    assert done.exit_code == code
    assert message in " ".join(done.stderr.split())


def test_processes_give_the_same_ranking(run, photos):
    one = run("pick", "photos", "--payload", "300", "--jobs", "1")
    two = run("pick", "photos", "--payload", "300", "--jobs", "2")
    assert one.stdout == two.stdout
