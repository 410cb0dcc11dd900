import dataclasses
import math

import pytest

from e2style import ConfigError, EncoderConfig, GeneratorConfig, InversionConfig, count_parameters
from e2style.config import TrainConfig
from e2style.settings import from_dict, load_toml, to_dict

FULL = InversionConfig()


@pytest.mark.parametrize(
    ("config", "encoder"),
    [
        (FULL, 84_920_896),
        (dataclasses.replace(FULL, stages=2), 169_843_520),
        (dataclasses.replace(FULL, stages=3), 254_766_144),
        (
            dataclasses.replace(FULL, encoder=EncoderConfig(pools=(7, 7, 7))),
            98_028_096,
        ),
    ],
)
def test_parameters_are_those_of_table_one(config, encoder):
    counts = count_parameters(config)
    assert counts["encoder"] == encoder
    assert counts["generator"] == 30_370_060


def test_non_face_rows_of_table_four():
    cats = InversionConfig(
        generator=GeneratorConfig(size=256), encoder=EncoderConfig(pools=(7, 7, 7), split=(2, 4, 8))
    )
    cars = InversionConfig(
        generator=GeneratorConfig(size=512), encoder=EncoderConfig(pools=(7, 7, 7), split=(2, 5, 9))
    )
    assert count_parameters(cats)["encoder"] == 85_180_992
    assert count_parameters(cars)["encoder"] == 94_815_808


@pytest.mark.parametrize(
    "build",
    [
        lambda: GeneratorConfig(size=100),
        lambda: InversionConfig(stages=4),
        lambda: InversionConfig(encoder=EncoderConfig(split=(4, 5, 8))),
        lambda: EncoderConfig(widths=(1, 2)),
        lambda: from_dict(TrainConfig, {"immages": 3}),
        lambda: from_dict(TrainConfig, {"balance": "no"}),
        lambda: from_dict(TrainConfig, {"batch": "many"}),
        lambda: TrainConfig(precision="fp8"),
        lambda: TrainConfig(report_images=0),
        lambda: load_toml("/nowhere.toml"),
    ],
)
def test_wrong_settings_are_named(build):
    with pytest.raises(ConfigError):
        build()


def test_config_survives_plain_values():
    config = TrainConfig(model=dataclasses.replace(FULL, name="x", stages=2), images=5)
    assert from_dict(TrainConfig, to_dict(config)) == config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", 3),
        ("model", [1]),
        ("loss", "l2"),
        ("images", 2.7),
        ("images", "many"),
        ("images", True),
        ("images", [3]),
        ("images", math.inf),
        ("images", 0),
        ("lr", math.nan),
        ("lr", math.inf),
        ("lr", -math.inf),
        ("lr", 0),
        ("lr", False),
        ("seed", -1),
        ("seed", 1 << 23),
        ("threads", -1),
        ("workers", -1),
        ("device", "a toaster"),
        ("device", "cuda:x"),
        ("device", 0),
        ("side", 7),
        ("side", 2),
        ("side", 2048),
        ("side", -8),
        ("factors", []),
        ("factors", [0]),
        ("factors", 2),
        ("clip", -1.0),
        ("clip", math.nan),
        ("generator_lr", -1),
        ("validation_images", 0),
        ("validation_source", "x"),
        ("generator", "x"),
        ("checkpoint", "x"),
        ("backbone", "x"),
        ("generator", 3),
        ("loss.w_norm", 0.1),
        ("loss.l2", -1),
        ("loss.lpips", math.nan),
        ("loss.identity_network", 4),
        ("model.stages", 0),
        ("model.iterations", -1),
        ("model.residual", 1),
        ("model.generator.size", 512.5),
        ("model.generator.mapping_layers", -1),
        ("model.generator.channel_base", 512),
        ("model.generator.style_dim", 0),
        ("model.encoder.pools", "abc"),
        ("model.encoder.pools", [3, 5, "x"]),
        ("model.encoder.pools", [3, 5, 7.5]),
        ("model.encoder.pools", [3, 5, -7]),
        ("model.encoder.widths", [0, 128, 256]),
        ("model.encoder.units", [3, 4, -1]),
        ("model.encoder.image_size", 0),
        ("model.encoder.image_size", -8),
        ("model.encoder.head_rank", -1),
    ],
)
def test_values_of_another_type_or_range_are_refused(tmp_path, key, value):
    (tmp_path / "default.toml").write_text("")
    with pytest.raises(ConfigError, match=key.rpartition(".")[2]):
        load_toml(tmp_path / "default.toml", {key: value})


def test_a_training_without_a_loss_of_pictures_is_refused(tmp_path):
    (tmp_path / "default.toml").write_text("")
    without = dict.fromkeys(("loss.l2", "loss.lpips", "loss.identity", "loss.parsing"), 0)
    with pytest.raises(ConfigError, match="above 0"):
        load_toml(tmp_path / "default.toml", without | {"loss.rate": 1})
    assert load_toml(tmp_path / "default.toml", without | {"loss.segmentation": 1}).loss.l2 == 0


@pytest.mark.parametrize(
    ("stages", "given"),
    [(1, "checkpoint"), (2, "generator"), (1, "validation_source"), (2, "validation_source")],
)
def test_inputs_of_other_stages_are_refused(stages, given):
    model = dataclasses.replace(FULL, stages=stages)
    with pytest.raises(ConfigError, match=f"{given}: has no effect"):
        TrainConfig(model=model, stage=stages, **{given: "x"})


def test_a_source_of_its_own_is_read_at_the_side_of_the_encoder():
    assert TrainConfig(model=FULL, stage=1, side=128).side == 128
    with pytest.raises(ConfigError, match="side: what the encoder is shown"):
        TrainConfig(model=FULL, stage=1, side=128, source="sketches.zip")


def test_all_changes_are_made_at_once(tmp_path):
    (tmp_path / "default.toml").write_text("[loss]\nl2 = 2.0\n")
    changes = {
        "model.generator.size": 256,
        "model.encoder.split": [2, 4, 8],
        "stage": 3,
        "model.stages": 3,
        "images": 2e6,
        "loss.lpips": 0,
    }
    config = load_toml(tmp_path / "default.toml", changes)
    assert config.model.generator.n_codes == 14
    assert (config.stage, config.model.stages) == (3, 3)
    assert config.images == 2_000_000
    assert isinstance(config.images, int)
    assert (config.loss.l2, config.loss.lpips) == (2.0, 0.0)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\0binary",
        b"[model",
        b"base = 3",
        b'base = "preset"',
        b"model = 3",
        b"[model]\n3 = 4",
    ],
)
def test_presets_that_are_none_are_refused(tmp_path, content):
    (tmp_path / "preset.toml").write_bytes(content)
    with pytest.raises(ConfigError):
        load_toml(tmp_path / "preset.toml")
