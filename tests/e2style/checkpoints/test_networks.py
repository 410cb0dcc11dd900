"""The feature networks of the losses: their files, and their numbers against the official code."""

import re

import pytest
import torch
import torch.nn.functional as F
from e2style_vectors import expected, filled, needs_vectors, pictures, relative

from e2style.checkpoints.kinds import read_feature_network
from e2style.checkpoints.networks import (
    LPIPS_HEADS,
    load_irse50,
    load_lpips,
    load_network,
    load_parsing_unet,
    save_network,
)
from e2style.errors import CheckpointError
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.models.alexnet import LPIPS, AlexNet, LPIPSHeads
from e2style.models.irse50 import IRSE50
from e2style.models.parsing_unet import ParsingUNet

PARAMETERS = {IRSE50: 43_797_696, ParsingUNet: 1_944_355, AlexNet: 2_469_696, LPIPSHeads: 1_152}


@pytest.fixture(scope="module")
def pair():
    wanted = expected()
    a = pictures(wanted)
    return a, (0.9 * a.roll(7, 3) + 0.05).clamp(-1, 1), wanted


def test_the_networks_have_the_known_sizes():
    for kind, count in PARAMETERS.items():
        with torch.device("meta"):
            assert sum(p.numel() for p in kind().parameters()) == count


@pytest.mark.weights
@pytest.mark.slow
@needs_vectors
@pytest.mark.parametrize(
    ("kind", "key", "load"),
    [
        ("ir_se50", "id_features_loss", load_irse50),
        ("parsing_unet", "parse_features_loss", load_parsing_unet),
    ],
)
def test_feature_levels_at_full_size(tmp_path, pair, kind, key, load):
    a, b, wanted = pair
    torch.save(filled(kind), tmp_path / "net.pth")
    network = load(tmp_path / "net.pth")
    with torch.inference_mode():
        levels = [
            float(1 - torch.cosine_similarity(x.flatten(1), y.flatten(1)).double().mean())
            for x, y in zip(network(a), network(b), strict=True)
        ]
        total = float(MultiLayerCosineLoss(network)(a, b))
    assert relative(levels, wanted[key]) < 1e-4
    assert relative([total], wanted[key].sum(keepdims=True)) < 1e-4


@pytest.mark.weights
@needs_vectors
def test_lpips_is_that_of_the_lpips_package(tmp_path, pair):
    a, b, wanted = pair
    torch.save(filled("alexnet"), tmp_path / "alexnet.pth")
    network = load_lpips(tmp_path / "alexnet.pth")
    with torch.inference_mode():
        assert relative(network(a, b), wanted["lpips_per_image"]) < 1e-4
        places = network(a, b, spatial=True)
    assert places.shape == (2, 1, 256, 256)
    levels = zip(network.features(a), network.features(b), network.heads.weights, strict=True)
    wanted = sum(
        F.interpolate(torch.einsum("bchw,c->bhw", (x - y) ** 2, weight)[:, None], (256, 256),
                      mode="bilinear")
        for x, y, weight in levels
    )  # fmt: skip
    torch.testing.assert_close(places, wanted, rtol=1e-4, atol=1e-6)


def test_lpips_takes_half_precision():
    torch.manual_seed(0)
    network = LPIPS(AlexNet(), LPIPSHeads()).eval()
    a, b = torch.rand(2, 2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        wanted = network(a, b)
        network.half()
        a[0] = b[0] = 0.0  # equal
        found = network(a.half(), b.half())
        assert found.dtype == torch.float32
        assert found[0] == 0
        torch.testing.assert_close(found[1], wanted[1], rtol=0.02, atol=1e-4)
        network.net.convs[0].bias.mul_(3000.0)  # whose squares are infinite in half precision
        assert network(a.half(), b.half()).isfinite().all()


def test_shipped_heads_are_weights_per_channel():
    heads = load_network(LPIPS_HEADS)
    assert isinstance(heads, LPIPSHeads)
    assert all((weight >= 0).all() for weight in heads.weights)


def _alexnet_state():
    with torch.device("cpu"):
        sizes = [(64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3)]
    state = {}
    for number, (o, i, k) in zip((0, 3, 6, 8, 10), sizes, strict=True):
        state[f"features.{number}.weight"] = torch.randn(o, i, k, k)
        state[f"features.{number}.bias"] = torch.randn(o)
    return state


def test_a_classifier_may_be_left_over(tmp_path):
    state = _alexnet_state() | {"classifier.1.weight": torch.zeros(2, 2)}
    torch.save(state, tmp_path / "alexnet.pth")
    network = load_network(tmp_path / "alexnet.pth")
    assert torch.equal(network.convs[1].weight, state["features.3.weight"])


def test_wrong_keys_name_themselves(tmp_path):
    path = tmp_path / "alexnet.pth"
    for key, value, message in (
        ("features.8.bias", None, "alexnet: key 'features.8.bias' is missing"),
        ("features.8.bias", torch.zeros(3), "'features.8.bias' has shape (3,), needs (256,)"),
        ("features.9.bias", torch.zeros(3), "alexnet: key 'features.9.bias' is not known"),
    ):
        state = _alexnet_state()
        if value is None:
            del state[key]
        else:
            state[key] = value
        torch.save(state, path)
        with pytest.raises(CheckpointError, match=re.escape(message)):
            load_network(path)


def test_files_of_another_kind_are_refused(tmp_path):
    heads = {f"lin{k}.model.1.weight": torch.ones(1, n, 1, 1) for k, n in enumerate(_WIDTHS)}
    torch.save(heads, tmp_path / "heads.pth")
    with pytest.raises(CheckpointError, match="holds LPIPSHeads, not IRSE50"):
        load_irse50(tmp_path / "heads.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="no network that is known"):
        load_network(tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(CheckpointError, match="not a model file"):
        load_network(tmp_path / "text.pth")
    with pytest.raises(CheckpointError, match="Linear"):
        save_network(tmp_path / "x.safetensors", torch.nn.Linear(1, 1))


_WIDTHS = (64, 192, 384, 256, 256)


def test_networks_survive_their_own_files(tmp_path):
    network = read_feature_network("alexnet", _alexnet_state())
    save_network(tmp_path / "alexnet.safetensors", network)
    again = load_network(tmp_path / "alexnet.safetensors")
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    with pytest.raises(CheckpointError, match="not a network file"):
        load_network(_default_file())


def _default_file():
    from importlib import resources

    return str(resources.files("e2style.weights") / "face256.safetensors")


def test_the_parser_labels_every_pixel():
    torch.manual_seed(0)
    network = ParsingUNet().eval()
    with torch.inference_mode():
        assert network.parse(torch.zeros(1, 3, 32, 32)).shape == (1, 19, 32, 32)
        assert [tuple(x.shape[1:]) for x in network(torch.zeros(1, 3, 32, 32))] == [
            (16, 16, 16), (32, 8, 8), (64, 4, 4), (128, 2, 2), (256, 2, 2),
        ]  # fmt: skip
