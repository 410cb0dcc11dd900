"""The objective of the paper, term by term, against the official code and against definitions."""

import dataclasses

import numpy as np
import pytest
import torch
from e2style_vectors import expected, filled, needs_vectors, pictures
from torch import nn

from e2style.config import LossConfig
from e2style.errors import CheckpointError, ConfigError
from e2style.losses.mesh import MeshLoss
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.losses.perceptual import LatentNormLoss, PixelLoss
from e2style.training.feature_networks import load_losses
from e2style.training.work import Terms


class Levels(nn.Module):
    """Two feature levels that are easy to follow."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        return [y, torch.relu(y).mean((2, 3))]


def segmenter(folder):
    """A factory as `module:factory` names it."""
    assert folder.is_dir()
    return Levels()


OFF = LossConfig(l2=0, lpips=0, identity=0, parsing=0)


@pytest.fixture
def pair():
    source = torch.Generator().manual_seed(1)
    return torch.rand(2, 2, 3, 16, 16, generator=source).mul(2).sub(1).unbind(0)


@pytest.mark.weights
@pytest.mark.slow
@needs_vectors
def test_every_term_is_that_of_the_official_code(tmp_path):
    for kind, name in (
        ("ir_se50", "model_ir_se50.pth"),
        ("parsing_unet", "parsing.pth"),
        ("alexnet", "alexnet.pth"),
    ):
        torch.save(filled(kind), tmp_path / name)
    wanted = expected()
    target = pictures(wanted)
    generated = (0.9 * target.roll(7, 3) + 0.05).clamp(-1, 1)
    losses = load_losses(LossConfig(), tmp_path)
    assert list(losses) == ["l2", "lpips", "identity", "parsing"]
    with torch.inference_mode():
        for term, key in (("identity", "id_features_loss"), ("parsing", "parse_features_loss")):
            found = losses[term].levels(generated, target).double().numpy()
            # Level by level. The vectors are 1 - cosine in float32, four steps of which at 1 are
            # 2.4e-7; the deepest parsing levels (1.6e-4 and 2.7e-5) are no better known.
            np.testing.assert_allclose(found, wanted[key], rtol=1e-4, atol=2.4e-7)
            total = losses[term](generated, target).item()
            assert total == pytest.approx(wanted[key].sum(), rel=1e-4)
        assert losses["l2"](generated, target).item() == pytest.approx(wanted["l2"], rel=1e-5)
        lpips = losses["lpips"](generated, target).item()
        assert lpips == pytest.approx(wanted["lpips_per_image"].mean(), rel=1e-4)


def test_the_default_weights_are_those_of_equation_6():
    config = LossConfig()
    assert (config.l2, config.lpips, config.identity, config.parsing) == (1.0, 0.8, 0.5, 1.0)
    assert config.segmentation == config.w_norm == config.rate == 0


def test_levels_are_one_minus_cosine(pair):
    generated, target = pair
    loss = MultiLayerCosineLoss(Levels())
    with torch.no_grad():
        got, wanted = loss.features(generated), loss.features(target)
        cosines = [
            1 - torch.cosine_similarity(a.flatten(1), b.flatten(1)).mean()
            for a, b in zip(got, wanted, strict=True)
        ]
    torch.testing.assert_close(loss.levels(generated, target), torch.stack(cosines))
    assert loss(target, target).item() == 0


def test_nearly_parallel_features_do_not_cancel():
    direction = torch.randn(1, 1000, generator=torch.Generator().manual_seed(2))
    other = torch.randn(1, 1000, generator=torch.Generator().manual_seed(3))
    a, b = direction, direction + 1e-4 * other

    class Same(nn.Module):
        def forward(self, x):
            return [x]

    loss = MultiLayerCosineLoss(Same())
    exact = 1 - torch.cosine_similarity(a.double(), b.double()).item()
    assert loss(a, b).item() == pytest.approx(exact, rel=1e-3)
    assert exact < 1e-7


def test_gradients_reach_the_painting_and_not_the_target(pair):
    generated, target = (x.clone().requires_grad_() for x in pair)
    terms = Terms({"l2": PixelLoss(), "identity": MultiLayerCosineLoss(Levels())})
    terms.requires_grad_(False)
    found = terms(generated, target.detach())
    (found["l2"] + found["identity"]).backward()
    assert generated.grad.abs().sum() > 0
    assert target.grad is None
    assert all(p.grad is None for p in terms.parameters())


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_the_mesh_loss_is_the_power_of_what_repeats(period):
    at = torch.arange(64) * 2 * torch.pi / period
    wave = 0.1 * torch.cos(at)[:, None] * torch.cos(at)
    target = torch.rand(1, 3, 64, 64) - 0.5
    loss = MeshLoss()(target + wave, target)
    torch.testing.assert_close(loss, wave.square().mean())


def test_the_mesh_loss_sees_neither_light_nor_what_repeats_elsewhere():
    target = torch.rand(1, 3, 64, 64) - 0.5
    assert MeshLoss()(target + 0.1, target) < 1e-12
    wave = 0.1 * torch.cos(torch.arange(64) * 2 * torch.pi / 64 * 5)  # five in four cells
    assert MeshLoss()(target + wave, target) < 1e-12


def test_w_norm_is_the_length_of_the_offset():
    codes = torch.zeros(2, 3, 4)
    codes[0, 0, 0], codes[1] = 3.0, 1.0
    w_avg = torch.zeros(3, 4)
    w_avg[0, 1] = 4.0
    lengths = [5.0, (11 + 9) ** 0.5]
    found = LatentNormLoss()(codes, w_avg).item()
    assert found == pytest.approx(sum(lengths) / 2)


def test_any_subset_of_terms(tmp_path):
    assert load_losses(OFF, tmp_path) == {}
    assert list(load_losses(dataclasses.replace(OFF, l2=2.0), tmp_path)) == ["l2"]
    given = load_losses(dataclasses.replace(OFF, identity=1.0), tmp_path, {"identity": Levels()})
    assert list(given) == ["identity"]


def test_a_segmentation_network_is_plugged_in_by_name(tmp_path, pair, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "some_nets", __import__("types").ModuleType("x"))
    __import__("sys").modules["some_nets"].refinenet = segmenter
    config = dataclasses.replace(OFF, segmentation=1.0, segmentation_network="some_nets:refinenet")
    losses = load_losses(config, tmp_path)
    assert losses["segmentation"](*pair).item() > 0
    for name, message in (
        ("", "allowed are"),
        ("some_nets:missing", "missing"),
        ("no_such_module:x", "no_such_module"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_losses(dataclasses.replace(config, segmentation_network=name), tmp_path)


@pytest.mark.parametrize(
    ("term", "file"),
    [
        ("lpips", "alexnet.pth"),
        ("identity", "model_ir_se50.pth"),
        ("parsing", "parsing.pth"),
    ],
)
def test_a_missing_network_names_its_file(tmp_path, term, file):
    with pytest.raises(CheckpointError, match=file):
        load_losses(dataclasses.replace(OFF, **{term: 1.0}), tmp_path)


def test_shares_look_at_a_part_of_the_batch(pair):
    generated, target = pair
    terms = Terms({"l2": PixelLoss(), "parsing": PixelLoss()}, {"parsing": 0.5})
    found = terms(generated, target)
    assert found["l2"].item() == pytest.approx((generated - target).square().mean().item())
    half = (generated[:1] - target[:1]).square().mean().item()
    assert found["parsing"].item() == pytest.approx(half)
