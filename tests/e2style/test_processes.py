"""Training on several processes."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from e2style.config import to_json
from e2style.errors import ConfigError
from e2style.training.loop import train
from e2style.training.ranks import Ranks

ROOT = Path(__file__).resolve().parents[2]


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
