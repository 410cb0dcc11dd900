"""Accelerators without one: no mixed devices, no transfers, full precision where it matters."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from one_device import MixedDevicesError, OneDevice

import e2style.presets
from e2style import devices
from e2style.config import ConfigError, EncoderConfig, GeneratorConfig, LossConfig, TrainConfig
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.losses.perceptual import PixelLoss
from e2style.metrics.distributions import FeatureDistances
from e2style.model import InversionModel
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork
from e2style.models.mobilefacenet import MobileFaceNet
from e2style.models.ops import (
    computed_in,
    modulated_conv,
    modulated_conv_reference,
    polyphase_is_quicker,
)
from e2style.settings import load_toml
from e2style.training.noise import normal
from e2style.training.stage import StageObjective
from e2style.training.work import Terms

PRESETS = Path(e2style.presets.__file__).parent
PAPER = (
    "inversion_stage1", "inversion_stage2", "inversion_stage3", "psp", "e4e", "restyle", "idgi",
    "cats", "cars", "cats_segmentation_loss", "cars_segmentation_loss", "colorization",
    "denoising", "inpainting", "super_resolution", "sketch", "segmentation",
)  # fmt: skip
IDGI = EncoderConfig(
    image_size=16, trunk="idgi", widths=(4, 8), units=(1, 1), pools=(0, 7), split=(0, 6)
)
PSP = EncoderConfig(
    image_size=16, widths=(4, 4, 8), units=(1, 1, 1), pools=(0, 0, 7), split=(1, 2, 3),
    head="conv", pyramid=8,
)  # fmt: skip


def test_the_dispatcher_refuses_what_a_gpu_would():
    there, here = torch.ones(2, 2, device="meta"), torch.ones(2, 2)
    with OneDevice():
        there @ there
        here @ here
        for mixture in (lambda: there @ here, lambda: there + here, lambda: there[here.long()]):
            with pytest.raises((MixedDevicesError, RuntimeError)):
                mixture()
        with pytest.raises((MixedDevicesError, RuntimeError)):
            there.sum().item()


@pytest.mark.parametrize("encoder", [None, IDGI, PSP])
@pytest.mark.parametrize("stages", [1, 2])
def test_inversion_stays_on_its_device(tiny, encoder, stages):
    config = dataclasses.replace(tiny, encoder=encoder or tiny.encoder, stages=stages)
    model = InversionModel(InversionNetwork(config), fingerprint=bytes(32), device="meta")
    images = torch.zeros(2, 3, 32, 32, device="meta")
    for _ in range(2):
        with OneDevice() as mode:
            faces = model.synthesize(model.invert(images))
        assert faces.shape == (2, 3, 16, 16)
    assert mode.operations > 50
    assert mode.uploads == []  # constants went there the first time


def _objective(tiny, **settings):
    network = InversionNetwork(tiny).requires_grad_(False)
    network.encoders[-1].requires_grad_(True)
    losses = {"l2": PixelLoss(), "identity": MultiLayerCosineLoss(_frozen(MobileFaceNet()))}
    return StageObjective(network, Terms(losses, exact=True), w_norm=True, **settings)


def _frozen(network):
    return network.eval().requires_grad_(False)


def test_a_training_step_stays_on_its_device(tiny):
    objective = _objective(tiny, noise="random").to("meta").train()
    x = torch.zeros(2, 3, 16, 16, device="meta")
    places = torch.arange(2, device="meta")
    for _ in range(2):
        with OneDevice() as mode:
            terms = objective(x, x, places)
            torch.stack(list(terms.values())).sum().backward()
    assert set(terms) == {"l2", "identity", "w_norm"}
    assert mode.uploads == []
    assert all(p.grad.is_meta for p in objective.network.encoders.parameters())


class Moved(torch.nn.Module):
    """Features of a network that lives on another device than the images that come in."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, device="meta"))

    def forward(self, images):
        assert images.is_meta
        return images.float().flatten(1) * self.weight


