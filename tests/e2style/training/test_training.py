import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import e2style
from e2style.data.faces import FaceSet
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.evaluation.sets import order0_entropy, reconstruct
from e2style.model import ModelCard
from e2style.training.export import export
from e2style.training.loop import train
from e2style.training.state import TrainingState

WEIGHTS = Path(__file__).resolve().parents[4] / "shared" / "weights"


def _final(run):
    path = TrainingState.snapshots(run)[-1]
    return torch.load(path, weights_only=True)["parts"]


def _assert_equal(a, b):
    assert a.keys() == b.keys()
    for key, value in a.items():
        if isinstance(value, dict):
            _assert_equal(value, b[key])
        elif isinstance(value, torch.Tensor):
            assert torch.equal(value, b[key]), key


def test_a_resumed_run_ends_as_an_uninterrupted_one(train_config, stop_after, tmp_path):
    train(train_config, tmp_path / "whole")
    # The first half ends in a snapshot; the schedule knows the full length from the start.
    stop = stop_after(12)
    with pytest.raises(KeyboardInterrupt):
        train(train_config, tmp_path / "halves", progress=stop)
    train(train_config, tmp_path / "halves")
    _assert_equal(_final(tmp_path / "whole"), _final(tmp_path / "halves"))
    rows = [
        (tmp_path / name / "stats.jsonl").read_text().splitlines() for name in ("whole", "halves")
    ]
    for whole, halves in zip(*rows, strict=True):
        a, b = json.loads(whole), json.loads(halves)
        assert a["images"] == b["images"]


def test_training_lowers_the_loss(train_config, tmp_path):
    config = dataclasses.replace(
        train_config, images=400, report_images=40, snapshot_images=40, lr=3e-3
    )
    train(config, tmp_path / "run")
    rows = [json.loads(r) for r in (tmp_path / "run" / "stats.jsonl").read_text().splitlines()]
    assert rows[-1]["l2"] < 0.7 * rows[0]["l2"]
    assert (tmp_path / "run" / "samples-000000400.png").exists()


def test_a_frozen_generator_stays_as_it_was(train_config, trained, tmp_path):
    before = _final(trained)["average"]
    config = dataclasses.replace(train_config, init=str(trained), train_generator=False)
    train(config, tmp_path / "encoder")
    after = _final(tmp_path / "encoder")["model"]
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved
    assert not any(key.startswith("network.generator.") for key in moved)


def test_a_folder_of_another_config_is_not_overwritten(train_config, trained):
    with pytest.raises(ConfigError, match="loss"):
        train(
            dataclasses.replace(
                train_config, loss=dataclasses.replace(train_config.loss, rate=1e-3)
            ),
            trained,
        )


def test_damaged_pictures_are_named_and_skipped(faces_zip, caplog):
    faces = FaceSet(faces_zip, 16)
    assert len(faces) == 11
    assert faces.skipped == ["f07.png"]
    assert "f07.png" in caplog.text


def test_data_that_is_no_data_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("no picture")
    with pytest.raises(DataError):
        FaceSet(tmp_path / "note.txt", 16)
    with pytest.raises(DataError):
        FaceSet(tmp_path, 16)


def test_sampling_balances_the_groups(tmp_path):
    from PIL import Image

    for name in ("a/1.png", "b/1.png", "b/2.png", "b/3.png", "b/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    weights = FaceSet(tmp_path, 16).weights(balance=True)
    assert weights.tolist() == pytest.approx([1.0, 0.5, 0.5, 0.5, 0.5])


def test_an_exported_model_inverts_and_paints(trained, faces_zip, tmp_path):
    path = export(trained, tmp_path / "tiny.safetensors")
    model = e2style.load(path)
    faces = FaceSet(faces_zip, 256)
    found = reconstruct(model, faces)
    assert found.integers.shape == (11, 6, 512)
    assert found.generated.shape == (11, 256, 256, 3)
    assert np.isfinite(found.psnr).all()
    assert (found.ssim <= 1).all()
    assert (found.ideal_bits > 0).all()
    codes = model.invert(torch.zeros(1, 3, 256, 256))
    assert codes.shape == (1, 6, 512)
    assert model.synthesize(codes).shape == (1, 3, 16, 16)


def test_order0_entropy_is_that_of_the_histogram():
    code = np.repeat(np.array([0, 0, 1, -1], np.int32), 128).reshape(1, 1, 512)
    assert order0_entropy(code)[0] == pytest.approx(512 * 1.5)


def test_integers_do_not_depend_on_the_number_of_threads(trained, tmp_path):
    model = e2style.load(export(trained, tmp_path / "tiny.safetensors"))
    x = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = torch.get_num_threads()
    codes = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            codes.append(model.invert(x))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*codes)


def test_export_of_an_empty_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError):
        export(tmp_path, tmp_path / "x.safetensors")


def test_a_damaged_snapshot_gives_way_to_the_one_before(train_config, trained):
    older, newest = TrainingState.snapshots(trained)
    wanted = _final(trained)
    newest.write_bytes(newest.read_bytes()[:1000])
    log = trained / "stats.jsonl"
    log.write_text(log.read_text()[:-9])
    train(train_config, trained)
    _assert_equal(_final(trained), wanted)
    for path in TrainingState.snapshots(trained):
        path.write_bytes(b"no snapshot")
    with pytest.raises(CheckpointError):
        train(train_config, trained)
    assert older.exists()


def test_a_diverging_run_stops_before_it_saves(train_config, tmp_path):
    with pytest.raises(ConfigError, match="diverged"):
        train(dataclasses.replace(train_config, lr=1e30, warmup_images=1), tmp_path / "run")
    assert not TrainingState.snapshots(tmp_path / "run")


def test_images_are_counted_along_the_chain_of_runs(train_config, trained, tmp_path):
    card = ModelCard("t", "", "", 0, "", {}, "", "", "")
    run = tmp_path / "next"
    train(dataclasses.replace(train_config, init=str(trained)), run)
    assert e2style.load(export(run, tmp_path / "m.safetensors", card)).card.images_seen == 48


@pytest.mark.weights
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no feature networks")
def test_identity_and_parsing_losses_train(train_config, tmp_path):
    loss = dataclasses.replace(
        train_config.loss,
        identity=0.1,
        parsing=0.1,
        identity_network="mobilefacenet",
        parsing_network="small_unet",
    )
    config = dataclasses.replace(
        train_config, loss=loss, feature_networks=str(WEIGHTS), precision="bf16", images=8
    )
    train(config, tmp_path / "run")
    row = json.loads((tmp_path / "run" / "stats.jsonl").read_text().splitlines()[-1])
    assert 0 < row["identity"] < 10
    assert 0 < row["parsing"] < 6


def test_snapshots_are_limited_in_number(trained):
    assert len(TrainingState.snapshots(trained)) == 2
    assert not list(trained.glob("*.partial"))


def test_epochs_are_counted_in_images_of_the_data(train_config, tmp_path):
    config = dataclasses.replace(train_config, epochs=1)
    state = train(config, tmp_path / "run")
    assert state.name == "state-000000012.pt"  # twelve images, one of them damaged


def test_a_run_of_before_a_setting_was_added_goes_on(train_config, tmp_path):
    run = tmp_path / "run"
    train(dataclasses.replace(train_config, images=12), run)
    stored = json.loads((run / "config.json").read_text())
    del stored["fit"], stored["epochs"]
    (run / "config.json").write_text(json.dumps(stored))
    assert train(train_config, run).name == "state-000000024.pt"
