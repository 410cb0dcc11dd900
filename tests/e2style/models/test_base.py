import dataclasses
import io
import zipfile

import numpy as np
import pytest
import torch
from copies import assert_same_output
from PIL import Image

from e2style.checkpoints.loading import load_model
from e2style.config import ConfigError, EncoderConfig, GeneratorConfig, InversionConfig
from e2style.data.faces import FaceSet
from e2style.losses.perceptual import PixelLoss, face_weights
from e2style.models.base import PATCH, LinearBase
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork
from e2style.training.base import fit_base
from e2style.training.export import export
from e2style.training.loop import train
from e2style.training.stage import StageObjective
from e2style.training.work import Terms

SIDE = 4  # of the feature map; images have 32 x 32 pixels
BASED = InversionConfig(
    name="based",
    generator=GeneratorConfig(
        size=64, style_dim=8, mapping_layers=0, channel_base=256, channel_max=8, base_side=SIDE,
        base_rows=1, base_channels=24,
    ),
    encoder=EncoderConfig(
        image_size=16, widths=(8, 8, 8), units=(1, 1, 1), pools=(2, 2, 2), split=(2, 4, 4)
    ),
)  # fmt: skip


@pytest.fixture
def mixtures(tmp_path):
    """A zip of 60 images: random mixtures of three smooth ones, so that few components do."""
    rng = np.random.default_rng(3)
    small = rng.normal(size=(3, 8, 8, 3)) * 40
    path = tmp_path / "mixtures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(60):
            values = 128 + np.tensordot(rng.normal(size=3) * 0.4, small, 1)
            picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
            data = io.BytesIO()
            picture.resize((64, 64), Image.Resampling.BICUBIC).save(data, "PNG")
            archive.writestr(f"m{k:02d}.png", data.getvalue())
    return path


def _filled(rows=1, channels=24, seed=1):
    """A base with orthogonal components of either kind."""
    torch.manual_seed(seed)
    base = LinearBase(SIDE, rows, channels, 8)
    with torch.no_grad():
        size = channels * SIDE * SIDE // 2
        basis = torch.linalg.qr(torch.randn(size, 8 * rows))[0].t()
        base.weight.copy_(basis.reshape(base.weight.shape) * 100)
        base.patches.copy_(
            torch.linalg.qr(torch.randn(3 * PATCH**2, channels))[0].t().reshape(base.patches.shape)
        )
        base.mean.normal_()
        base.odd.copy_(torch.arange(8 * rows) % 2 == 1)
    return base


def test_a_base_is_affine_in_its_rows_and_blind_to_others():
    base = _filled().eval()
    a, b = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    zero = base(torch.zeros(2, 3, 8))
    assert torch.allclose(base(a + b) - zero, base(a) - zero + base(b) - zero, atol=1e-4)
    b[:, 0] = a[:, 0]
    assert torch.equal(base(a), base(b))


def test_even_components_are_their_own_mirror_image_and_odd_ones_its_negative():
    base = _filled()
    zero = base(torch.zeros(1, 1, 8))
    assert torch.allclose(zero, zero.flip(3))
    for component, sign in ((0, 1), (1, -1)):
        codes = torch.zeros(1, 1, 8)
        codes[0, 0, component] = 1.0
        change = base(codes) - zero
        assert change.abs().max() > 0.01
        assert torch.allclose(change, sign * change.flip(3), atol=1e-5)


def test_projection_finds_the_values_again():
    base = _filled()
    codes = torch.randn(3, 1, 8) * 5
    assert torch.allclose(base.project(base(codes)), codes, atol=1e-4)


def test_a_fitted_base_paints_what_few_components_explain(mixtures):
    faces = FaceSet(mixtures, 64)
    base = LinearBase(SIDE, 1, 48, 8)
    spread = fit_base(base, faces, face_weight=4.0, step=10.0)
    x = torch.nn.functional.adaptive_avg_pool2d(faces.batch(torch.arange(60)), 32)
    values = base.project(x)
    # Three mixtures and their mirror images: three even and three odd components, nothing else.
    assert int(base.odd[:6].sum()) == 3
    assert spread[0, 5] > 20 * spread[0, 6]
    assert torch.allclose(values.std(0, unbiased=False)[0, :6], spread[0, :6], rtol=0.3)
    error = (base(values) - x).square().mean().sqrt()
    assert error < 0.05 * (x - x.mean(0)).square().mean().sqrt()


