"""Gradient steps on codes: the image comes closer, for bits that are worth it."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from e2style.applications.refining import _Price, refine
from e2style.errors import CheckpointError, ConfigError
from e2style.images import to_tensor
from e2style.losses.structure import StructureLoss
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import fit_quantizer
from e2style.training.feature_networks import load_identity

DEVICE = torch.device("cpu")


class _NoIdentity(nn.Module):
    def forward(self, generated, target):
        return F.mse_loss(generated, target) * 0


@pytest.fixture
def network(tiny):
    torch.manual_seed(0)
    return InversionNetwork(tiny).eval().requires_grad_(False)


@pytest.fixture
def quantizer(network):
    shape = network.w_avg.shape
    codes = np.random.default_rng(0).normal(0, 2, (300, *shape)).astype(np.float32)
    return fit_quantizer(codes, step=0.5)


def _error(network, quantizer, codes, image):
    sent = torch.from_numpy(quantizer.dequantise(quantizer.quantise(codes)))
    target = to_tensor([image], image.width)
    with torch.no_grad():
        shown = network.synthesize(sent)
    return float(F.mse_loss(shown, target) + StructureLoss()(shown, target))


def _image(network):
    side = network.config.generator.size
    y, x = np.mgrid[0:side, 0:side] / side
    levels = np.stack([255 * x, 255 * y, 128 + 100 * np.sin(9 * x)], 2)
    return Image.fromarray(levels.astype(np.uint8))


def test_what_is_sent_comes_closer(network, quantizer):
    image = _image(network)
    codes = np.random.default_rng(1).normal(0, 2, (1, *network.w_avg.shape)).astype(np.float32)
    found = refine(network, quantizer, [image], codes, 30, _NoIdentity())
    assert found.shape == codes.shape
    assert found.dtype == np.float32
    assert _error(network, quantizer, found, image) < 0.97 * _error(
        network, quantizer, codes, image
    )
    again = refine(network, quantizer, [image], codes, 30, _NoIdentity())
    assert np.array_equal(found, again)


def test_identity_counts(network, quantizer):
    class Brightness(nn.Module):
        def forward(self, generated, target):
            return 1000 * (generated.mean() - 0.3).square()

    codes = np.zeros((1, *network.w_avg.shape), np.float32)
    image = [_image(network)]
    means = []
    for identity in (_NoIdentity(), Brightness()):
        found = refine(network, quantizer, image, codes, 30, identity)
        sent = torch.from_numpy(quantizer.dequantise(quantizer.quantise(found)))
        with torch.no_grad():
            means.append(abs(float(network.synthesize(sent).mean()) - 0.3))
    assert means[1] < means[0]


def test_a_price_is_that_of_the_tables(quantizer):
    rows = len(quantizer.w_avg)
    price = _Price(quantizer, rows, DEVICE)
    integers = np.random.default_rng(2).integers(-3, 4, quantizer.w_avg.shape)
    exact = quantizer.ideal_bits(integers[None].astype(np.int32))[0]
    values = torch.from_numpy(integers).float()
    assert float(price(values)) == pytest.approx(exact, rel=1e-5)
    half = price(values + 0.5)
    after = quantizer.ideal_bits(integers[None].astype(np.int32) + 1)[0]
    assert float(half) == pytest.approx((exact + after) / 2, rel=1e-5)


def test_rows_that_are_not_sent_stay(tiny):
    generator = dataclasses.replace(
        tiny.generator, size=64, style_dim=8, mapping_layers=0, channel_base=256, channel_max=8,
        base_side=4, base_rows=1, base_channels=24, base_styles=True,
    )  # fmt: skip
    torch.manual_seed(0)
    encoder = dataclasses.replace(tiny.encoder, split=(0, 0, generator.n_codes))
    config = dataclasses.replace(tiny, generator=generator, encoder=encoder, stages=0)
    network = InversionNetwork(config).eval().requires_grad_(False)
    shape = network.w_avg.shape
    codes = np.random.default_rng(0).normal(0, 2, (50, *shape)).astype(np.float32)
    quantizer = fit_quantizer(codes, step=0.5)
    image = [_image(network)]
    found = refine(network, quantizer, image, codes[:1], 2, _NoIdentity())
    assert np.array_equal(found[0, 1:], codes[0, 1:])


def test_bad_requests(network, quantizer, tmp_path):
    with pytest.raises(ConfigError, match="steps"):
        refine(network, quantizer, [_image(network)], np.zeros((1, 2, 3)), 0, _NoIdentity())
    with pytest.raises(CheckpointError, match=r"neither mobilefacenet\.npz nor model_ir_se50\.pth"):
        load_identity(tmp_path)
