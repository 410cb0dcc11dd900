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
from e2style import zoo
from e2style.config import LossConfig, TrainConfig, to_json
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.models.inversion import InversionNetwork
from e2style.training.assemble import assemble, network_of_run, start_from_backbone
from e2style.training.export import export
from e2style.training.loop import train
from e2style.training.ranks import Ranks
from e2style.training.stage import StageWork
from e2style.training.state import TrainingState

L2 = LossConfig(l2=1.0, lpips=0.0, identity=0.0, parsing=0.0)
ROOT = Path(__file__).resolve().parents[2]
ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture
def generator(tiny, tmp_path):
    """A model file, whose generator is the frozen one."""
    torch.manual_seed(7)
    network = InversionNetwork(tiny)
    network.generator.seed_noise(7)
    network.w_avg.normal_()
    path = tmp_path / "generator.safetensors"
    zoo.save(path, network)
    return str(path)


@pytest.fixture
def config(tiny, faces_zip, generator):
    return TrainConfig(
        model=tiny,
        loss=L2,
        stage=1,
        generator=generator,
        data=str(faces_zip),
        images=24,
        batch=4,
        optimizer="ranger",
        schedule="constant",
        warmup_images=0,
        ema_images=8,
        precision="fp32",
        snapshot_images=8,
        report_images=4,
        workers=2,
        threads=1,
        balance=False,
    )


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


class _Stop:
    def __init__(self, images):
        self.images = images

    def __call__(self, done, total):
        if done > self.images:
            raise KeyboardInterrupt


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
        7 * 16,
    )  # input, stage 1, stage 2; one of the first eight is damaged
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": ""}, "generator: stage 1"),
        ({"stage": 2, "model": 2}, "checkpoint: stage 2"),
        ({"stage": 3, "model": 3, "checkpoint": "generator"}, "has 1 stages"),
        ({"loss": dataclasses.replace(L2, rate=1.0)}, "rate"),
    ],
)
def test_a_stage_without_what_it_builds_on_is_refused(config, tmp_path, changes, message):
    if "model" in changes:
        changes |= {"model": dataclasses.replace(config.model, stages=changes["model"])}
    if "checkpoint" in changes:
        changes |= {"checkpoint": config.generator}
    with pytest.raises(ConfigError, match=message):
        train(dataclasses.replace(config, **changes), tmp_path / "run")


def test_another_generator_than_configured_is_refused(config, tmp_path):
    smaller = dataclasses.replace(config.model.generator, channel_max=4)
    model = dataclasses.replace(config.model, generator=smaller)
    with pytest.raises(ConfigError, match=r"model\.generator"):
        train(dataclasses.replace(config, model=model), tmp_path / "run")
    with pytest.raises(CheckpointError):
        train(
            dataclasses.replace(
                config,
                checkpoint=str(tmp_path),
                stage=2,
                model=dataclasses.replace(config.model, stages=2),
            ),
            tmp_path / "two",
        )


