"""Priors of codes: fitting, drawing, and the way between two faces."""

import copy

import numpy as np
import pytest
import torch

import e2style
from e2style.applications import mixing, prior
from e2style.applications.sampling import sample
from e2style.checkpoints.networks import load_network, save_network
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.models.prior import CodePrior, PriorConfig
from e2style.training.prior import fit_prior

SMALL = PriorConfig(components=6, width=32, blocks=2)


@pytest.fixture(scope="module")
def model():
    return e2style.load()


@pytest.fixture(scope="module")
def shipped(model):
    found = prior.prior_of(model)
    assert found is not None
    return found


def _two_kinds(count):
    """Values of two clusters, which the mirror turns into four."""
    generator = torch.Generator().manual_seed(3)
    kinds = torch.tensor([[6.0, 4, 0, 0, 0, 0], [-6.0, 4, 0, 0, 0, 0]])
    chosen = torch.randint(2, (count,), generator=generator)
    return kinds[chosen] + 0.3 * torch.randn(count, 6, generator=generator)


@pytest.fixture(scope="module")
def fitted():
    odd = torch.tensor([False, True, False, False, False, False])
    return fit_prior(SMALL, _two_kinds(2000), odd, steps=1200, lr=3e-3)


def test_what_is_drawn_lies_where_the_faces_are(fitted):
    drawn = fitted.values(torch.randn(400, 6, generator=torch.Generator().manual_seed(1)))
    # Components drawn one by one would fill the space between the four clusters as well.
    assert (drawn[:, :2].abs() - torch.tensor([6.0, 4])).abs().mean() < 0.6
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        share = (drawn[:, :2].sign() == torch.tensor(signs)).all(1).float().mean()
        assert 0.15 < float(share) < 0.35


def test_the_flow_leads_back_to_the_noise(fitted):
    exact = copy.deepcopy(fitted).double()
    noise = torch.randn(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(exact.noise(exact.values(noise)), noise, atol=0.05)


def test_fitting_follows_from_the_seed():
    odd = torch.zeros(6, dtype=torch.bool)
    runs = [fit_prior(SMALL, _two_kinds(300), odd, steps=5, seed=seed) for seed in (4, 4, 5)]
    noise = torch.ones(1, 6)
    first, again, other = (run.values(noise) for run in runs)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_values_of_another_shape_are_refused():
    odd = torch.zeros(6, dtype=torch.bool)
    with pytest.raises(DataError, match=r"got shape \(3, 5\), needs \(N, 6\)"):
        fit_prior(SMALL, torch.zeros(3, 5), odd, steps=1)
    with pytest.raises(DataError, match="got shape"):
        fit_prior(SMALL, torch.zeros(0, 6), odd, steps=1)
    with pytest.raises(ConfigError, match="width: got 0"):
        PriorConfig(width=0)


def test_a_prior_is_a_file_like_other_networks(tmp_path, fitted):
    path = tmp_path / "prior.safetensors"
    save_network(path, fitted, half=True)
    loaded = load_network(path)
    assert isinstance(loaded, CodePrior)
    assert loaded.config == SMALL
    noise = torch.ones(2, 6)
    assert torch.allclose(loaded.values(noise), fitted.values(noise), atol=0.05)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError):
        load_network(path)


def test_drawn_codes_are_what_would_be_sent(model, shipped):
    codes = sample(model, [3, 4])
    assert codes.shape == (2, 14, 512)
    integers = model.quantizer.quantise(codes)
    assert np.array_equal(model.quantizer.dequantise(integers), codes)
    assert (integers[:, 0] != 0).sum(1).min() > 100
    assert not integers[:, 1:].any()
    assert np.array_equal(sample(model, [4]), codes[1:])
    assert np.array_equal(sample(model, [3], 0.0)[0], model.quantizer.w_avg)


def test_less_of_the_noise_is_nearer_to_the_mean_face(model, shipped):
    lengths = [
        np.linalg.norm(sample(model, [5], share)[0] - model.quantizer.w_avg)
        for share in (0.0, 0.4, 0.7, 1.0)
    ]
    assert lengths == sorted(lengths)
    assert lengths[0] == 0


def test_drawn_codes_have_the_spread_of_faces(model, shipped):
    own = sample(model, range(24))[:, 0] - model.quantizer.w_avg[0]
    faces = model.network.generator.mapping.spread.view(3, 512)[0].numpy()
    leading = slice(0, 100)
    ratio = np.sqrt((own[:, leading] ** 2).mean(0)).sum() / faces[leading].sum()
    assert 0.7 < ratio < 1.3


def test_the_way_between_two_faces_keeps_its_ends(model, shipped):
    first, last = sample(model, [1, 2], 0.8)
    codes = prior.between(shipped, first, last, 5)
    assert codes.shape == (5, 14, 512)
    assert np.array_equal(codes[0], first)
    assert np.array_equal(codes[-1], last)
    steps = np.linalg.norm(np.diff(codes[:, 0], axis=0), axis=1)
    whole = np.linalg.norm(last[0] - first[0])
    assert steps.max() < 0.7 * whole
    detailed = first.copy()
    detailed[1, 7], detailed[5, 7] = 9.0, 2.0
    fading = prior.between(shipped, detailed, last, 5)
    assert np.array_equal(fading[0], detailed)
    assert 9 > fading[1, 1, 7] > 1
    assert fading[2, 1, 7] == pytest.approx(0, abs=1e-5)
    assert fading[2, 5, 7] == pytest.approx(1)  # of the layers, on the straight line
    backwards = prior.between(shipped, last, first, 5)
    np.testing.assert_allclose(backwards[::-1], codes, atol=1e-2)
    with pytest.raises(ConfigError, match="frames: got 1"):
        prior.between(shipped, first, last, 1)


def test_halfway_is_not_the_mean_of_both(model, shipped):
    first, last = sample(model, [1, 2])
    curved = prior.between(shipped, first, last, 3)[1]
    straight = mixing.interpolate(first, last, 3)[1]
    images = [model.synthesize(torch.from_numpy(each)[None]) for each in (first, last)]
    mean = sum(images) / 2

    def psnr(code):
        shown = model.synthesize(torch.from_numpy(code)[None])
        return -10 * float(((shown - mean) / 2).square().mean().log10())

    assert psnr(straight) > 30 > psnr(curved)


def test_a_way_to_the_same_face_stays_there(model, shipped):
    (code,) = sample(model, [6], 0.8)
    codes = prior.between(shipped, code, code, 4)
    assert np.array_equal(codes[0], codes[-1])
    step = float(model.quantizer.step[0, 0])
    assert np.abs(codes[1] - code).mean() < step


def test_a_model_of_another_fingerprint_has_none(model):
    other = e2style.model.InversionModel(model.network, fingerprint=bytes(32))
    assert prior.prior_of(other) is None
