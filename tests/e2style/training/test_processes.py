"""Training on several processes."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from e2style.errors import ConfigError
from e2style.settings import to_json
from e2style.training.loop import train
from e2style.training.ranks import Ranks
from e2style.training.state import TrainingState

ROOT = Path(__file__).resolve().parents[3]


def _rows(run):
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


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


def _torchrun(*arguments, world=2):
    """Run something on several processes; returns what it printed."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*start, "--nproc_per_node", str(world), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_joint_training_on_two_processes_uses_and_counts_as_one_does(train_config, tmp_path):
    # Neither the mapping network nor the layers above the side have a gradient.
    generator = dataclasses.replace(train_config.model.generator, mapping_layers=2)
    model = dataclasses.replace(train_config.model, generator=generator)
    config = dataclasses.replace(train_config, model=model, side=8, validation=train_config.data)
    (tmp_path / "joint.toml").write_text(_toml(config))
    run = tmp_path / "run"
    said = _torchrun(
        "-m", "--", "cli.e2style_app", "train", "--preset", tmp_path / "joint.toml",
        "--data", config.data, "--run", run, "--json",
    )  # fmt: skip
    assert json.loads(said)["skipped"] == 2  # the damaged one, in the data and in the validation
    snapshots = TrainingState.snapshots(run)
    first, last = (torch.load(s, weights_only=True)["parts"]["model"] for s in snapshots)
    moved = {key for key in first if not torch.equal(first[key], last[key])}
    assert "network.generator.up_convs.0.conv.weight" in moved
    assert not any("mapping" in key or "to_rgbs.1" in key for key in moved)


NORMS = """
import os, sys
import torch
import torch.distributed as dist
from torch import nn
from e2style.training.ranks import Ranks, SharedBatchNorm, share_batch_norms

dist.init_process_group("gloo")
rank = dist.get_rank()
ranks = Ranks(rank, 2, torch.device("cpu"))
for norm, shape in ((nn.BatchNorm1d(5), (6, 5)), (nn.BatchNorm2d(5), (6, 5, 3, 4))):
    torch.manual_seed(1)
    nn.init.normal_(norm.weight)
    x = torch.randn(shape, requires_grad=True)
    weight = torch.randn(shape)
    (norm(x) * weight).sum().backward()
    whole = nn.Sequential(type(norm)(5))
    whole[0].load_state_dict({k: v for k, v in norm.state_dict().items()})
    whole[0].reset_running_stats()
    share_batch_norms(whole, ranks)
    assert isinstance(whole[0], SharedBatchNorm)
    mine = slice(3 * rank, 3 * rank + 3)
    part = x.detach()[mine].clone().requires_grad_()
    (whole(part) * weight[mine]).sum().backward()
    torch.testing.assert_close(part.grad, x.grad[mine], rtol=1e-4, atol=1e-5)
    for key, value in norm.state_dict().items():
        torch.testing.assert_close(whole[0].state_dict()[key], value, rtol=1e-4, atol=1e-5)
    for eager in (norm, whole):
        eager.eval()
    torch.testing.assert_close(whole(part), norm(x)[mine], rtol=1e-4, atol=1e-5)
assert ranks.union({str(rank)}) == {"0", "1"}
ranks.agree(7, "run")
print("fine", flush=True)
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_batch_norms_of_rows_and_maps_see_the_whole_batch(tmp_path):
    (tmp_path / "norms.py").write_text(NORMS)
    assert _torchrun(tmp_path / "norms.py").count("fine") == 2