@pytest.mark.parametrize("ema_images", [0, 8])
def test_a_resumed_stage_ends_as_an_uninterrupted_one(config, tmp_path, ema_images):
    config = dataclasses.replace(config, ema_images=ema_images)
    train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "halves", progress=_Stop(8))
    # Threads and reports may differ between the halves.
    train(dataclasses.replace(config, workers=0, report_images=8), tmp_path / "halves")
    assert _equal(_final(tmp_path / "whole"), _final(tmp_path / "halves"))


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(config, tmp_path):
    config = dataclasses.replace(config, images=240, snapshot_images=24)
    train(config, tmp_path / "whole")
    program = (
        "import json, pathlib, sys\n"
        "from e2style.config import TrainConfig, from_dict\n"
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


@pytest.mark.slow
def test_two_processes_follow_the_curve_of_one(config, tmp_path):
    config = dataclasses.replace(config, images=48, accumulate=1, validation=config.data, seed=3)
    curves = []
    for world in (1, 2):
        run = tmp_path / f"world{world}"
        preset = tmp_path / f"world{world}.toml"
        preset.write_text(_toml(config))
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        # The dashes keep torchrun from reading --run as one of its own options.
        start += ["--nproc_per_node", str(world), "-m", "--", "cli.e2style_app"]
        train_it = ["train", "--preset", str(preset), "--data", config.data, "--run", str(run)]
        train_it += ["--generator", config.generator, "--validation", config.validation]
        done = subprocess.run(
            [*start, *train_it], cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("state-000000048.pt") == 1
        curves.append([row for row in _rows(run) if "total" in row or "validation_total" in row])
    assert len(curves[0]) == len(curves[1]) == 13
    for one, two in zip(*curves, strict=True):
        for key in set(one) - {"images_per_second", "skipped"}:
            assert two[key] == pytest.approx(one[key], rel=2e-3, abs=1e-5), key


def _toml(config):
    """The settings of the test as a preset."""
    lines, tables = [], []
    for key, value in json.loads(to_json(config)).items():
        (tables if isinstance(value, dict) else lines).append((key, value))
    text = "".join(f"{k} = {json.dumps(v)}\n" for k, v in lines)
    for key, table in tables:
        text += _table(key, table)
    return text


def _table(name, table):
    plain = {k: v for k, v in table.items() if not isinstance(v, dict)}
    text = f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in plain.items())
    for key, value in table.items():
        if isinstance(value, dict):
            text += _table(f"{name}.{key}", value)
    return text


def test_a_batch_is_shared_without_gaps(config):
    config = dataclasses.replace(config, batch=12, accumulate=3)
    seen = []
    for part in range(3):
        for rank in range(2):
            seen += Ranks(rank, 2, torch.device("cpu")).share(100, config, part)
    assert seen == list(range(100, 112))


def test_an_uneven_batch_is_refused(config, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="3 processes"):
        train(config, tmp_path / "run")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_train_and_resume(config, tmp_path, precision):
    config = dataclasses.replace(config, precision=precision, accumulate=2, channels_last=False)
    train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "halves", progress=_Stop(8))
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
    painted = []
    for mode in (True, False):
        work.model.train(mode)
        painted.append(work.model(source, target, places)["l2"].item())
    work.close()
    assert painted[0] != painted[1]


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
        assert work.skipped == 1  # the damaged one, counted once
        work.close()
    assert found[0][0] == found[0][1]
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert found[2] == pytest.approx(found[0], rel=1e-5)


def test_validation_without_a_readable_picture_is_refused(config, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_bytes(b"")
    work = StageWork(dataclasses.replace(config, validation=str(tmp_path / "bad")), ALONE)
    with pytest.raises(DataError):
        work.validate()
    work.close()


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
    # The released code cannot refine what is no RGB picture (its issue 19).
    two = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, stages=2),
        stage=2,
        checkpoint=str(tmp_path / "one"),
    )
    train(two, tmp_path / "two")
    assert _size(tmp_path / "two" / "samples-000000008.png") == (4 * 16, 5 * 16)


def test_the_trunk_starts_from_a_recogniser(tmp_path, tiny):
    encoder_config = dataclasses.replace(tiny.encoder, units=(3, 4, 14))
    model = dataclasses.replace(tiny, encoder=encoder_config)
    torch.manual_seed(1)
    donor = InversionNetwork(model).encoders[0]
    from e2style import official

    state = {
        official.trunk_key(key): value
        for key, value in donor.state_dict().items()
        if key.startswith(("stem", "groups"))
    }
    torch.save(state | {"output_layer.0.weight": torch.zeros(1)}, tmp_path / "backbone.pth")
    torch.manual_seed(2)
    network = InversionNetwork(dataclasses.replace(model, stages=2))
    for stage, taken in ((0, ("stem", "groups")), (1, ("groups",))):
        encoder = network.encoders[stage]
        before = {k: v.clone() for k, v in encoder.state_dict().items()}
        start_from_backbone(encoder, tmp_path / "backbone.pth")
        for key, value in encoder.state_dict().items():
            wanted = donor.state_dict()[key] if key.startswith(taken) else before[key]
            assert torch.equal(value, wanted), key
    state.pop("body.0.res_layer.1.weight")
    torch.save(state, tmp_path / "backbone.pth")
    with pytest.raises(CheckpointError, match=r"body\.0\.res_layer\.1\.weight"):
        start_from_backbone(network.encoders[0], tmp_path / "backbone.pth")


def test_the_start_depends_on_the_seed_alone(config):
    a, b = assemble(config), assemble(config)
    other = assemble(dataclasses.replace(config, seed=1))
    key = "encoders.0.stem.0.weight"
    assert torch.equal(a.state_dict()[key], b.state_dict()[key])
    assert not torch.equal(a.state_dict()[key], other.state_dict()[key])