def test_one_unit_of_any_component_changes_a_picture_equally(mixtures):
    base = LinearBase(SIDE, 1, 48, 8)
    fit_base(base, FaceSet(mixtures, 64), face_weight=4.0, step=10.0)
    zero = base(torch.zeros(1, 1, 8))
    weights = face_weights(SIDE, 4.0).repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)
    for component in range(6):
        codes = torch.zeros(1, 1, 8)
        codes[0, 0, component] = 1.0
        length = (weights * (base(codes) - zero).square()).sum().sqrt() * 127.5
        assert length.item() == pytest.approx(10.0, rel=1e-3)


def test_few_faces_give_few_components(faces_zip):
    base = LinearBase(SIDE, 8, 24, 8)
    faces = FaceSet(faces_zip, 64)
    spread = fit_base(base, faces, face_weight=1.0, step=10.0).flatten()
    # Eleven images and their mirror images: at most eleven components of either kind.
    assert (spread[:20] > 0).all() and (spread[22:] == 0).all()
    assert torch.isfinite(base.project(torch.rand(1, 3, 32, 32))).all()


def test_a_silent_generator_paints_its_base_at_any_side():
    generator = Generator(BASED.generator).eval()
    generator.base.load_state_dict(_filled().state_dict())
    for rgb in generator.to_rgbs:
        torch.nn.init.zeros_(rgb.conv.weight)
    codes = torch.randn(2, BASED.generator.n_codes, 8)
    with torch.no_grad():
        generated = generator.base(codes)
        assert torch.equal(generator(codes, 32), generated)
        assert torch.allclose(
            generator(codes, 16), torch.nn.functional.avg_pool2d(generated, 2), atol=1e-6
        )
        assert generator(codes).shape == (2, 3, 64, 64)


def test_every_row_behind_the_base_has_a_say():
    torch.manual_seed(0)
    generator = Generator(BASED.generator).eval()
    codes = torch.randn(1, BASED.generator.n_codes, 8)
    with torch.no_grad():
        generated = generator(codes)
        moved = []
        for row in range(BASED.generator.n_codes):
            other = codes.clone()
            other[:, row] += 1
            moved.append(bool((generator(other) - generated).abs().max() > 1e-4))
    # Row 0 is the base's, whose weights are still 0; behind a side of 4 every other row paints.
    assert moved == [False] + [True] * 9


def test_bases_that_do_not_fit_are_refused():
    for side, rows in ((3, 1), (64, 1), (4, 2), (8, 4)):
        with pytest.raises(ConfigError, match="base_"):
            dataclasses.replace(BASED.generator, base_side=side, base_rows=rows)


def test_errors_on_the_face_weigh_more():
    target = torch.zeros(1, 3, 32, 32)
    middle, corner = target.clone(), target.clone()
    middle[:, :, 16:20, 14:18] = 1.0
    corner[:, :, :4, :4] = 1.0
    loss = PixelLoss(6.0)
    assert loss(middle, target) > 4 * loss(corner, target)
    assert face_weights(32, 6.0).mean().item() == pytest.approx(1.0, abs=1e-5)
    assert PixelLoss()(middle, target) == pytest.approx(PixelLoss()(corner, target).item())


def test_a_based_model_trains_exports_and_offers_qualities(train_config, mixtures, tmp_path):
    config = dataclasses.replace(
        train_config, model=BASED, data=str(mixtures), images=8, step_low=0.1, step_high=2.0,
        base_step=10.0,
    )  # fmt: skip
    train(config, tmp_path / "run")
    model = load_model(export(tmp_path / "run", tmp_path / "based.safetensors"))
    assert len(model.quantizers) == 12 and model.quantizer is model.quantizers[model.quality - 1]
    faces = FaceSet(mixtures, 64)
    codes = model.invert(faces.batch(torch.arange(60))).numpy()
    bits = [q.ideal_bits(q.quantise(codes)).mean() for q in model.quantizers]
    assert bits == sorted(bits) and bits[-1] > 1.5 * bits[0]
    finest = model.quantizers[-1]
    sent = torch.from_numpy(finest.dequantise(finest.quantise(codes)))
    x = faces.batch(torch.arange(60))
    error = (model.synthesize(sent) - x).square().mean()
    assert error < 0.1 * (x - x.mean(0)).square().mean()


def test_a_stage_is_trained_from_what_the_base_finds_as_it_inverts():
    torch.manual_seed(4)
    network = InversionNetwork(BASED).eval()
    with torch.no_grad():
        network.generator.base.weight.normal_()
        network.generator.base.patches.normal_()
    terms = Terms({"l2": PixelLoss()})
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    objective = StageObjective(network, terms).eval()
    with torch.no_grad():
        objective(x, network.pool(x), torch.arange(2))
        assert network.first_guess(x).abs().max() > 1e-3
        assert_same_output(objective.codes, network.invert(x))
        assert network.first_guess(x[:, :1]).abs().max() == 0  # a sketch
