"""Restoration and translation, with untrained networks that show what they were shown."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import e2style
from cli.e2style_app import app
from e2style.applications import restoration
from e2style.checkpoints.shipped import RESTORER
from e2style.data.corruptions import corrupt
from e2style.errors import ConfigError
from e2style.images import from_tensor
from e2style.model import InversionModel
from e2style.models.inversion import InversionNetwork

DEMO = Path(__file__).resolve().parents[2] / "benchmarks" / "demo_faces" / "face1.png"
ZERO_CODE = torch.zeros(1, 6, 512)
CONFIG = e2style.InversionConfig(
    name="tiny",
    generator=e2style.GeneratorConfig(size=16, mapping_layers=0, channel_base=128, channel_max=8),
    encoder=e2style.EncoderConfig(
        image_size=64, widths=(8, 8, 8), units=(1, 1, 1), pools=(1, 1, 1), split=(1, 1, 4)
    ),
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for channels in (1, 3, 5):
        encoder = dataclasses.replace(CONFIG.encoder, in_channels=channels)
        torch.manual_seed(channels)
        network = InversionNetwork(dataclasses.replace(CONFIG, encoder=encoder))
        e2style.save(f"m{channels}.safetensors", network)
    rng = np.random.default_rng(8)
    (tmp_path / "faces").mkdir()
    for k in range(2):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((96, 96), Image.Resampling.BICUBIC).save(f"faces/{k}.png")
    return tmp_path


def _run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def _picture(path):
    with Image.open(path) as picture:
        return picture.convert("RGB")


RESTORE = ("restore", "faces/0.png", "--model", "m3.safetensors", "--face", "none")


@pytest.mark.parametrize("task", restoration.TASKS)
def test_damage_is_that_of_training_and_measured(task, place):
    out = ("--task", task, "--damage", "--compare", "-o", "out", "--json")
    done = _run("restore", "faces", "--model", "m3.safetensors", "--face", "none", *out)
    assert done.exit_code == 0, done.output
    fields = json.loads(done.stdout)
    strip = _picture("out/0.png")
    assert strip.size == (192, 64)
    before = strip.crop((0, 0, 64, 64))
    truth = _picture("faces/0.png").resize((64, 64), Image.Resampling.LANCZOS)
    off = np.abs(np.asarray(before, int) - np.asarray(truth, int)).mean()
    # A factor of 1 may be drawn, and leaves the image alone.
    assert off > 1 or task == "super_resolution"
    assert 0 < fields["psnr"] < fields["psnr_before"] + 20
    assert _run(*RESTORE, "--task", task, "-o", "one.png").exit_code == 0
    assert _picture("one.png").size == (16, 16)


def test_colours_are_taken_out_before_the_encoder_sees_them(place):
    done = _run(*RESTORE, "--task", "colorization", "--compare", "-o", "c.png")
    assert done.exit_code == 0, done.output
    shown = np.asarray(_picture("c.png").crop((0, 0, 64, 64)))
    assert (shown == shown[:, :, :1]).all()


def test_a_hole_is_filled_and_the_rest_stays(place):
    mask = Image.new("L", (48, 48))
    mask.paste(255, (0, 0, 24, 48))
    mask.save("mask.png")
    done = _run(*RESTORE, "--task", "inpainting", "--mask", "mask.png", "-o", "filled.png")
    assert done.exit_code == 0, done.output
    filled, truth = (np.asarray(_picture(p), int) for p in ("filled.png", "faces/0.png"))
    assert filled.shape == truth.shape
    assert np.array_equal(filled[:, 56:], truth[:, 56:])
    assert np.abs(filled[:, :40] - truth[:, :40]).mean() > 5
    model = e2style.load("m3.safetensors")
    found = restoration.restore(model, _picture("faces/0.png"), "inpainting", mask)
    assert not np.asarray(found.shown)[:, :32].any()


def test_kept_light_is_that_of_the_picture(place):
    out = ("--task", "colorization", "--keep-light", "-o", "kept.png")
    assert _run(*RESTORE, *out).exit_code == 0
    kept, picture = _picture("kept.png"), _picture("faces/0.png")
    luma = [np.asarray(p.convert("L"), int) for p in (kept, picture)]
    # Colours that do not exist at this light are clipped, which moves the luma here and there.
    assert np.median(np.abs(luma[0] - luma[1])) <= 1
    restored = restoration.restore(
        e2style.load("m3.safetensors"), picture, "colorization"
    ).generated
    wanted = restored.resize(picture.size, Image.Resampling.BICUBIC).convert("YCbCr")
    off = np.asarray(kept.convert("YCbCr"), int)[..., 1:] - np.asarray(wanted, int)[..., 1:]
    assert np.median(np.abs(off)) <= 2


def test_the_built_in_encoder_brings_colours_back():
    with Image.open(DEMO) as picture:
        face = picture.convert("RGB")
    model = e2style.load_model(RESTORER)
    assert model.network.seen_side == 128
    damaged = restoration.damaged(face, "colorization", 128, 0)
    restored = restoration.restore(model, damaged, "colorization").generated
    assert restored.size == (256, 256)
    found = restoration.gain(face, damaged, restored)
    assert found.psnr > found.psnr_before + 2
    shades = np.asarray(restored.convert("HSV"))[64:192, 64:192, 1]
    assert shades.mean() > 30


@pytest.fixture
def watched(monkeypatch):
    """A model with a base, and the list of what its encoder was shown."""
    generator = dataclasses.replace(CONFIG.generator, base_side=8, base_rows=1, base_channels=4)
    network = InversionNetwork(dataclasses.replace(CONFIG, generator=generator))
    seen = []
    monkeypatch.setattr(InversionModel, "invert", lambda self, x: seen.append(x) or ZERO_CODE)
    return InversionModel(network, fingerprint=bytes(32)), seen


def test_a_network_with_a_base_sees_what_its_training_showed(watched):
    model, seen = watched
    assert model.network.seen_side == 64
    coarse = np.random.default_rng(3).integers(40, 216, (8, 8, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BILINEAR)
    same = ("colorization", "super_resolution")
    for task in restoration.TASKS:
        for seed in range(4):
            damaged = restoration.damaged(picture, task, 64, seed, 4)
            restoration.restore(model, damaged, task)
            rng = np.random.default_rng(seed)
            shown = corrupt(np.asarray(picture), task, rng, (4,), soften=True)
            off = np.abs(np.asarray(from_tensor(seen.pop())[0], int) - shown)
            # A hole that must be found grows by a sample at its border, which changes its filling.
            assert off.mean() < (2 if task == "inpainting" else 0.01), task
            assert np.abs(np.asarray(damaged, int) - shown).mean() > 3 or task in same, task


def test_a_mask_says_what_is_filled_however_thin_and_whatever_is_black(watched):
    model, seen = watched
    array = np.full((64, 64, 3), 120, np.uint8)
    array[:, 40:] = 0  # a black wall behind the face
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 30, 40, 31))
    restoration.restore(model, Image.fromarray(array), "inpainting", mask)
    shown = np.asarray(from_tensor(seen.pop())[0], int)
    assert shown[30, :30].min() > 100
    assert not shown[:, 40:].any()


def test_wrong_uses_are_refused(place):
    Image.new("L", (8, 8)).save("mask.png")
    for wrong, code in (
        (("--task", "denoising", "--mask", "mask.png"), 2),
        (("--task", "denoising", "--damage", "--factor", "4"), 2),
        (("--task", "denoising", "--paste-back", "--compare"), 2),
        (("--task", "denoising", "--keep-light"), 2),
    ):
        assert _run(*RESTORE, *wrong, "-o", "x.png").exit_code == code
    with pytest.raises(ConfigError, match="task: got 'magic'"):
        restoration.damaged(_picture("faces/0.png"), "magic", 8, 0)
    assert _run("translate", "faces/0.png", "-o", "x.png").exit_code == 2


def test_the_factor_says_how_coarse(place):
    face = _picture("faces/0.png")
    scores = []
    for factor in (1, 4, 16):
        coarse = restoration.damaged(face, "super_resolution", 64, 0, factor)
        scores.append(restoration.gain(face, coarse, coarse).psnr_before)
    assert scores[0] > 80 > scores[1] > scores[2]


def test_sketches_and_label_maps_become_faces(place):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, (20, 20), dtype=np.uint8)
    Image.fromarray(labels).save("map.png")
    for model, size in (("m1.safetensors", 32), ("m5.safetensors", 32)):
        done = _run("translate", "map.png", "--model", model, "--compare", "-o", f"{model}.png")
        assert done.exit_code == 0, done.output
        assert _picture(f"{model}.png").size == (size, 16)
    network = e2style.load("m5.safetensors")
    data = (place / "map.png").read_bytes()
    found = restoration.translate(network, data)
    nearest = np.asarray(Image.fromarray(labels).resize((64, 64), Image.Resampling.NEAREST))
    planes = torch.from_numpy((nearest[None] == np.arange(5)[:, None, None]).astype("f4"))[None]
    assert np.array_equal(found.code, network.invert(planes).numpy())
    labels[3, 3] = 5
    Image.fromarray(labels).resize((64, 64), Image.Resampling.NEAREST).save("bad.png")
    bad = _run("translate", "bad.png", "--model", "m5.safetensors", "-o", "x.png")
    assert bad.exit_code == 3
    assert "label 5, allowed are 0 to 4" in bad.stderr
    (place / "broken.png").write_bytes(b"no picture")
    assert (
        _run("translate", "broken.png", "--model", "m5.safetensors", "-o", "x.png").exit_code == 3
    )
    assert _run("translate", "map.png", "--model", "m3.safetensors", "-o", "x.png").exit_code == 2
