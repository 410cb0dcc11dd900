"""Promises of the loop around its steps: clipping, validation, counting, examples."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from e2style.checkpoints.networks import load_state
from e2style.errors import CheckpointError
from e2style.models.mobilefacenet import MobileFaceNet
from e2style.models.small_parser import ParsingEncoder
from e2style.training import loop
from e2style.training.assemble import assemble
from e2style.training.loop import train
from e2style.training.stage import StageWork
from e2style.training.state import TrainingState


def _rows(run):
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_gradients_are_clipped_to_the_norm_that_is_set(config, tmp_path, monkeypatch, clip):
    def plain(_, model):
        """Steps as long as the gradient."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        return torch.optim.SGD([{"params": parameters, "factor": 1.0}], lr=1.0)

    monkeypatch.setattr(loop, "make_optimizer", plain)
    config = dataclasses.replace(config, images=4, lr=1.0, ema_images=0, clip=clip)
    train(config, tmp_path / "run")
    snapshot = TrainingState.snapshots(tmp_path / "run")[-1]
    after = torch.load(snapshot, weights_only=True)["parts"]["model"]
    start = assemble(config).encoders[-1].named_parameters()
    moved = sum((after[name] - value).double().square().sum() for name, value in start) ** 0.5
    norm = _rows(tmp_path / "run")[-1]["norm"]
    assert norm > 0.01
    assert moved.item() == pytest.approx(clip or norm, rel=1e-3)


def test_a_run_stopped_while_validating_loses_no_row(config, tmp_path, monkeypatch):
    config = dataclasses.replace(config, validation=config.data, validation_images=8)
    validate = StageWork.validate

    def stopped(work):
        monkeypatch.setattr(StageWork, "validate", validate)
        raise KeyboardInterrupt

    monkeypatch.setattr(StageWork, "validate", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run")
    train(config, tmp_path / "run")
    rows = _rows(tmp_path / "run")
    assert [row["images"] for row in rows if "validation_total" in row] == [8, 16, 24]


def _png(seed):
    array = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(array).save(data, "PNG")
    return data.getvalue()


def test_what_was_skipped_is_still_counted_after_an_interruption(config, tmp_path):
    class Stop:
        def __call__(self, done, total):
            if done > 12:
                raise KeyboardInterrupt

    config = dataclasses.replace(config, snapshot_images=12)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", progress=Stop())
    with zipfile.ZipFile(config.data, "w") as archive:  # the damaged one is whole again
        for k in range(12):
            archive.writestr(f"f{k:02d}.png", _png(k))
    train(config, tmp_path / "run")
    assert [row for row in _rows(tmp_path / "run") if "total" in row][-1]["skipped"] == 1


def test_examples_are_the_first_pictures_that_can_be_read(config, tmp_path):
    (tmp_path / "faces").mkdir()
    for k in range(12):
        content = b"no picture" if k < 9 else _png(k)
        (tmp_path / "faces" / f"{k:02d}.png").write_bytes(content)
    config = dataclasses.replace(config, validation=str(tmp_path / "faces"), images=8)
    train(config, tmp_path / "run")
    with Image.open(tmp_path / "run" / "samples-000000008.png") as picture:
        assert picture.size == (2 * 16, 3 * 16)
    row = [row for row in _rows(tmp_path / "run") if "total" in row][-1]
    assert row["skipped"] >= 9


def test_feature_networks_that_are_damaged_are_refused(tmp_path):
    path = tmp_path / "face_parsing_unet.npz"
    state = {k: v.numpy() for k, v in ParsingEncoder().state_dict().items()}
    np.savez(path, **state)
    loaded = load_state(ParsingEncoder(), path).state_dict()
    assert all(np.array_equal(loaded[key], value) for key, value in state.items())
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", b"no archive", whole[:-100], whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"face_parsing_unet\.npz"):
            load_state(ParsingEncoder(), path)
    key = next(iter(state))
    for odd in (np.zeros(3, np.float32), np.array(["a"]), np.array([None])):
        np.savez(path, **(state | {key: odd}))
        with pytest.raises(CheckpointError, match=r"face_parsing_unet\.npz"):
            load_state(ParsingEncoder(), path)
    np.savez(path, **state)
    with pytest.raises(CheckpointError, match="missing"):
        load_state(MobileFaceNet(), path)
