import dataclasses

import pytest

from e2style import ConfigError, EncoderConfig, GeneratorConfig, InversionConfig, count_parameters
from e2style.config import TrainConfig, from_dict, load_toml, to_dict

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
