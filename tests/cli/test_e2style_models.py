"""`e2style convert`, `calibrate`, `count` and `benchmark`."""

import json

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import e2style
from cli.e2style_app import app
from e2style.checkpoints.saving import save
from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.models.inversion import InversionNetwork

HEADS = {f"lin{k}.model.1.weight": n for k, n in enumerate((64, 192, 384, 256, 256))}


def _run(*arguments):
    done = CliRunner().invoke(app, [str(a) for a in (*arguments, "--json")])
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def heads(tmp_path):
    path = tmp_path / "alex.pth"
    torch.save({key: torch.ones(1, n, 1, 1) for key, n in HEADS.items()}, path)
    return path


def test_convert_writes_what_loads_again(heads, tmp_path):
    target = tmp_path / "heads.safetensors"
    code, fields = _run("convert", heads, "-o", target)
    assert code == 0
    assert fields["kind"] == "lpips_heads"
    assert type(e2style.load(target)).__name__ == "LPIPSHeads"


def test_outputs_are_checked_before_any_work(heads, tmp_path):
    existing = tmp_path / "old.safetensors"
    existing.write_text("precious")
    for output in (existing, heads, tmp_path / "heads.pt", tmp_path / "none" / "x.safetensors"):
        code, fields = _run("convert", heads, "-o", output)
        assert code == 8
        assert fields["error"]["name"] == "OutputError"
    assert existing.read_text() == "precious"
    assert _run("convert", existing, "-o", existing, "--force")[0] == 8
    assert _run("convert", heads, "-o", existing, "--force")[0] == 0
    assert _run("convert", tmp_path / "none.pt", "-o", tmp_path / "x.safetensors")[0] == 7
    assert _run("evaluate", "--data", tmp_path, "--model", existing)[0] == 7


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "benchmark"])
def test_devices_that_are_not_there_are_usage_errors(command, tmp_path):
    more = {
        "evaluate": ("--data", tmp_path),
        "calibrate": ("face256", "--data", tmp_path, "-o", tmp_path / "x.safetensors"),
        "benchmark": ("--size", 8),
    }[command]
    code, fields = _run(command, *more, "--device", "nonsense")
    assert code == 2
    assert fields["error"]["message"].startswith("device: 'nonsense'")


def test_calibrate_makes_a_model_ready_for_hiding(tmp_path):
    config = InversionConfig(
        name="tiny",
        generator=GeneratorConfig(16, mapping_layers=0, channel_base=128, channel_max=8),
        encoder=EncoderConfig(
            image_size=16, widths=(8, 8, 8), units=(1, 1, 1), pools=(2, 2, 2), split=(1, 1, 4)
        ),
    )
    torch.manual_seed(0)
    save(tmp_path / "bare.safetensors", InversionNetwork(config))
    faces = tmp_path / "faces"
    faces.mkdir()
    for k in range(5):
        Image.effect_noise((32, 32), 20.0 + k).convert("RGB").save(faces / f"{k}.png")
    assert e2style.load(tmp_path / "bare.safetensors").quantizer is None
    target = tmp_path / "ready.safetensors"
    code, fields = _run(
        "calibrate", tmp_path / "bare.safetensors", "--data", faces, "-o", target, "--images", 4
    )
    assert code == 0
    assert fields["psnr"] >= 32.0
    model = e2style.load(target)
    assert model.quantizer is not None
    assert model.accept_bits == fields["accept_bits"]
    assert model.accept_likeness == fields["accept_likeness"]


def test_count_prints_every_row_of_the_paper():
    code, fields = _run("count")
    assert code == 0
    rows = {row["row"]: row for row in fields["rows"]}
    assert rows["DNI"]["encoder"] == 2 * rows["pSp"]["encoder"]
    for row in fields["rows"]:
        assert round(row["counted"] / 1e6) == row["paper_millions"]


@pytest.mark.slow
def test_benchmark_compares_equal_pictures():
    settings = ("--size", 64, "--side", 64, "--rounds", 1, "--steps", 1, "--threads", 1)
    code, fields = _run("benchmark", *settings)
    assert code == 0
    assert fields["paper_seconds"] == 0.04
    reference, ours, half = fields["training"]
    assert reference["speedup"] == reference["cpu_speedup"] == 1.0
    assert reference["error"] == 0.0
    assert ours["error"] < 1e-3
    assert 0 < half["error"] < 0.2
    for timing in fields["timings"] + fields["training"]:
        assert timing["images_per_s"] == pytest.approx(1 / timing["best_s"])
        assert 100 < timing["memory_mib"] < 6000
    reference, ours, half = fields["timings"]
    assert reference["speedup"] == 1.0
    assert ours["error"] < 1e-4
    assert 1e-4 < half["error"] < 0.2
