"""Rows behind a base that say the styles of layers, and light and colours."""

import dataclasses

import pytest
import torch

from e2style.applications.mixing import MIX_PRESETS, mix, with_styles
from e2style.applications.rows import parse_rows
from e2style.checkpoints.loading import load_model
from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.errors import DataError
from e2style.model import InversionModel
from e2style.models.inversion import InversionNetwork
from e2style.models.styled_base import FIRST_ROW, RATE_ROW, PhaseToRGB, StyledBaseGenerator

CONFIG = GeneratorConfig(
    size=256, style_dim=32, mapping_layers=0, channel_base=1024, channel_max=8, base_side=16,
    base_rows=2, base_channels=24, base_styles=True,
)  # fmt: skip
SMALL = dataclasses.replace(CONFIG, size=64, base_side=4, base_rows=1)


def made(config):
    torch.manual_seed(0)
    generator = StyledBaseGenerator(config).eval().requires_grad_(False)
    generator.base.weight.normal_(std=10)
    generator.base.patches.normal_(std=0.1)
    generator.base.odd[::2] = True
    for module in generator.modules():
        if isinstance(module, PhaseToRGB):
            module.weight.normal_()
    generator.seed_noise(1)
    return generator


def codes_for(config):
    torch.manual_seed(1)
    drawn = torch.zeros(3, config.n_codes, config.style_dim)
    drawn[:, : config.base_rows] = torch.randn(3, config.base_rows, config.style_dim)
    drawn[:, RATE_ROW, 0] = torch.tensor([0.0, 0.5, 1.0])
    return drawn


@pytest.fixture(scope="module")
def generator():
    return made(CONFIG)


@pytest.fixture
def codes():
    return codes_for(CONFIG)


@pytest.mark.parametrize("config", [CONFIG, SMALL], ids=["own rows", "shared rows"])
def test_codes_that_say_their_styles_give_the_same_image(config):
    generator, codes = made(config), codes_for(config)
    told = generator.with_styles(codes)
    assert (told[:, FIRST_ROW:] != 0).any(2).all()
    assert torch.equal(told[:, :FIRST_ROW], codes[:, :FIRST_ROW])
    torch.testing.assert_close(generator(told), generator(codes), rtol=1e-4, atol=1e-4)
    assert torch.equal(generator.with_styles(told), told)


def test_every_layer_takes_what_its_row_says(generator, codes):
    told = generator.with_styles(codes)
    first = generator(told)
    for row in range(FIRST_ROW, CONFIG.n_codes):
        mixed = told.clone()
        mixed[:, row] = told.roll(1, 0)[:, row]
        assert (generator(mixed) - first).abs().amax((1, 2, 3)).min() > 1e-4


def test_one_row_brings_light_and_colours(generator, codes):
    """In soft fields: where the base image of the other is brighter, the image gets brighter."""
    told = generator.with_styles(codes)
    mixed = told.clone()
    mixed[:, generator.tone_row] = told.roll(1, 0)[:, generator.tone_row]
    other = codes.clone()
    other[:, 0] = codes.roll(1, 0)[:, 0]
    change = generator(mixed) - generator(told)
    wanted = generator.base(other) - generator.base(codes)
    fields, all_of_them = (torch.nn.functional.adaptive_avg_pool2d(x, 2) for x in (change, wanted))
    assert torch.corrcoef(torch.stack([fields.flatten(), all_of_them.flatten()]))[0, 1] > 0.95
    inner = change[..., 2:-2, 2:-2]  # as all that is doubled in size, it fades at the border
    steps = (inner[..., 1:] - inner[..., :-1]).abs().amax((1, 2, 3))
    assert (steps < 0.05 * inner.abs().amax((1, 2, 3))).all()


def test_fields_are_means_of_what_a_component_shows(generator):
    ones = torch.zeros(CONFIG.style_dim, CONFIG.base_rows, CONFIG.style_dim)
    ones[:, 0] = torch.eye(CONFIG.style_dim)
    shown = generator.base(ones) - generator.base(0 * ones[:1])
    wanted = torch.nn.functional.adaptive_avg_pool2d(shown, 4)
    torch.testing.assert_close(generator.base.fields(4), wanted, rtol=1e-3, atol=1e-4)


def test_what_was_kept_in_inference_serves_gradients(codes):
    fresh = made(CONFIG)
    with torch.inference_mode():
        fresh(codes)
        fresh.base.project(torch.zeros(1, 3, 128, 128))
    told = fresh.with_styles(codes).requires_grad_()
    fresh(told).square().sum().backward()
    assert told.grad[:, fresh.tone_row].any()
    assert not any(kept.is_inference() for kept in fresh.base._derived.values())
    assert len(fresh.base._derived) == 2


def test_what_is_said_stays_where_the_base_moves(generator, codes):
    moved = codes.clone()
    moved[:, 0] += 1
    told = generator.with_styles(codes)
    told[:, 0] += 1
    assert not torch.allclose(generator(told), generator(moved), atol=1e-3)


def test_the_mean_face_has_nothing_to_say(generator, codes):
    mean = codes.clone()
    mean[:, :RATE_ROW] = 0
    assert torch.equal(generator.with_styles(mean), mean)


def test_small_generators_have_no_row_for_light_and_colours():
    assert made(SMALL).tone_row is None and made(CONFIG).tone_row == 11


def test_codes_of_another_family_are_mixed_as_they_are(tiny):
    model = InversionModel(InversionNetwork(tiny), fingerprint=bytes(32))
    codes = torch.randn(2, model.n_codes, tiny.generator.style_dim).numpy()
    assert (with_styles(model, codes) == codes).all()
    with pytest.raises(DataError, match="codes: got shape"):
        with_styles(model, codes[:, 1:])


@pytest.mark.parametrize("preset", sorted(MIX_PRESETS))
def test_the_shipped_model_shows_light_and_colours_of_another_face(preset):
    model = load_model("face256")
    codes = model.network.w_avg.repeat(2, 1, 1)
    drawn = torch.randn(2, 40, generator=torch.Generator().manual_seed(0))
    codes[:, 0, :40] += drawn * model.network.generator.mapping.spread[:40]
    told = with_styles(model, codes.numpy())
    rows = parse_rows(MIX_PRESETS[preset], model.n_codes)
    mixed = torch.from_numpy(mix(told, told[::-1], rows))
    own, shown = model.synthesize(codes), model.synthesize(mixed)
    assert (own - model.synthesize(torch.from_numpy(told))).abs().max() < 1e-3
    assert (shown - own).square().mean((1, 2, 3)).min() > 4 * 10**-2.5  # 25 dB
    colours = (image.mean((2, 3)) for image in (own, shown, own.flip(0)))
    first, got, wanted = colours
    assert ((got - wanted).norm(dim=1) < 0.3 * (first - wanted).norm(dim=1)).all()


def test_a_network_of_the_family_inverts_without_saying_styles():
    """What is not said is free: rows behind the base stay zero, and are not sent."""
    torch.manual_seed(0)
    encoder = EncoderConfig(split=(0, 0, CONFIG.base_rows))
    config = InversionConfig(generator=CONFIG, encoder=encoder, stages=0)
    network = InversionNetwork(config).eval()
    model = InversionModel(network, fingerprint=bytes(32))
    found = model.invert(torch.rand(1, 3, 256, 256) * 2 - 1)
    assert not found[:, FIRST_ROW:].any()