def test_distances_of_sets_bring_images_to_their_network(monkeypatch):
    """The Fréchet distance never moved: evaluation on a GPU failed with Inception at hand."""
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: torch.zeros(self.shape))
    distance = FeatureDistances(Moved())
    with OneDevice():
        distance.add(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, 3, 4, 4))
    assert distance.device.type == "meta"


# Precision.


@pytest.mark.parametrize("name", PAPER)
def test_presets_of_the_paper_compute_in_float32(name):
    assert load_toml(PRESETS / f"{name}.toml").precision == "fp32"


def test_losses_and_demodulation_leave_autocast(tiny, monkeypatch):
    objective = _objective(tiny).train()
    seen = []
    real = F.mse_loss
    monkeypatch.setattr(F, "mse_loss", lambda a, b: seen.append(a.dtype) or real(a, b))
    features = objective.terms.losses["identity"].features
    features.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    x = torch.rand(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        objective(x, x, torch.arange(2))
    assert seen == [torch.float32, False, False]


def test_demodulation_in_bf16_is_that_of_float32():
    source = torch.Generator().manual_seed(1)
    style = torch.randn(2, 64, generator=source) * 30
    weight = torch.randn(8, 64, 3, 3, generator=source)
    x = torch.zeros(2, 64, 4, 4)
    x[:, 0] = 1  # one product a place: what is left of the error is that of its two factors
    wanted = modulated_conv(x, weight, style)
    with torch.autocast("cpu", torch.bfloat16):
        got = modulated_conv(x, weight, style)
    assert computed_in(x) is torch.float32
    assert float((got - wanted).abs().max() / wanted.abs().max()) < 2e-2
    ratio = got.float()[wanted.abs() > 0.01] / wanted[wanted.abs() > 0.01]
    assert abs(float(ratio.mean()) - 1) < 1e-3  # rounding, and no factor that is off


@pytest.mark.parametrize("up", [False, True])
def test_large_styles_do_not_overflow_in_fp16(up):
    source = torch.Generator().manual_seed(1)
    style = torch.randn(2, 32, generator=source) * 3000
    weight = torch.randn(8, 32, 3, 3, generator=source)
    x = torch.randn(2, 32, 4, 4, generator=source) * 100
    wanted = modulated_conv_reference(x, weight, style, up=up)
    with torch.autocast("cpu", torch.float16):
        got = modulated_conv(x, weight, style, up=up)
    assert got.dtype is torch.float16
    assert torch.isfinite(got).all()
    assert float((got - wanted).abs().max() / wanted.abs().max()) < 5e-3


def test_activations_are_limited_in_fp16_alone(tiny):
    generator = Generator(tiny.generator)
    with torch.no_grad():
        for layer in (generator.first, *generator.up_convs, *generator.convs):
            layer.bias.fill_(1e4)
    codes = torch.zeros(1, 6, 512)
    with torch.no_grad():
        assert float(generator.first(torch.ones(2, 8, 4, 4), codes[:, 0].expand(2, -1)).max()) > 1e4
        with torch.autocast("cpu", torch.float16):
            limited = generator.first(torch.ones(2, 8, 4, 4).half(), codes[:, 0].expand(2, -1))
    assert float(limited.max()) == 256.0


def test_exact_means_no_tf32_and_comes_back():
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark)
    with devices.exact(torch.device("cuda")):
        assert (matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic) == (False, False, True)
    assert (matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark) == before


def test_inversion_and_synthesis_are_exact(tiny, monkeypatch):
    asked = []
    real = devices.exact
    monkeypatch.setattr(
        "e2style.model.exact", lambda device: asked.append(device.type) or real(device)
    )
    model = InversionModel(InversionNetwork(tiny), fingerprint=bytes(32))
    model.synthesize(model.invert(torch.zeros(1, 3, 16, 16)))
    assert asked == ["cpu", "cpu"]


