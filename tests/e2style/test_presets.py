"""Presets: each resolves, is documented, and describes the model that the paper counts."""

import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from files import files_in
from PIL import Image

from cli.e2style_app import app
from e2style import count_parameters
from e2style.errors import ConfigError
from e2style.settings import load_toml

FOLDER = Path(str(resources.files("e2style.presets")))
PRESETS = sorted(path.stem for path in files_in(FOLDER, "*.toml"))
STAGES = [name for name in PRESETS if not name.startswith("face256")]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"


@pytest.mark.parametrize("name", PRESETS)
def test_a_dry_run_of_every_preset_prints_its_settings(name):
    arguments = ["train", "--preset", name, "--data", "d", "--run", "r", "--dry-run"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    config = json.loads(done.stdout)
    assert config["data"] == "d"
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STAGES)
def test_stages_are_trained_as_the_paper_says(name):
    config = load_toml(FOLDER / f"{name}.toml")
    assert config.optimizer == "ranger"
    assert (config.lr, config.schedule, config.batch) == (1e-4, "constant", 4)
    assert config.loss.l2 == 1.0
    assert config.loss.lpips == 0.8
    assert config.stage == config.model.stages


@pytest.mark.parametrize(
    ("name", "stages", "wanted"),
    [
        ("inversion_stage1", 1, 84_920_896),
        ("inversion_stage2", 2, 169_843_520),
        ("inversion_stage3", 3, 254_766_144),
        ("psp", 1, 267_136_704),
        ("e4e", 1, 267_136_704),
        ("restyle", 1, 205_585_792),
        ("cats", 1, 85_180_992),
        ("cars", 1, 94_815_808),
    ],
)
def test_presets_have_the_paper_s_sizes(name, stages, wanted):
    config = load_toml(FOLDER / f"{name}.toml")
    assert config.stage == stages
    assert count_parameters(config.model)["encoder"] == wanted


SMALL = """base = "{base}"
images = 8
precision = "fp32"
threads = 1
workers = 0
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
segmentation = 0.0
"""


@pytest.fixture
def place(tmp_path, monkeypatch, tiny):
    import torch

    from e2style.checkpoints.saving import save
    from e2style.models.inversion import InversionNetwork

    rng = np.random.default_rng(2)
    for folder, top, shape in (
        ("faces", 256, (24, 24, 3)),
        ("sketches", 256, (24, 24)),
        ("labels", 19, (24, 24)),
    ):
        (tmp_path / folder).mkdir()
        for k in range(4):
            array = rng.integers(0, top, shape, dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / folder / f"{k}.png")
    for path in files_in(FOLDER, "*.toml"):
        (tmp_path / path.name).write_text(path.read_text())
    torch.manual_seed(0)
    save(tmp_path / "generator.safetensors", InversionNetwork(tiny))
    np.save(tmp_path / "codes.npy", rng.normal(size=(5, 6, 512)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _train(place, name, run, *extra):
    (place / f"small_{name}.toml").write_text(SMALL.format(base=name))
    arguments = ["train", "--preset", f"small_{name}.toml", "--data", "faces", "--run", run]
    if "--checkpoint" not in extra:
        arguments += ["--generator", "generator.safetensors"]
    done = CliRunner().invoke(app, [*arguments, *extra])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"{run}/state-000000008.pt"


@pytest.mark.parametrize("name", [n for n in STAGES if not re.fullmatch(r"inversion_stage\d", n)])
def test_two_small_steps_of_every_preset(place, name):
    extra = {
        "sketch": "--source sketches",
        "segmentation": "--source labels",
        "e4e": "--set latents=codes.npy --set progressive_start=0 --set progressive_images=1",
    }.get(name, "")
    _train(place, name, "run", *extra.split())


def test_three_small_stages_in_a_row_and_their_export(place):
    _train(place, "inversion_stage1", "1")
    _train(place, "inversion_stage2", "2", "--checkpoint", "1")
    _train(place, "inversion_stage3", "3", "--checkpoint", "2", "--validation", "faces")
    done = CliRunner().invoke(app, ["export", "3", "-o", "m.safetensors"])
    assert done.exit_code == 0, done.output
    from e2style import load

    assert load("m.safetensors").config.stages == 3


def test_a_restoration_is_refined_as_the_page_says(place):
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    line = "--set stage=2 --set model.stages=2 --checkpoint runs/1"
    assert f"`{line}`" in page
    _train(place, "colorization", "runs/1")
    _train(place, "colorization", "runs/2", *line.split())


def test_a_preset_builds_on_a_stage_of_another_layout_by_its_pools(place):
    _train(place, "inversion_stage1", "1", "--set", "model.encoder.pools=[1,1,1]")
    arguments = ["train", "--preset", "small_inversion_stage2.toml", "--data", "faces"]
    (place / "small_inversion_stage2.toml").write_text(SMALL.format(base="inversion_stage2"))
    done = CliRunner().invoke(app, [*arguments, "--checkpoint", "1", "--run", "2"])
    assert done.exit_code == 2
    said = re.search(r"--set \S+=[^\s;]+", done.stderr).group()
    assert said == "--set model.encoder.pools=[1,1,1]"
    _train(place, "inversion_stage2", "2", "--checkpoint", "1", *said.split())
    done = CliRunner().invoke(app, ["export", "2", "-o", "m.safetensors"])
    assert done.exit_code == 0, done.output
    from e2style import load

    assert load("m.safetensors").config.encoder.pools == (1, 1, 1)


def test_an_unknown_preset_names_those_there_are():
    done = CliRunner().invoke(app, ["train", "--preset", "x", "--data", "d", "--run", "r"])
    assert done.exit_code == 2
    assert ", ".join(PRESETS) in " ".join(done.stderr.split())


def test_texts_need_no_quotes():
    arguments = ["train", "--data", "d", "--run", "r", "--dry-run"]
    for given in ("3", '"3"'):
        done = CliRunner().invoke(app, [*arguments, "--set", f"feature_networks={given}"])
        assert json.loads(done.stdout)["feature_networks"] == "3"


def test_the_result_counts_what_was_skipped(place):
    (place / "faces" / "0.png").write_bytes(b"no picture")
    (place / "small.toml").write_text(SMALL.format(base="inversion_stage1"))
    arguments = ["train", "--preset", "small.toml", "--data", "faces", "--run", "r", "--json"]
    done = CliRunner().invoke(app, [*arguments, "--generator", "generator.safetensors"])
    assert json.loads(done.stdout)["skipped"] == 1


def test_presets_build_on_one_another(tmp_path):
    (tmp_path / "a.toml").write_text("images = 7\n[loss]\nl2 = 2.0\n")
    (tmp_path / "b.toml").write_text('base = "a"\nbatch = 2\n[loss]\nlpips = 0.5\n')
    config = load_toml(tmp_path / "b.toml")
    assert (config.images, config.batch) == (7, 2)
    assert (config.loss.l2, config.loss.lpips) == (2.0, 0.5)
    (tmp_path / "c.toml").write_text('base = "none"')
    with pytest.raises(ConfigError, match="none"):
        load_toml(tmp_path / "c.toml")
