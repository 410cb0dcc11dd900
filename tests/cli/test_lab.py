import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def covers(folder):
    rng = np.random.default_rng(1)
    (folder / "covers").mkdir()
    for number in range(8):
        plane = rng.normal(128, 6, (48, 48)).astype(np.uint8)
        Image.fromarray(plane).save(folder / "covers" / f"{number}.png")
    return folder / "covers"


def test_lab_writes_a_table_and_plots(covers, run, run_json):
    arguments = ("lab", "covers", "--scheme", "lsb", "--payload", "0.5", "--detector", "spa")
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (0, "lab/table.md\n"), done.stderr
    rows = json.loads((covers.parent / "lab" / "results.json").read_text())["rows"]
    assert [row["scheme"] for row in rows] == ["cover", "lsb"]
    assert list(rows[0]["detectors"]) == ["spa"]
    assert (covers.parent / "lab" / "roc.png").exists()
    _, fields = run_json(*arguments, "--no-plots", "--limit", "8", "-o", "other")
    assert (fields["covers"], fields["rows"]) == (8, 2)
    assert not (covers.parent / "other" / "roc.png").exists()


def test_lab_goes_on_with_the_same_settings_alone(covers, run):
    arguments = ("lab", "covers", "--scheme", "lsb", "--payload", "0.5", "--no-plots", "-o", "x")
    assert run(*arguments).exit_code == 0
    done = run(*arguments, "--seed", "2")
    assert done.exit_code == 8
    assert "other settings: seed" in done.stderr


def test_lab_verifies_a_run(covers, run, run_json):
    arguments = ("lab", "covers", "--scheme", "lsb", "--payload", "0.5", "--detector", "spa")
    assert run(*arguments, "--no-plots").exit_code == 0
    done = run("lab", "covers", "--verify", "lab")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"deephide {' '.join(arguments)} --seed 1\n"
    _, fields = run_json("lab", "covers", "--verify", "lab")
    assert (fields["covers"], fields["rows"], fields["output"]) == (8, 2, "lab")
    (covers / "3.png").write_bytes((covers / "4.png").read_bytes())
    done = run("lab", "covers", "--verify", "lab")
    assert done.exit_code == 3
    assert "1 of 8 images are not those of the manifest, first 3.png" in done.stderr


def test_lab_trains_a_network(covers, run):
    arguments = ("lab", "covers", "--scheme", "lsb", "--payload", "0.5", "--detector", "yedroudj")
    more = ("--steps", "1", "--crop", "32", "--device", "cpu", "--no-plots")
    done = run(*arguments, *more)
    assert done.exit_code == 0, done.stderr
    assert (covers.parent / "lab" / "networks" / "yedroudj" / "lsb_0.5.pt").exists()
    assert " to 0." in (covers.parent / "lab" / "table.md").read_text()
    manifest = json.loads((covers.parent / "lab" / "manifest.json").read_text())
    assert manifest["settings"]["training"] == {"steps": 1, "pairs": 8, "crop": 32}
    done = run(*arguments, *more, "--weights", "covers/0.png", "-o", "other")
    assert done.exit_code == 7
    assert "no state dict of PyTorch" in done.stderr
    done = run(*arguments, "--device", "nonsense", "--no-plots", "-o", "third")
    assert "device: 'nonsense' cannot be used here" in done.stderr
    assert done.exit_code not in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scheme", "lsb"), "needs a payload"),
        (("--scheme", "nonsense", "--payload", "0.1"), "allowed: lsb"),
        (("--scheme", "lsb", "--payload", "7"), "payload: got '7'"),
        (("--scheme", "embed-face"), "faces as secrets"),
        (("--scheme", "udh"), "its networks"),
        ((), "--scheme is missing"),
        (("--scheme", "lsb", "--verify", "lab"), "exclude each other"),
        (("--scheme", "lsb", "--detector", "srnet", "--colour"), "luma alone"),
        (("--scheme", "lsb", "--detector", "srnet", "--steps", "0"), "needs --weights"),
        (("--scheme", "lsb", "--detector", "colour-srm"), "needs --colour"),
        (("--scheme", "lsb", "--weights", "w.pt"), "needs a single --detector"),
    ],
)
def test_lab_refuses_what_makes_no_sense(covers, run, arguments, message):
    done = run("lab", "covers", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (covers.parent / "lab").exists()


def test_lab_says_what_a_cover_set_is(folder, run):
    done = run("lab", "photo.png", "--scheme", "lsb", "--payload", "0.5", "--no-plots")
    assert done.exit_code == 3
    assert "neither a folder nor a zip" in done.stderr


COMPARE = ("compare", "--secret", "face.png", "--carrier", "photo.png", "--codec", "latent")


def test_compare_writes_a_page(folder, run_json):
    _, fields = run_json(*COMPARE)
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert fields["output"] == "page.html"
    changed = "what changed, white on black"
    for title in ("secret", "inversion", "cover", "stego", changed, "recovered"):
        assert f'alt="{title}"' in text
    for name, value in fields["methods"]["deephide"].items():
        assert f'<th scope="row">{name}</th><td>{value}</td>' in text
    assert fields["methods"]["deephide"]["codec"] == "latent"


def test_compare_writes_to_stdout(run):
    done = run(*COMPARE, "-o", "-")
    assert done.exit_code == 0
    assert done.stdout.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("-o", "photo.png", "--force"), 8, "is the input"),
        (("-o", "face.png"), 8, "is the input"),
        (("--networks", "photo.png"), 7, "cannot be loaded"),
    ],
)
def test_compare_refuses(folder, run, more, code, message):
    before = sorted(folder.iterdir())
    done = run(*COMPARE, *more)
    assert done.exit_code == code
    assert message in done.stderr
    assert sorted(folder.iterdir()) == before
