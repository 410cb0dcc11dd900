"""Commands on codes, with a network that runs in milliseconds."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny_model import write_tiny_model

from cli.e2style_app import app

MODEL = ("--model", "m.safetensors")
PLAIN = (*MODEL, "--face", "none")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [write_tiny_model(folder / f"{seed}.safetensors", seed).read_bytes() for seed in (0, 1)]


@pytest.fixture
def place(tmp_path, monkeypatch, models):
    monkeypatch.chdir(tmp_path)
    for name, content in zip(("m", "other"), models, strict=True):
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    rng = np.random.default_rng(8)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for k in range(4):
            small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            small.resize((64, 64)).save(tmp_path / folder / f"{k}.png")
    return tmp_path


def _run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def _done(*arguments):
    result = _run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def _picture(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_codes_are_painted_by_their_model_alone(place):
    _done("invert", "a", "-o", "codes", *PLAIN)
    assert sorted(p.name for p in (place / "codes").iterdir()) == [
        f"{k}.safetensors" for k in range(4)
    ]
    _done("synthesize", "codes", "-o", "faces", *MODEL)
    assert _picture("faces/0.png").shape == (32, 32, 3)
    wrong = _run("synthesize", "codes/0.safetensors", "-o", "x.png", "--model", "other.safetensors")
    assert wrong.exit_code == 7
    assert "made with model tiny" in wrong.stderr
    assert not (place / "x.png").exists()


def test_a_learned_direction_edits_pictures_and_codes(place):
    _done("direction", "--positive", "a", "--negative", "b", "-o", "x.safetensors", *PLAIN)
    _done(
        "edit", "a/0.png", "--direction", "x.safetensors", "--strength", 0, "-o", "same.png", *PLAIN
    )
    _done("invert", "a/0.png", "-o", "c.safetensors", *PLAIN)
    _done("synthesize", "c.safetensors", "-o", "plain.png", *MODEL)
    assert np.array_equal(_picture("same.png"), _picture("plain.png"))
    edit = ("edit", "c.safetensors", "--direction", "x.safetensors")
    _done(*edit, "--strength", -4, "--strength", 4, "-o", "strip.png", *MODEL)
    strip = _picture("strip.png")
    assert strip.shape == (32, 64, 3)
    assert not np.array_equal(strip[:, :32], strip[:, 32:])
    _done(*edit, "--strength", 4, "--codes", "-o", "moved.safetensors", *MODEL)
    _done("synthesize", "moved.safetensors", "-o", "moved.png", *MODEL)
    assert np.array_equal(_picture("moved.png"), strip[:, 32:])
    assert _run(*edit, "--paste-back", "-o", "y.png", *MODEL).exit_code == 2
    assert _run(*edit, "--preset", "script", "--strength", 1, "-o", "y.png", *MODEL).exit_code == 2
    assert _run(*edit, "--rows", "7-17", "-o", "y.png", *MODEL).exit_code == 2
    other = ("--model", "other.safetensors", "--face", "none")
    wrong = _run("edit", "a/0.png", "--direction", "x.safetensors", "-o", "y.png", *other)
    assert wrong.exit_code == 7


def test_directions_without_labels_and_apart_from_others(place):
    _done("direction", "--sefa", 2, "--rows", "0-3", "-o", "sefa", *MODEL)
    _done("direction", "--components", 2, "--positive", "a", "-o", "parts", *PLAIN)
    assert (place / "parts" / "component-2.safetensors").exists()
    _done(
        "direction", "--positive", "a", "--negative", "b", "-o", "x.safetensors",
        "--orthogonal-to", "sefa/sefa-1.safetensors", *PLAIN,
    )  # fmt: skip
    assert _run("direction", "--sefa", 2, "-o", "sefa", *MODEL).exit_code == 8
    for wrong in (("--positive", "a"), ("--components", 2), ()):
        assert _run("direction", *wrong, "-o", "z.safetensors", *PLAIN).exit_code == 2
    for text in ("nothing", "m.safetensors"):
        missing = _run("edit", "a/0.png", "--direction", text, "-o", "y.png", *PLAIN)
        assert missing.exit_code == 7
    bad = ("direction", "--positive", "a", "--negative", "b", "-o", "x.png")
    assert _run(*bad, *PLAIN).exit_code == 8


def test_mixing_takes_the_style_of_another(place):
    for k, name in enumerate("ab"):
        _done("invert", f"{name}/{k}.png", "-o", f"{name}.safetensors", *PLAIN)
    mix = ("mix", "a.safetensors", "--style", "b.safetensors")
    _done(*mix, "--rows", "all", "-o", "b-by-mix.png", *MODEL)
    _done("synthesize", "b.safetensors", "-o", "b.png", *MODEL)
    assert np.array_equal(_picture("b-by-mix.png"), _picture("b.png"))
    _done(*mix, "--strength", 0, "-o", "a-by-mix.png", *MODEL)
    _done("synthesize", "a.safetensors", "-o", "a.png", *MODEL)
    assert np.array_equal(_picture("a-by-mix.png"), _picture("a.png"))
    assert _run(*mix, "--preset", "script", "-o", "c.png", *MODEL).exit_code == 2  # has 8 rows


def test_interpolation_writes_strips_films_and_codes(place):
    between = ("interpolate", "a/0.png", "b/0.png", *PLAIN)
    _done(*between, "-o", "strip.png")
    assert _picture("strip.png").shape == (32, 7 * 32, 3)
    _done(*between, "-o", "film.gif", "--frames", 3)
    fields = json.loads(_done(*between, "-o", "all.safetensors", "--json").stdout)
    assert fields["frames"] == 7
    _done("synthesize", "all.safetensors", "-o", "all.png", *MODEL)
    assert np.array_equal(_picture("all.png"), _picture("strip.png"))
    assert _run(*between, "-o", "strip.png").exit_code == 8
    assert _run(*between, "-o", "strip.jpg").exit_code == 8


def test_interpolation_goes_through_faces_where_a_prior_ships(place):
    between = ("interpolate", "a/0.png", "b/0.png", *PLAIN)
    refused = _run(*between, "--along", "faces", "-o", "strip.png")
    assert (refused.exit_code, "no prior ships with" in refused.stderr) == (2, True)
    assert not Path("strip.png").exists()
    _done("sample", "--seeds", "1", "--codes", "-o", "one.safetensors")
    _done("sample", "--seeds", "2", "--codes", "-o", "two.safetensors")
    known = ("interpolate", "one.safetensors", "two.safetensors", "--frames", 3)
    for way in ("faces", "line"):
        _done(*known, "--along", way, "-o", f"{way}.png")
    _done(*known, "-o", "usual.png")
    faces, line, usual = (_picture(f"{name}.png") for name in ("faces", "line", "usual"))
    assert np.array_equal(usual, faces)
    ends = np.abs(faces.astype(int) - line).reshape(256, 3, 256, 3).max((0, 2, 3))
    assert (ends[0], ends[2]) == (0, 0)
    assert ends[1] > 20


def test_swapping_pastes_the_box_or_the_mask(place):
    swap = ("swap", "a/0.png", "--source", "b/0.png", *PLAIN)
    _done(*swap, "--box", "0,0,1,1", "-o", "whole.png")
    _done("invert", "b/0.png", "-o", "b.safetensors", *PLAIN)
    _done("synthesize", "b.safetensors", "-o", "b.png", *MODEL)
    assert np.array_equal(_picture("whole.png"), _picture("b.png"))
    Image.new("L", (9, 9), 255).save("white.png")
    _done(*swap, "--mask", "white.png", "-o", "masked.png")
    assert np.array_equal(_picture("masked.png"), _picture("b.png"))
    _done(*swap, "--paste-back", "-o", "back.png")
    assert _picture("back.png").shape == (64, 64, 3)
    for box in ("1,2", "a,b,c,d", "0.5,0,0.2,1"):
        assert _run(*swap, "--box", box, "-o", "x.png").exit_code == 2
    Image.new("RGB", (60, 40)).save("wide.png")
    refused = _run("swap", "wide.png", "--source", "b/0.png", *PLAIN, "-o", "x.png")
    assert refused.exit_code == 3
    assert "not square" in refused.stderr


def test_no_command_writes_over_what_it_reads(place):
    picture, model = place / "a" / "0.png", place / "m.safetensors"
    before = picture.read_bytes(), model.read_bytes()
    (place / "a" / "link.png").symlink_to(picture)
    edit = ("edit", "--direction", "smile", "--strength", 1, *PLAIN, "--force")
    mix = ("mix", "a/1.png", *PLAIN, "--force")
    for arguments in (
        ("invert", "m.safetensors", *MODEL, "--force", "-o", "."),
        ("synthesize", "a/0.png", *MODEL, "--force", "-o", "a"),
        ("synthesize", "a", *MODEL, "--force", "-o", "a"),
        ("synthesize", "a/0.png", *MODEL, "--force", "-o", "a/link.png"),
        (*edit, "a/0.png", "-o", "a/"),
        (*mix, "--style", "a/0.png", "-o", "a/0.png"),
        ("interpolate", "a/0.png", "a/1.png", *PLAIN, "--force", "-o", "a/0.png"),
        ("convert", "m.safetensors", "--force", "-o", "m.safetensors"),
        ("align", "a/0.png", "--force", "-o", "a"),
    ):
        done = _run(*arguments)
        assert done.exit_code != 0, arguments
        assert (picture.read_bytes(), model.read_bytes()) == before, arguments
    done = _run("synthesize", "a/0.png", *MODEL, "--force", "-o", "a")
    assert (done.exit_code, "is the input" in done.stderr) == (8, True)


def test_faces_of_nobody_come_from_seeds(place):
    _done("sample", "--seeds", "0-2,7", "-o", "grid.png", *MODEL)
    assert _picture("grid.png").shape == (64, 64, 3)
    _done("sample", "--seeds", "2", "--codes", "-o", "two.safetensors", *MODEL)
    _done("synthesize", "two.safetensors", "-o", "two.png", *MODEL)
    assert np.array_equal(_picture("two.png"), _picture("grid.png")[32:, :32])
    assert _run("sample", "-o", "grid.png", *MODEL).exit_code == 8
    for wrong in ("x", "5-3", "0-99999"):
        assert _run("sample", "--seeds", wrong, "-o", "y.png", *MODEL).exit_code == 2


def test_a_style_may_be_drawn(place):
    _done("mix", "a/0.png", "--style-seed", 3, "--rows", "all", "-o", "mixed.png", *PLAIN)
    _done("sample", "--seeds", 3, "-o", "drawn.png", *MODEL)
    assert np.array_equal(_picture("mixed.png"), _picture("drawn.png"))
    assert _run("mix", "a/0.png", "-o", "x.png", *PLAIN).exit_code == 2


def test_a_direction_is_learnt_from_a_list_of_labels(place):
    rows = [f"{k}.jpg,{'yes' if k < 2 else 'no'}" for k in range(4)]
    (place / "l.csv").write_text("\n".join(["file,round", *rows]), "utf-8")
    given = ("--labels", "l.csv", "--attribute", "round", "--data", "a")
    _done("direction", *given, "-o", "round.safetensors", *PLAIN)
    for k, name in ((0, "with"), (1, "with"), (2, "without"), (3, "without")):
        (place / name).mkdir(exist_ok=True)
        (place / name / f"{k}.png").write_bytes((place / "a" / f"{k}.png").read_bytes())
    sets = ("--positive", "with", "--negative", "without")
    _done("direction", *sets, "-o", "sets.safetensors", *PLAIN)
    for name in ("round", "sets"):
        _done("edit", "b/0.png", "--direction", f"{name}.safetensors", "-o", f"{name}.png", *PLAIN)
    assert np.array_equal(_picture("round.png"), _picture("sets.png"))
    assert _run("direction", *given[:4], "-o", "x.safetensors", *PLAIN).exit_code == 2


def test_tuned_offsets_and_other_generators_generate(place):
    done = _done("tune", "a/0.png", "--steps", 3, "-o", "o.safetensors", *PLAIN)
    assert "PSNR" in done.output
    given = ("--direction", "sefa/sefa-1.safetensors", "--strength", 0)
    _done("direction", "--sefa", 1, "-o", "sefa", *MODEL)
    _done("edit", "a/0.png", *given, "--generate-with", "o.safetensors", "-o", "t.png", *PLAIN)
    other = _done(
        "edit", "a/0.png", *given, "--generate-with", "other.safetensors", "-o", "u.png", *PLAIN
    )
    assert "images are generated by other.safetensors" in other.output
    assert not np.array_equal(_picture("t.png"), _picture("u.png"))
    wrong = _run("synthesize", "a/0.png", "--generate-with", "l.csv", "-o", "w.png", *MODEL)
    assert wrong.exit_code == 7
