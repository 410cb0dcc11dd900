"""The members of the family: their sizes against the paper's tables, and that they run."""

import dataclasses

import pytest
import torch

from e2style.architectures import ROWS, psp, released
from e2style.config import EncoderConfig, InversionConfig
from e2style.errors import ConfigError
from e2style.models.counting import count_parameters
from e2style.models.encoder import build_encoder
from e2style.models.heads import ConvHeads, shrinking_convs
from e2style.models.inversion import InversionNetwork

_ONE = 84_920_896
# One of pSp's fine heads: six 3 x 3 convolutions and an EqualLinear, all 512 wide.
_FINE_HEAD = 6 * (512 * 512 * 9 + 512) + 512 * 512 + 512
# What a pyramid of width 256 adds to taps of 64 and 128 channels: laterals, the convolutions behind
# the sums, and wider heads (pools 3 and 5, rows 4 and 5).
_PYRAMID = (
    (64 + 128 + 2) * 256
    + 2 * (256 * 256 * 9 + 256)
    + 192 * (3 * 3 * 4 * 512 + 2)
    + 128 * (5 * 5 * 5 * 512 + 2)
)
# Live parameters of the encoders of one network of a row, found independently of this program.
EXACT = {
    "pSp": 267_136_704,
    "e4e": 267_136_704,
    "ReStyle": 205_585_792,
    "IDGI-Encoder": 165_326_848,
    "E2Style-1Stage": _ONE,
    "E2Style-1Stage-C": 86_876_032,
    "E2Style-2Stage": 169_843_520,
    "E2Style-3Stage": 254_766_144,
    "E2Style-2Stage*": 169_843_520,
    "IDGI": 165_326_848,
    "DNI": 267_136_704,  # each of two pSp encoders
    "(a)": 59_162_816,
    "(b)": 262_171_328,
    "(c)": 133_351_616,
    "(d)": _ONE,
    "(e)": 237_802_688,
    "(f)": _ONE,  # (f) to (h) change the losses alone
    "(g)": _ONE,
    "(h)": _ONE,
    "(d) with pyramid": _ONE + _PYRAMID,
    "pSp, cats and horses": 267_136_704 - 4 * _FINE_HEAD,
    "pSp, cars": 267_136_704 - 2 * _FINE_HEAD,
    "IDGI, cats and horses": 165_326_848,
    "IDGI, cars": 200_986_624,
    "E2Style, cats and horses": 85_180_992,
    "E2Style, cars": 94_815_808,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.table} {row.row}")
def test_every_param_column_of_the_paper(row):
    counts = count_parameters(row.config)
    assert round(row.networks * counts["counted"] / 1e6) == row.millions
    assert counts["encoder"] == EXACT[row.row]
    assert counts["counted"] <= counts["encoder"] <= counts["stored"]


def test_the_ways_of_counting_differ_where_the_released_files_do():
    for stages, live, stored in ((1, 98_028_096, 111_241_792), (2, 196_057_920, 222_485_312)):
        counts = count_parameters(released(stages))
        assert (counts["encoder"], counts["stored"]) == (live, stored)
        assert counts["generator"] == 30_370_060
    assert count_parameters(psp())["counted"] == 262_408_896  # without 18 EqualLinear layers


SMALL = EncoderConfig(image_size=16, widths=(4, 6, 8), units=(1, 1, 1), pools=(1, 1, 2))
WAYS = {
    "pooled": dataclasses.replace(SMALL, split=(1, 1, 4)),
    "one tap": dataclasses.replace(SMALL, split=(0, 0, 6)),
    "conv": dataclasses.replace(SMALL, split=(1, 1, 4), head="conv"),
    "shrinking": dataclasses.replace(SMALL, image_size=32, split=(1, 1, 4), head="shrinking"),
    "pyramid": dataclasses.replace(SMALL, split=(1, 1, 4), pyramid=8, pyramid_smooth=True),
    "psp": dataclasses.replace(SMALL, split=(0, 2, 4), head="conv", pyramid=8),
    "e4e": dataclasses.replace(SMALL, split=(0, 2, 4), head="conv", pyramid=8, deltas=True),
    "idgi": dataclasses.replace(SMALL, split=(0, 0, 6), trunk="idgi"),
    "sketch": dataclasses.replace(SMALL, split=(1, 1, 4), in_channels=1),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_encoder_runs_and_learns_from_its_input(way):
    config = WAYS[way]
    torch.manual_seed(0)
    encoder = build_encoder(config, 5).eval()
    side = config.image_size
    x = torch.rand(2, config.in_channels, side, side, requires_grad=True)
    codes = encoder(x)
    assert codes.shape == (2, 6, 5)
    codes.square().sum().backward()
    assert x.grad.abs().sum() > 0
    # Every parameter takes part: nothing is stored that never runs.
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []
    apart = torch.cat([encoder(x[:1]), encoder(x[1:])])
    torch.testing.assert_close(apart, codes)
    last = encoder.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.contiguous(memory_format=torch.channels_last)), codes)


