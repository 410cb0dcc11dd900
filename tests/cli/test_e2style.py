"""The `e2style` command on a member of the family that trains in milliseconds."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from cli.e2style_app import app
from e2style.training.split_search import search

PRESET = """
images = 8
batch = 4
precision = "fp32"
threads = 1
snapshot_images = 4
[model]
name = "tiny"
[model.generator]
size = 16
mapping_layers = 0
channel_base = 128
channel_max = 8
[model.encoder]
image_size = 16
widths = [8, 8, 8]
units = [1, 1, 1]
pools = [2, 2, 2]
split = [1, 1, 4]
[loss]
lpips = 0.0
identity = 0.0
parsing = 0.0
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    (tmp_path / "faces").mkdir()
    for k in range(6):
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((256, 256), Image.Resampling.BICUBIC).save(tmp_path / "faces" / f"{k}.png")
    (tmp_path / "tiny.toml").write_text(PRESET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRAIN = ["train", "--preset", "tiny.toml", "--data", "faces", "--run", "run"]


def _run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_train_export_evaluate(place):
    done = _run(*TRAIN)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == "run/state-000000008.pt"
    assert _run("export", "run", "-o", "m.safetensors").exit_code == 0
    assert _run("export", "run", "-o", "m.safetensors").exit_code == 8
    (place / "faces" / "bad.png").write_bytes(b"no picture")
    found = _run("evaluate", "--data", "faces", "--model", "m.safetensors", "--json")
    assert found.exit_code == 0, found.output
    fields = json.loads(found.stdout)
    about, means = fields["about"], fields["means"]
    more = _run("evaluate", "--data", "faces", "--model", "m.safetensors", "--stages", "3")
    assert more.exit_code == 3
    assert "stages: got 3, allowed 1 to 1" in more.stderr
    assert about["pictures"] == 6
    assert about["runtime_s"] > 0
    assert fields["skipped"] == ["bad.png"]
    assert 0 < means["psnr"]["low"] <= means["psnr"]["mean"] <= means["psnr"]["high"]
    assert means["bits"]["mean"] > 0
    assert fields["not_measured"]["lpips"].startswith("needs alexnet.pth")


def test_a_model_remembers_how_its_images_were_made_square(place):
    assert _run(*TRAIN, "--set", 'fit="letterbox"').exit_code == 0
    assert _run("export", "run", "-o", "m.safetensors").exit_code == 0
    call = ["evaluate", "--data", "faces", "--model", "m.safetensors", "--timed", "0", "--json"]
    for more, fit in (((), "letterbox"), (("--fit", "crop"), "crop")):
        assert json.loads(_run(*call, *more).stdout)["about"]["fit"] == fit
    wide = Image.new("RGB", (40, 30), (90, 80, 70))
    bars = Image.new("RGB", (40, 40))
    bars.paste(wide, (0, 5))
    alone = ("--model", "m.safetensors", "--face", "none")
    codes = []
    for name, image in (("wide", wide), ("bars", bars)):
        image.save(f"{name}.png")
        done = _run("invert", f"{name}.png", "-o", f"{name}.safetensors", *alone)
        assert done.exit_code == 0, done.output
        codes.append(load_file(f"{name}.safetensors")["codes"])
    assert torch.equal(*codes)
    refused = _run(*TRAIN, "--run", "other", "--set", 'model.fit="crop"')
    assert refused.exit_code == 2 and "set fit, which says it for both" in refused.output


def test_the_split_of_the_paper_is_searched_for(place):
    assert _run(*TRAIN).exit_code == 0
    assert _run("export", "run", "-o", "m.safetensors").exit_code == 0
    done = _run(
        "search-split", "--data", "faces", "--validation", "faces", "--runs", "split", "--json",
        "--generator", "m.safetensors", "--preset", "tiny.toml", "--set", "stage=1",
        "--set", "images=4",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    fields = json.loads(done.stdout)
    tried = {tuple(each["split"]): each["ssim"] for each in fields["tried"]}
    assert next(iter(tried)) == (6, 0, 0)
    assert tuple(fields["split"]) == search(6, tried.__getitem__)
    assert all(0 < each["counted"] for each in fields["tried"])


def test_evaluate_writes_its_report_once(place):
    assert _run(*TRAIN).exit_code == 0
    assert _run("export", "run", "-o", "m.safetensors").exit_code == 0
    call = ["evaluate", "--data", "faces", "--model", "m.safetensors", "--timed", "0"]
    done = _run(*call, "-o", "report", "--codes", "found", "--images", "3")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (place / "report").iterdir()}
    assert names == {"evaluation.json", "evaluation.md", "evaluation.html", "pictures.csv"}
    assert "not measured: the codes were not rounded" in done.stdout
    assert _run(*call, "-o", "report").exit_code == 8
    optimised = ["--method", "i2s", "--steps", "2", "--images", "2", "--json"]
    fields = json.loads(_run(*call, *optimised).stdout)
    assert (fields["about"]["method"], fields["about"]["steps"]) == ("i2s", 2)
    assert fields["about"]["encoder"] == 0
    assert _run(*call, "--steps", "2").exit_code == 2
    assert _run(*call, "--quality", "99").exit_code == 2
    assert _run(*call, "--quality", "1", "--codes", "found").exit_code == 2


def test_a_dry_run_prints_the_settings_and_trains_nothing(place):
    done = _run(*TRAIN, "--dry-run", "--set", "loss.rate=0.5", "--set", "images=99")
    settings = json.loads(done.stdout)
    assert settings["loss"]["rate"] == 0.5
    assert settings["images"] == 99
    assert not (place / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((*TRAIN, "--set", "loss.rat=1"), 2),
        ((*TRAIN, "--set", "images"), 2),
        ((*TRAIN, "--set", "batch=many"), 2),
        ((*TRAIN, "--set", "model=3"), 2),
        ((*TRAIN, "--set", "model.encoder.pools=abc"), 2),
        ((*TRAIN, "--set", "images=2.7"), 2),
        ((*TRAIN, "--set", "lr=nan"), 2),
        ((*TRAIN, "--set", "seed=-1"), 2),
        ((*TRAIN, "--set", "side=7"), 2),
        ((*TRAIN, "--set", "loss.l2=0"), 2),
        ((*TRAIN, "--set", "device=toaster"), 2),
        ((*TRAIN, "--set", "device=meta"), 2),
        ((*TRAIN, "--generator", "g.pt"), 2),
        ((*TRAIN, "--checkpoint", "c.pt"), 2),
        ((*TRAIN, "--backbone", "b.pth"), 2),
        ((*TRAIN, "--validation-source", "v"), 2),
        (("train", "--preset", "faces/0.png", "--data", "faces", "--run", "run"), 2),
        (("train", "--preset", "none", "--data", "faces", "--run", "run"), 2),
        (("train", "--preset", "tiny.toml", "--data", "none", "--run", "run"), 3),
        (("export", "none", "-o", "m.safetensors"), 7),
        (("export", "none", "-o", "m.pt"), 8),
        (("export", "none", "-o", "none/m.safetensors"), 8),
        (("evaluate", "--data", "faces", "--model", "none"), 7),
        (("train", "--preset", "faces", "--data", "faces", "--run", "run"), 2),
        (("train", "--preset", "tiny.toml", "--data", "tiny.toml/x", "--run", "run"), 3),
        (("train", "--preset", "tiny.toml", "--data", "faces", "--run", "tiny.toml"), 8),
        (("train", "--preset", "tiny.toml", "--data", "faces", "--run", "tiny.toml/run"), 8),
        (("export", "tiny.toml", "-o", "m.safetensors"), 7),
        (("export", "faces", "-o", "m.safetensors"), 7),
        (("convert", "tiny.toml/x", "-o", "m.safetensors"), 7),
        (("convert", "faces", "-o", "m.safetensors"), 7),
        (("invert", "faces/0.png", "--model", "faces", "-o", "m.safetensors"), 7),
        (("evaluate", "--data", "faces", "-o", "tiny.toml/out"), 8),
    ],
)
def test_mistakes_have_their_exit_code_and_one_sentence(place, arguments, code):
    done = _run(*arguments)
    assert done.exit_code == code, done.output
    assert "unexpected" not in done.stderr
    assert "Errno" not in done.output
    assert done.stderr.count("error:") == 1
    assert not (place / "m.safetensors").exists()


def test_a_card_that_is_no_card_is_refused(place):
    assert _run(*TRAIN).exit_code == 0
    (place / "card.json").write_text("[1]")
    assert _run("export", "run", "-o", "m.safetensors", "--card", "card.json").exit_code == 2
