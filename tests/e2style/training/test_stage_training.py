"""One stage against a frozen generator, on networks of a few thousand weights."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import e2style
from e2style.config import LossConfig
from e2style.errors import ConfigError, DataError
from e2style.settings import to_json
from e2style.training.assemble import network_of_run
from e2style.training.export import export
from e2style.training.loop import train
from e2style.training.ranks import Ranks
from e2style.training.stage import StageWork
from e2style.training.state import TrainingState

L2 = LossConfig(l2=1.0, lpips=0.0, identity=0.0, parsing=0.0)
ROOT = Path(__file__).resolve().parents[3]
ALONE = Ranks(0, 1, torch.device("cpu"))


def _rows(run):
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def _size(path):
    with Image.open(path) as picture:
        return picture.size


def _final(run):
    return torch.load(TrainingState.snapshots(run)[-1], weights_only=True)["parts"]


def _equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a == b


def test_a_stage_learns_on_a_frozen_generator(config, tmp_path):
    config = dataclasses.replace(
        config, images=400, lr=2e-3, report_images=40, snapshot_images=200, noise="stored"
    )
    train(config, tmp_path / "run")
    rows = [row for row in _rows(tmp_path / "run") if "total" in row]
    assert rows[-1]["total"] < 0.8 * rows[0]["total"]
    trained, seen = network_of_run(tmp_path / "run")
    assert seen == 400
    before = e2style.load(config.generator).network
    for key, value in before.generator.state_dict().items():
        assert torch.equal(trained.generator.state_dict()[key], value)
    assert torch.equal(trained.w_avg, before.w_avg)
    assert set(_final(tmp_path / "run")) == {"model", "average", "optimizer"}


def test_a_second_stage_leaves_the_first_as_it_was(config, tmp_path):
    train(config, tmp_path / "one")
    later = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, stages=2),
        stage=2,
        generator="",
        checkpoint=str(tmp_path / "one"),
        loss=dataclasses.replace(L2, w_norm=0.01),
        validation=config.data,
        validation_images=8,
    )
    train(later, tmp_path / "two")
    one, two = (network_of_run(tmp_path / run)[0] for run in ("one", "two"))
    first, second = one.encoders[0].state_dict(), two.encoders[0].state_dict()
    assert _equal(dict(first), dict(second))  # batch statistics included
    assert two.encoders[1].config.in_channels == 6
    rows = _rows(tmp_path / "two")
    assert any(row.get("w_norm", 0) > 0 for row in rows)
    assert any(row.get("validation_total", 0) > 0 for row in rows)
    assert _size(tmp_path / "two" / "samples-000000024.png") == (
        3 * 16,
        8 * 16,
    )  # input, stage 1, stage 2; the damaged one of the first eight gives way to the next
    path = export(tmp_path / "two", tmp_path / "two.safetensors")
    assert e2style.load(path).invert(torch.zeros(1, 3, 16, 16)).shape == (1, 6, 512)
    third = dataclasses.replace(
        later,
        model=dataclasses.replace(config.model, stages=3),
        stage=3,
        checkpoint=str(path),
        images=4,
    )
    train(third, tmp_path / "three")


@pytest.mark.parametrize("ema_images", [0, 8])
def test_a_resumed_stage_ends_as_an_uninterrupted_one(config, stop_after, tmp_path, ema_images):
    config = dataclasses.replace(config, ema_images=ema_images)
    train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "halves", progress=stop_after(8))
    # Threads and reports may differ between the halves.
    train(dataclasses.replace(config, workers=0, report_images=8), tmp_path / "halves")
    assert _equal(_final(tmp_path / "whole"), _final(tmp_path / "halves"))


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(config, tmp_path):
    config = dataclasses.replace(config, images=240, snapshot_images=24)
    train(config, tmp_path / "whole")
    program = (
        "import json, pathlib, sys\n"
        "from e2style.config import TrainConfig\n"
        "from e2style.settings import from_dict\n"
        "from e2style.training.loop import train\n"
        "train(from_dict(TrainConfig, json.loads(sys.argv[1])), pathlib.Path(sys.argv[2]))\n"
    )
    run = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", program, to_json(config), str(run)], cwd=ROOT)
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not TrainingState.snapshots(run):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = TrainingState.snapshots(run)[-1].name
    assert reached < "state-000000240.pt"  # killed in the middle
    train(config, run)
    assert _equal(_final(tmp_path / "whole"), _final(run))
    whole, killed = (
        [{k: v for k, v in row.items() if k != "images_per_second"} for row in _rows(r)]
        for r in (tmp_path / "whole", run)
    )
    assert [row["images"] for row in whole] == [row["images"] for row in killed]
    assert whole[-1] == killed[-1]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_train_and_resume(config, stop_after, tmp_path, precision):
    config = dataclasses.replace(config, precision=precision, accumulate=2, channels_last=False)
    train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "halves", progress=stop_after(8))
    train(config, tmp_path / "halves")
    whole = _final(tmp_path / "whole")
    assert _equal(whole, _final(tmp_path / "halves"))
    assert ("scaler" in whole) == (precision == "fp16")
    assert all(np.isfinite(row["total"]) for row in _rows(tmp_path / "whole"))


def test_noise_belongs_to_the_picture_and_not_to_the_batch(config):
    work = StageWork(config, ALONE)
    work.model.train()
    one = work.model._noise(torch.tensor([5, 6]))
    two = work.model._noise(torch.tensor([6, 9]))
    name = "convs.0.noise"
    assert torch.equal(one[name][1], two[name][0])
    assert not torch.equal(one[name][0], two[name][1])
    source, target, places = work.batch(0, 0)
    generated = []
    for mode in (True, False):
        work.model.train(mode)
        generated.append(work.model(source, target, places)["l2"].item())
    work.close()
    assert generated[0] != generated[1]


def test_pictures_may_be_compared_at_another_side_than_the_encoders(config, tmp_path):
    side = config.model.encoder.image_size // 2
    work = StageWork(dataclasses.replace(config, side=side, noise="stored"), ALONE)
    source, target, places = work.batch(0, 0)
    assert source.shape == target.shape == (config.batch, 3, side, side)
    objective = work.objective.eval()
    with torch.no_grad():
        generated = objective.network.synthesize(objective.network.invert(source), side)
        terms = objective(source, target, places)
    assert float(terms["l2"]) == pytest.approx(
        float((generated - target).square().mean()), rel=1e-4
    )
    assert {column.shape[-1] for column in work.columns()} == {side}
    work.close()


def test_only_a_stage_on_a_shipped_generator_is_exported_without_it(config, tmp_path):
    run = tmp_path / "run"
    train(dataclasses.replace(config, images=8), run)
    with pytest.raises(ConfigError, match="generator"):
        export(run, tmp_path / "alone.safetensors", encoder_only=True)
    later = dataclasses.replace(
        config,
        images=8,
        model=dataclasses.replace(config.model, stages=2),
        stage=2,
        generator="",
        checkpoint=str(run),
    )
    train(later, tmp_path / "two")
    with pytest.raises(ConfigError, match="encoder only"):
        export(tmp_path / "two", tmp_path / "alone.safetensors", encoder_only=True)
    assert not (tmp_path / "alone.safetensors").exists()


def test_only_the_trained_encoder_is_in_train_mode(config):
    work = StageWork(config, ALONE)
    work.model.train()
    network = work.model.network
    assert all(m.training for m in network.encoders[-1].modules())
    assert not any(m.training for m in network.generator.modules())
    work.close()


def test_validation_sees_all_pictures_whatever_the_batch(config):
    found = []
    for batch in (4, 5, 16):
        work = StageWork(
            dataclasses.replace(config, batch=batch, validation=config.data, task="denoising"),
            ALONE,
        )
        found.append([work.validate()["total"] for _ in range(2)])
        assert work.skipped == {"validation: f07.png"}
        work.close()
    assert found[0][0] == found[0][1]
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert found[2] == pytest.approx(found[0], rel=1e-5)


def test_validation_without_a_readable_picture_is_refused(config, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match="validation"):
        StageWork(dataclasses.replace(config, validation=str(tmp_path / "bad")), ALONE)


def test_bad_pictures_are_counted_in_the_report(config, tmp_path, caplog):
    train(config, tmp_path / "run")
    assert [row for row in _rows(tmp_path / "run") if "total" in row][-1]["skipped"] == 1
    assert caplog.text.count("f07.png is skipped") == 1


@pytest.mark.parametrize(
    "task", ["colorization", "denoising", "inpainting", "super_resolution", "paired"]
)
def test_two_steps_of_each_restoration(config, tmp_path, faces_zip, task):
    changes = {"source": str(faces_zip)} if task == "paired" else {"task": task}
    config = dataclasses.replace(config, images=8, snapshot_images=8, **changes)
    train(config, tmp_path / "run")
    assert _size(tmp_path / "run" / "samples-000000008.png")[0] == 3 * 16  # input, target, stage 1


@pytest.mark.parametrize(("task", "channels"), [("sketch", 1), ("segmentation", 4)])
def test_two_steps_of_each_translation_and_a_second_stage(config, tmp_path, task, channels):
    rng = np.random.default_rng(0)
    for folder, top in (("faces", 256), ("inputs", channels if channels > 1 else 256)):
        (tmp_path / folder).mkdir()
        for k in range(5):
            array = rng.integers(0, top, (20, 20), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / folder / f"{k}.png")
    encoder = dataclasses.replace(config.model.encoder, in_channels=channels)
    config = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, encoder=encoder),
        task=task,
        labels=4,
        data=str(tmp_path / "faces"),
        source=str(tmp_path / "inputs"),
        images=8,
        snapshot_images=8,
        flip=False,
    )
    train(config, tmp_path / "one")
    # The released code cannot refine what is no RGB image (its issue 19).
    two = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, stages=2),
        stage=2,
        generator="",
        checkpoint=str(tmp_path / "one"),
    )
    train(two, tmp_path / "two")
    assert _size(tmp_path / "two" / "samples-000000008.png") == (4 * 16, 5 * 16)