def test_rows_of_e4e_are_offsets_from_the_first():
    torch.manual_seed(1)
    plain, deltas = build_encoder(WAYS["psp"], 5), build_encoder(WAYS["e4e"], 5)
    deltas.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 16, 16)
    wanted = plain.eval()(x)
    wanted[:, 1:] += wanted[:, :1].clone()
    torch.testing.assert_close(deltas.eval()(x), wanted)


def test_the_pyramid_adds_enlarged_deeper_maps():
    torch.manual_seed(1)
    pyramid = build_encoder(WAYS["psp"], 5).pyramid
    shallow, deep = torch.rand(1, 6, 4, 4), torch.rand(1, 8, 2, 2)
    levels = pyramid([shallow, deep])
    assert torch.equal(levels[1], deep)  # as wide as the pyramid: goes through
    position = torch.linspace(0, 1, 4)
    rows = deep[:, :, :1] + position[:, None] * (deep[:, :, 1:] - deep[:, :, :1])
    larger = rows[..., :1] + position * (rows[..., 1:] - rows[..., :1])
    torch.testing.assert_close(levels[0], larger + pyramid.laterals[0](shallow))


def test_continuous_convolutions_end_at_the_size_of_the_pool():
    for side, pool, strides in ((32, 7, [2, 2]), (64, 5, [2, 2, 2, 1]), (128, 3, [2] * 5)):
        layers = shrinking_convs(2, side, pool)
        assert [layer.stride[0] for layer in layers[::2]] == strides
        assert layers(torch.rand(1, 2, side, side)).shape[-1] == pool


def _network(tiny, **changes):
    torch.manual_seed(2)
    network = InversionNetwork(dataclasses.replace(tiny, **changes)).eval()
    network.w_avg.normal_()
    return network


def test_restyle_refines_the_mean_face_with_one_encoder(tiny):
    network = _network(tiny, iterations=3)
    assert len(network.encoders) == 1
    x = torch.rand(2, 3, 16, 16)
    codes = network.w_avg.expand(2, -1, -1)
    for steps in (1, 2, 3):
        generated = network.generator(codes)
        codes = codes + network.encoders[0](torch.cat([x, generated], 1))
        torch.testing.assert_close(network.invert(x, steps), codes)
    assert torch.equal(network.invert(x), network.invert(x, 3))


def test_a_stage_without_residual_starts_over(tiny):
    x = torch.rand(2, 3, 16, 16)
    for residual in (True, False):
        network = _network(tiny, stages=2, residual=residual)
        first = network.invert(x, 1)
        second = network.encoders[1](torch.cat([x, network.generator(first)], 1))
        start = first if residual else network.w_avg
        torch.testing.assert_close(network.invert(x), start + second)


def test_wrong_members_are_refused():
    for changes, message in (
        ({"head": "none"}, "encoder.head"),
        ({"trunk": "vgg"}, "encoder.trunk"),
        ({"image_size": 100}, "multiple of 8"),
        ({"units": (1,)}, "equally long"),
        ({"split": (9, 9, 0)}, "last group must have a tap"),
    ):
        with pytest.raises(ConfigError, match=message):
            dataclasses.replace(EncoderConfig(), **changes)
    with pytest.raises(ConfigError, match="one encoder"):
        InversionConfig(iterations=5, stages=2)


def test_convolutional_heads_learn_as_they_predict(monkeypatch):
    torch.manual_seed(1)
    heads = ConvHeads(6, 8, codes=2, dim=16).to(memory_format=torch.channels_last)
    x = torch.randn(3, 6, 8, 8, requires_grad=True)
    found, gradients = {}, {}
    for mode in (True, False):
        heads.train(mode)
        found[mode] = heads(x)
        of = [x, *heads.parameters()]
        gradients[mode] = torch.autograd.grad(found[mode].square().sum(), of)
    torch.testing.assert_close(found[True], found[False])
    for products, convolutions in zip(gradients[True], gradients[False], strict=True):
        torch.testing.assert_close(products, convolutions, rtol=1e-4, atol=1e-5)
    heads.train()
    monkeypatch.setattr(torch.nn.Conv2d, "forward", None)  # maps this small need none
    heads(x)
