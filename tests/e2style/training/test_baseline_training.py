"""Training of the paper's baselines: ReStyle's steps, and e4e's critic and open rows."""

import dataclasses

import numpy as np
import pytest
import torch

import e2style
from e2style.config import LossConfig
from e2style.errors import ConfigError, DataError
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.training.assemble import network_of_run
from e2style.training.export import export
from e2style.training.loop import train
from e2style.training.ranks import Ranks
from e2style.training.runlog import last_row
from e2style.training.stage import StageWork
from e2style.training.state import TrainingState

ALONE = Ranks(0, 1, torch.device("cpu"))


def _model(config, **changes):
    encoder = {k: changes.pop(k) for k in ("deltas", "head") if k in changes}
    model = dataclasses.replace(config.model, **changes)
    return dataclasses.replace(model, encoder=dataclasses.replace(model.encoder, **encoder))


@pytest.fixture
def restyle(config):
    return dataclasses.replace(config, model=_model(config, iterations=3), noise="stored")


@pytest.fixture
def e4e(config, tmp_path):
    codes = np.random.default_rng(0).normal(2, 1, (20, 6, 512)).astype(np.float32)
    np.save(tmp_path / "codes.npy", codes)
    return dataclasses.replace(
        config,
        model=_model(config, deltas=True),
        loss=dataclasses.replace(config.loss, adversarial=0.1, delta=2e-4),
        latents=str(tmp_path / "codes.npy"),
        critic_lr=1e-3,
        progressive_start=4,
        progressive_images=4,
    )


def test_restyle_learns_and_is_exported_whole(restyle, tmp_path):
    long = dataclasses.replace(restyle, images=240, lr=2e-3, report_images=40, snapshot_images=240)
    with torch.random.fork_rng():
        train(long, tmp_path / "run")
    rows = (tmp_path / "run" / "stats.jsonl").read_text().splitlines()
    first, last = (float(row.split('"total": ')[1].split(",")[0]) for row in (rows[0], rows[-1]))
    assert last < 0.85 * first
    model = e2style.load(export(tmp_path / "run", tmp_path / "restyle.safetensors"))
    assert model.config.iterations == 3
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    assert not torch.equal(model.invert(x, 1), model.invert(x, 3))


def test_steps_of_restyle_send_no_gradient_into_each_other(restyle):
    work = StageWork(restyle, ALONE)
    source, target, places = work.batch(0, 0)
    encoder = work.trained
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    work.model.train()
    work.model(source, target, places)["l2"].backward()
    found = [p.grad.clone() for p in encoder.parameters()]

    encoder.load_state_dict(before)
    encoder.zero_grad()
    network, codes = work.objective.network, work.objective.network.w_avg.expand(4, -1, -1)
    for _ in range(3):
        generated = network.synthesize(codes)
        codes = codes.detach() + encoder(torch.cat([source, generated.detach()], 1))
        (torch.nn.functional.mse_loss(network.synthesize(codes), target) / 3).backward()
    for mine, wanted in zip(found, (p.grad for p in encoder.parameters()), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-3, atol=1e-6)
    work.close()


def test_rows_of_e4e_open_one_by_one(e4e):
    work = StageWork(e4e, ALONE)
    opened = []
    for images in range(0, 24, 4):
        source, *_ = work.batch(images, 0)
        work.trained.eval()
        codes = work.trained(source)
        apart = (codes != codes[:, :1]).any(2).any(0)
        opened.append(int(apart.sum()))
        assert apart[1 : opened[-1] + 1].all()  # in order
        assert work.average.open_rows == opened[-1]
    assert opened == [0, 1, 2, 3, 4, 5]
    work.close()


def test_the_critic_of_e4e_tells_codes_apart_and_resumes(e4e, stop_after, tmp_path):
    e4e = dataclasses.replace(e4e, images=40, snapshot_images=20)
    train(e4e, tmp_path / "whole")
    row = last_row(tmp_path / "whole")
    assert row["adversarial"] > 0.7  # ln 2 where the critic cannot tell
    assert row["delta"] > 0
    with pytest.raises(KeyboardInterrupt):
        train(e4e, tmp_path / "halves", progress=stop_after(20))
    train(e4e, tmp_path / "halves")
    whole, halves = (
        torch.load(TrainingState.snapshots(tmp_path / run)[-1], weights_only=True)["parts"]
        for run in ("whole", "halves")
    )
    for part in ("model", "critic"):
        for key, value in whole[part].items():
            assert torch.equal(halves[part][key], value), key
    network, _ = network_of_run(tmp_path / "whole")
    assert network.encoders[0].open_rows == 5


def test_the_critic_takes_codes_of_the_mapping_network(e4e, tmp_path):
    from e2style.checkpoints.saving import save
    from e2style.models.inversion import InversionNetwork

    generator = dataclasses.replace(e4e.model.generator, mapping_layers=2)
    model = dataclasses.replace(e4e.model, generator=generator)
    torch.manual_seed(0)
    save(tmp_path / "mapped.safetensors", InversionNetwork(model))
    mapped = dataclasses.replace(
        e4e, model=model, generator=str(tmp_path / "mapped.safetensors"), latents=""
    )
    work = StageWork(mapped, ALONE)
    rows = work.critic._draw(8, 4)
    assert rows.shape == (8, 512)
    assert torch.equal(rows, work.critic._draw(8, 4))
    assert not torch.equal(rows, work.critic._draw(8, 8))
    shared = [StageWork(mapped, Ranks(k, 2, torch.device("cpu"))) for k in (0, 1)]
    drawn = torch.cat([w.critic._draw(4, 4) for w in shared])
    torch.testing.assert_close(drawn, rows)  # two processes see what one would
    for used in (work, *shared):
        used.close()


def test_settings_of_e4e_without_effect_are_refused(e4e, tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((3, 512), np.float32))
    for changes, error, message in (
        ({"model": _model(e4e, deltas=False)}, ConfigError, "deltas"),
        ({"latents": ""}, ConfigError, "maps no z"),
        ({"latents": str(tmp_path / "none.npy")}, DataError, "latents"),
        ({"latents": str(tmp_path / "flat.npy")}, DataError, "shape"),
        ({"progressive_images": 8}, ConfigError, "last row would open"),
    ):
        with pytest.raises(error, match=message):
            StageWork(dataclasses.replace(e4e, **changes), ALONE)
    with pytest.raises(ConfigError, match=r"loss\.adversarial"):
        dataclasses.replace(e4e, stage=0, generator="", latents="")
    with pytest.raises(ConfigError, match="latents"):
        dataclasses.replace(e4e, loss=LossConfig())


def test_the_single_identity_loss_is_the_last_level():
    levels = [torch.rand(2, 3, 4, 4), torch.rand(2, 5)]
    features = torch.nn.Module()
    features.forward = lambda x: [level + x.mean() for level in levels]
    both = MultiLayerCosineLoss(features)
    single = MultiLayerCosineLoss(both.features, single=True)
    a, b = torch.rand(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    assert single.levels(a, b).tolist() == both.levels(a, b)[1:].tolist()


def test_single_identity_is_a_setting(tmp_path):
    from e2style.training.feature_networks import load_losses

    config = LossConfig(l2=0, lpips=0, parsing=0, identity=1.0, identity_single=True)
    network = torch.nn.Identity()
    losses = load_losses(config, tmp_path, {"identity": network})
    assert losses["identity"].first == -1
