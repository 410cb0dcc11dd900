"""Networks that judge: architectures, weights of others, training and resuming."""

import numpy as np
import pytest
import torch

from deephide.errors import CheckpointError, OutputError
from deephide.lab.neural import training
from deephide.lab.neural.architectures import ARCHITECTURES, build, high_pass_bank, parameters
from deephide.lab.neural.training import Training, device_of, fit, scores
from deephide.lab.neural.weights import load_into

CPU = torch.device("cpu")
TINY = Training(steps=4, pairs=2, crop=32, device="cpu")


def _pairs(count, side=32, seed=1):
    """Slopes, and the same with noise in half of the samples: plain to see."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        rows, columns = rng.uniform(-0.5, 0.5, 2)
        y, x = np.mgrid[:side, :side]
        cover = np.round(rng.uniform(95, 105) + rows * y + columns * x).astype(np.uint8)
        noise = rng.choice([-8, 0, 0, 8], cover.shape)
        found.append((cover, (cover + noise).astype(np.uint8)))
    return found


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("side", [32, 47])
def test_images_of_any_size_are_judged(name, side):
    network = build(name, 1).eval()
    with torch.inference_mode():
        assert network(torch.full((2, 1, side, side + 3), 9.0)).shape == (2, 2)


def test_srnet_has_the_layers_of_its_paper():
    """Boroumand et al. 2019, Fig. 1: widths of the twelve layers; 4.8 million weights."""
    widths = [(1, 64), (64, 16)]
    sizes = [9 * a * b + 2 * b for a, b in widths] + 5 * [2 * (9 * 16 * 16 + 2 * 16)]
    for old, new in ((16, 16), (16, 64), (64, 128), (128, 256)):
        sizes.append(9 * old * new + 9 * new * new + old * new + 3 * 2 * new)
    sizes.append(9 * 256 * 512 + 9 * 512 * 512 + 2 * 2 * 512 + 2 * 512 + 2)
    assert parameters(build("srnet", 1)) == sum(sizes) == 4_776_962


def test_yedroudj_net_has_the_layers_of_its_paper():
    """Yedroudj et al. 2018, Fig. 1: five blocks of 30 to 128 kernels, and 256, 1,024 and 2."""
    sizes = [
        k * k * old * new + 2 * new
        for k, old, new in ((5, 30, 30), (5, 30, 30), (3, 30, 32), (3, 32, 64), (3, 64, 128))
    ]
    sizes += [old * new + new for old, new in ((128, 256), (256, 1024), (1024, 2))]
    network = build("yedroudj", 1)
    assert parameters(network) == sum(sizes) == 444_610
    assert not next(network.parameters()).requires_grad


def test_pools_halve_and_the_first_layers_of_srnet_do_not():
    shapes = {}
    for name in ARCHITECTURES:
        network, seen = build(name, 1).eval(), []
        for layer in network:
            layer.register_forward_hook(lambda *found, seen=seen: seen.append(found[2].shape[-1]))
        with torch.inference_mode():
            network(torch.zeros(1, 1, 64, 64))
        shapes[name] = [size for size in dict.fromkeys(seen) if size >= 4]
    assert shapes == {"srnet": [64, 32, 16, 8, 4, 512], "yedroudj": [64, 32, 16, 8, 128, 256, 1024]}


def test_the_bank_is_blind_to_what_is_flat_or_slopes():
    bank = high_pass_bank()
    assert bank.shape == (30, 1, 5, 5)
    assert (bank.sum(axis=(1, 2, 3)) == 0).all()
    assert len({kernel.tobytes() for kernel in bank}) == 30
    y, x = np.mgrid[:5, :5]
    seen = np.array([[(kernel[0] * plane).sum() for plane in (y, x)] for kernel in bank])
    assert (seen[8:] == 0).all()  # of the second order and above
    assert (seen[:8] != 0).any(axis=1).all()
    assert sorted(np.abs(bank).max(axis=(1, 2, 3)).astype(int).tolist()) == sorted(
        8 * [1] + 4 * [2] + 8 * [3] + 5 * [4] + 5 * [12]
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_obvious_embedding_is_learnt(name, tmp_path):
    options = Training(steps=16, pairs=3, crop=32, device="cpu")
    network = fit(name, _pairs(12), _pairs(2, seed=2), options, 1, tmp_path / "s.pt")
    unseen = _pairs(8, seed=3)
    covers, stegos = (scores(network, side, CPU) for side in zip(*unseen, strict=True))
    assert covers.max() < stegos.min()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_channels_side_by_side_learn_the_same(name):
    batch = training._batch(_pairs(4), TINY, 1, 0).double()
    plain, placed = (build(name, 1).double().train() for _ in range(2))
    training._place(placed, CPU)
    inner = [each.weight for each in placed.modules() if isinstance(each, torch.nn.Conv2d)][1:]
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in inner)
    for network in (plain, placed):
        optimizer = training._optimizer(name, network)
        for _ in range(2):
            training._step(network, optimizer, batch, CPU)
    for key, value in plain.state_dict().items():
        assert torch.allclose(value, placed.state_dict()[key], rtol=1e-6, atol=1e-9), key


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_stopped_training_ends_with_the_same_network(name, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_SHORTEST", 2)
    pairs, checked = _pairs(5), _pairs(2, seed=2)
    whole = fit(name, pairs, checked, TINY, 1, tmp_path / "whole.pt")

    def stop(done, _):
        if done == 2:
            raise _StoppedError

    path, seen = tmp_path / "parts.pt", []
    with pytest.raises(_StoppedError):
        fit(name, pairs, checked, TINY, 1, path, progress=stop)
    again = fit(name, pairs, checked, TINY, 1, path, progress=lambda *at: seen.append(at))
    assert seen == [(3, 4), (4, 4)]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_other_settings_do_not_go_on(tmp_path):
    pairs = _pairs(3)
    fit("yedroudj", pairs, pairs, TINY, 1, tmp_path / "s.pt")
    with pytest.raises(OutputError, match="other settings: seed, start"):
        fit("yedroudj", pairs, pairs, TINY, 2, tmp_path / "s.pt")


def test_a_pair_has_one_crop_one_turn_and_one_reflection(monkeypatch):
    pairs = [(cover, cover + 1) for cover, _ in _pairs(4, side=48)]
    batches = [training._batch(pairs, TINY, 1, step).numpy() for step in range(8)]
    assert batches[0].shape == (4, 1, 32, 32)
    for batch in batches:
        assert (batch[1::2] - batch[::2] == 1).all()
    first = [batch[0, 0] for batch in batches]
    assert len({each.tobytes() for each in first}) > 4


def test_a_curriculum_starts_from_the_network_before(tmp_path):
    pairs = _pairs(3)
    easy = fit("yedroudj", pairs, pairs, TINY, 1, tmp_path / "easy.pt")
    none = Training(steps=0, device="cpu")
    kept = fit("yedroudj", pairs, pairs, none, 1, tmp_path / "none.pt", start=easy)
    for key, value in easy.state_dict().items():
        assert torch.equal(value, kept.state_dict()[key]), key
    assert not (tmp_path / "none.pt").exists()


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_others_are_told_by_their_shapes(name, wrapped, tmp_path):
    theirs = build(name, 7)
    state = {f"layer{k}": each for k, each in enumerate(theirs.state_dict().values())}
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, tmp_path / "w.pt")
    ours = build(name, 1)
    load_into(ours, tmp_path / "w.pt")
    for key, value in theirs.state_dict().items():
        if value.dim():
            assert torch.equal(value, ours.state_dict()[key]), key


def test_a_snapshot_gives_the_network_that_was_kept(tmp_path):
    pairs = _pairs(3)
    kept = fit("yedroudj", pairs, pairs, TINY, 1, tmp_path / "s.pt")
    snapshot = torch.load(tmp_path / "s.pt", weights_only=True)
    for each in snapshot["network"].values():
        each.zero_()  # what the last step left is not what is kept
    torch.save(snapshot, tmp_path / "s.pt")
    ours = build("yedroudj", 2)
    load_into(ours, tmp_path / "s.pt")
    for key, value in kept.state_dict().items():
        if value.dim():
            assert torch.equal(value, ours.state_dict()[key]), key


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("yedroudj", {0: 1e-2, 40_499: 1e-2, 40_500: 1e-3, 81_000: 1e-4, 121_500: 1e-5}),
        ("srnet", {0: 1e-3, 119_999: 1e-3, 120_000: 1e-4}),
    ],
)
def test_rates_fall_where_the_authors_let_them(name, rates):
    recipe = training._RECIPES[name]
    assert {at: pytest.approx(recipe.rate_at(at / 150_000)) for at in rates} == rates


def test_constant_kernels_may_be_missing_or_of_their_own_scale(tmp_path):
    state = build("yedroudj", 7).state_dict()
    first = next(iter(state))
    rest = {key: value for key, value in state.items() if key != first}
    torch.save(rest, tmp_path / "without.pt")
    torch.save({**state, first: state[first] / 4}, tmp_path / "scaled.pt")
    for path, part in (("without.pt", 1), ("scaled.pt", 4)):
        ours = build("yedroudj", 1)
        load_into(ours, tmp_path / path)
        assert torch.equal(ours.state_dict()[first] * part, torch.from_numpy(high_pass_bank()))


def _bad_files(folder):
    (folder / "text").write_text("no weights")
    torch.save([1, 2], folder / "list")
    torch.save({"a": 1}, folder / "numbers")
    torch.save(build("srnet", 1).state_dict(), folder / "other")
    state = build("yedroudj", 1).state_dict()
    torch.save(dict(list(state.items())[:-2]), folder / "short")
    torch.save(torch.nn.Linear(2, 2), folder / "pickled")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("missing", "cannot be read: No such file"),
        ("text", "no state dict of PyTorch"),
        ("list", "no state dict of PyTorch"),
        ("numbers", "no state dict of PyTorch"),
        ("pickled", "no state dict of PyTorch"),
        ("other", r"belong to another network: tensor 0 is \(64, 1, 3, 3\), not \(30, 1, 5, 5\)"),
        ("short", "belong to another network: they have 30 tensors, not 32"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(file, message, tmp_path):
    _bad_files(tmp_path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_into(build("yedroudj", 1), tmp_path / file)
    assert "\n" not in str(caught.value)


def test_a_damaged_snapshot_is_named(tmp_path):
    pairs = _pairs(3)
    torch.save({"step": 3}, tmp_path / "s.pt")
    with pytest.raises(CheckpointError, match="is of no training"):
        fit("yedroudj", pairs, pairs, TINY, 1, tmp_path / "s.pt")


def test_unknown_networks_and_devices_are_refused():
    with pytest.raises(ValueError, match="allowed: srnet, yedroudj"):
        build("xunet", 1)
    with pytest.raises(Exception, match="device: 'nonsense'"):
        device_of("nonsense")
    assert device_of("auto").type in ("cpu", "cuda")