def test_compiling_in_bf16_is_refused(tiny):
    with pytest.raises(ConfigError, match="NaN"):
        TrainConfig(
            model=tiny, loss=LossConfig(identity=0, parsing=0, lpips=0), compile=True,
            precision="bf16",
        )  # fmt: skip


# Upsampling by device.


def test_each_device_upsamples_in_its_own_way_to_the_same_numbers(monkeypatch):
    assert polyphase_is_quicker(torch.zeros(1))
    assert not polyphase_is_quicker(torch.zeros(1, device="meta"))
    source = torch.Generator().manual_seed(4)
    x, weight = torch.randn(2, 5, 6, 6, generator=source), torch.randn(7, 5, 3, 3, generator=source)
    style = torch.randn(2, 5, generator=source)
    found = []
    for quicker in (True, False):
        monkeypatch.setattr("e2style.models.ops.polyphase_is_quicker", lambda _, q=quicker: q)
        found.append(modulated_conv(x, weight, style, up=True))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0], modulated_conv_reference(x, weight, style, up=True))


def test_the_plain_form_takes_half_of_the_multiplications(monkeypatch):
    from torch.utils.flop_counter import FlopCounterMode

    counts = []
    with torch.device("meta"):
        generator = Generator(GeneratorConfig(64, channel_base=2048, channel_max=64))
        codes = torch.zeros(2, generator.config.n_codes, 512)
    for quicker in (True, False):
        monkeypatch.setattr("e2style.models.ops.polyphase_is_quicker", lambda _, q=quicker: q)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            generator(codes)
        counts.append(counter.get_total_flops())
    assert 1.6 < counts[0] / counts[1] < 2.2


# Noise.


def test_noise_depends_on_place_seed_and_map_alone():
    whole = normal(torch.arange(8), (1, 16, 16), seed=3)
    parts = [normal(torch.arange(k, k + 2), (1, 16, 16), seed=3) for k in range(0, 8, 2)]
    assert torch.equal(whole, torch.cat(parts))
    for other in ({"seed": 4}, {"seed": 3, "stream": 1}):
        found = normal(torch.arange(8), (1, 16, 16), **other)
        assert (
            abs(float(torch.corrcoef(torch.stack([whole.flatten(), found.flatten()]))[0, 1])) < 0.1
        )
    large = normal(torch.tensor([1 << 35, (1 << 35) + 1]), (4,), seed=3)
    assert not torch.equal(large, normal(torch.tensor([0, 1]), (4,), seed=3))


def test_noise_is_normal_and_white():
    x = normal(torch.arange(64), (1, 64, 64), seed=0).double()
    assert abs(float(x.mean())) < 0.01
    assert float(x.var()) == pytest.approx(1, abs=0.01)
    assert float((x**4).mean()) == pytest.approx(3, abs=0.06)
    inside = float(((x.abs() < 1).double()).mean())
    assert inside == pytest.approx(0.6827, abs=0.003)
    for shift in ((0, 1), (1, 0), (1, 1), (0, 32)):
        moved = x.roll(shift, (2, 3))
        assert abs(float((x * moved).mean())) < 0.01
    assert abs(float((x[1:] * x[:-1]).mean())) < 0.01
    spectrum = torch.fft.fft2(x[:, 0]).abs().square().mean(0) / 64**2
    assert 0.5 < float(spectrum.min())
    assert float(spectrum.max()) < 2


def test_noise_is_drawn_on_the_device_of_the_places():
    with OneDevice() as mode:
        found = normal(torch.arange(2, device="meta"), (1, 4, 4), seed=1)
    assert found.is_meta
    assert mode.uploads == []


def test_the_noise_of_a_sample_is_the_same_in_any_share_of_a_batch(tiny):
    objective = _objective(tiny, noise="random", seed=5)
    whole = objective._noise(torch.arange(4))
    for start in range(4):
        part = objective._noise(torch.arange(start, start + 1))
        assert all(torch.equal(part[name][0], whole[name][start]) for name in whole)
