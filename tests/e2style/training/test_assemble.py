"""Assembly of the networks of a stage."""

import dataclasses

import pytest
import torch

import e2style
from e2style.checkpoints import official
from e2style.checkpoints.convert import convert
from e2style.checkpoints.networks import save_network
from e2style.errors import CheckpointError, ConfigError
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork
from e2style.models.irse50 import IRSE50
from e2style.training.assemble import assemble, start_from_backbone
from e2style.training.export import export
from e2style.training.loop import train


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": ""}, "generator: stage 1"),
        ({"stage": 2, "model": 2, "generator": ""}, "checkpoint: stage 2"),
        ({"stage": 3, "model": 3, "checkpoint": "generator", "generator": ""}, "has 1 stages"),
        ({"rate": 1.0}, "rate"),
    ],
)
def test_a_stage_without_what_it_builds_on_is_refused(config, tmp_path, changes, message):
    if "model" in changes:
        changes |= {"model": dataclasses.replace(config.model, stages=changes["model"])}
    if "rate" in changes:
        changes = {"loss": dataclasses.replace(config.loss, rate=changes["rate"])}
    if "checkpoint" in changes:
        changes |= {"checkpoint": config.generator}
    with pytest.raises(ConfigError, match=message):
        train(dataclasses.replace(config, **changes), tmp_path / "run")


def test_another_generator_than_configured_is_refused(config, tmp_path):
    smaller = dataclasses.replace(config.model.generator, channel_max=4)
    model = dataclasses.replace(config.model, generator=smaller)
    with pytest.raises(ConfigError, match=r"model\.generator"):
        train(dataclasses.replace(config, model=model), tmp_path / "run")
    with pytest.raises(CheckpointError):
        train(
            dataclasses.replace(
                config,
                generator="",
                checkpoint=str(tmp_path),
                stage=2,
                model=dataclasses.replace(config.model, stages=2),
            ),
            tmp_path / "two",
        )


def _second(config, checkpoint, **changes):
    """Settings of the stage after those of `config`."""
    model = dataclasses.replace(config.model, stages=2, **changes)
    return dataclasses.replace(
        config, model=model, stage=2, generator="", checkpoint=str(checkpoint)
    )


@pytest.mark.parametrize("exported", [False, True])
def test_a_stage_over_another_layout_is_refused_until_it_is_set(config, tmp_path, exported):
    config = dataclasses.replace(config, images=4, snapshot_images=4)
    other = dataclasses.replace(config.model.encoder, pools=(1, 2, 2), head_rank=3)
    first = dataclasses.replace(config, model=dataclasses.replace(config.model, encoder=other))
    train(first, tmp_path / "one")
    place = tmp_path / "one"
    if exported:
        place = export(place, tmp_path / "one.safetensors")
    needed = r"--set model\.encoder\.pools=\[1,2,2\] --set model\.encoder\.head_rank=3;"
    with pytest.raises(ConfigError, match=needed):
        train(_second(config, place), tmp_path / "two")
    train(_second(config, place, encoder=other), tmp_path / "two")  # the same folder
    path = export(tmp_path / "two", tmp_path / "two.safetensors")
    assert e2style.load(path).config.encoder == other


def test_a_third_stage_over_codes_of_another_kind_is_refused(config, tmp_path):
    config = dataclasses.replace(config, images=4, snapshot_images=4)
    train(config, tmp_path / "one")
    whole = _second(config, tmp_path / "one", residual=False)
    train(whole, tmp_path / "two")
    third = _second(config, tmp_path / "two")
    third = dataclasses.replace(third, model=dataclasses.replace(third.model, stages=3), stage=3)
    with pytest.raises(ConfigError, match=r"--set model\.residual=false"):
        train(third, tmp_path / "three")


@pytest.fixture
def mapped(config, tmp_path):
    """Settings for a generator with a mapping network, and its file without a mean code."""
    generator = dataclasses.replace(config.model.generator, mapping_layers=2)
    model = dataclasses.replace(config.model, generator=generator)
    torch.manual_seed(3)
    state = Generator(generator).state_dict()
    path = tmp_path / "rosinality.pt"
    torch.save({"g_ema": {official.generator_key(k): v for k, v in state.items()}}, path)
    return dataclasses.replace(config, model=model, images=4, snapshot_images=4), path


def test_a_stage_trains_on_a_converted_generator_too(mapped, tmp_path):
    config, path = mapped
    converted = tmp_path / "converted.safetensors"
    convert(path, converted)
    found = [assemble(dataclasses.replace(config, generator=str(p))) for p in (path, converted)]
    assert found[0].w_avg.abs().max() > 0
    for key, value in found[0].state_dict().items():
        torch.testing.assert_close(found[1].state_dict()[key], value, msg=key)
    train(dataclasses.replace(config, generator=str(converted)), tmp_path / "run")


def test_files_without_a_generator_or_stages_are_refused(mapped, tmp_path):
    config, path = mapped
    with pytest.raises(CheckpointError, match="holds Generator alone"):
        assemble(_second(config, path))
    for content in ({"g_ema": 7}, {"g_ema": {}}, [1], 7):
        torch.save(content, tmp_path / "odd.pt")
        with pytest.raises(CheckpointError, match=r"odd\.pt"):
            assemble(dataclasses.replace(config, generator=str(tmp_path / "odd.pt")))


def test_the_trunk_starts_from_a_recogniser(config, tmp_path):
    encoder = dataclasses.replace(config.model.encoder, widths=(64, 128, 256), units=(3, 4, 14))
    model = dataclasses.replace(config.model, encoder=encoder, stages=2)
    torch.manual_seed(1)
    donor = IRSE50()
    save_network(tmp_path / "backbone.safetensors", donor)
    torch.manual_seed(2)
    network = InversionNetwork(model)
    for stage, taken in ((0, ("stem", "groups")), (1, ("groups",))):
        encoder = network.encoders[stage]
        before = {k: v.clone() for k, v in encoder.state_dict().items()}
        start_from_backbone(encoder, tmp_path / "backbone.safetensors")
        for key, value in encoder.state_dict().items():
            wanted = donor.state_dict()[key] if key.startswith(taken) else before[key]
            assert torch.equal(value, wanted), key
    # A finished run needs the file no more.
    model = dataclasses.replace(model, stages=1)
    backbone = str(tmp_path / "backbone.safetensors")
    config = dataclasses.replace(config, model=model, backbone=backbone, images=4)
    train(config, tmp_path / "run")
    (tmp_path / "backbone.safetensors").unlink()
    export(tmp_path / "run", tmp_path / "m.safetensors")


@pytest.mark.parametrize("channels", [3, 1])
def test_an_encoder_starts_from_that_of_a_model(channels, config, generator):
    layout = dataclasses.replace(config.model.encoder, in_channels=channels)
    model = dataclasses.replace(config.model, encoder=layout)
    task = {} if channels == 3 else {"task": "sketch", "source": config.data}
    network = assemble(dataclasses.replace(config, model=model, backbone=generator, **task))
    donor = e2style.load(generator).network.encoders[0].state_dict()
    for key, value in network.encoders[0].state_dict().items():
        if channels == 3 or not key.startswith("stem."):
            assert torch.equal(value, donor[key]), key
    wide = dataclasses.replace(config.model.encoder, widths=(8, 8, 9))
    other = dataclasses.replace(config, model=dataclasses.replace(config.model, encoder=wide))
    with pytest.raises(CheckpointError, match="has shape"):
        assemble(dataclasses.replace(other, backbone=generator))


@pytest.mark.parametrize("content", [{"output_layer.3.weight": 7}, {"a": 1}, [1, 2], 7])
def test_a_file_that_is_no_recogniser_is_refused(config, tmp_path, content):
    torch.save(content, tmp_path / "backbone.pth")
    backbone = str(tmp_path / "backbone.pth")
    with pytest.raises(CheckpointError, match=r"backbone\.pth"):
        assemble(dataclasses.replace(config, backbone=backbone))


def test_a_recogniser_of_other_widths_is_refused(config, tmp_path):
    save_network(tmp_path / "backbone.safetensors", IRSE50())
    backbone = str(tmp_path / "backbone.safetensors")
    with pytest.raises(CheckpointError, match=r"input_layer\.0\.weight"):
        assemble(dataclasses.replace(config, backbone=backbone))


def test_a_failed_first_start_claims_nothing(config, tmp_path):
    with pytest.raises(CheckpointError):
        train(dataclasses.replace(config, generator="none.pt"), tmp_path / "run")
    train(config, tmp_path / "run")
    with pytest.raises(ConfigError, match="another generator"):
        train(dataclasses.replace(config, generator="none.pt"), tmp_path / "run")


def test_the_start_depends_on_the_seed_alone(config):
    a, b = assemble(config), assemble(config)
    other = assemble(dataclasses.replace(config, seed=1))
    key = "encoders.0.stem.0.weight"
    assert torch.equal(a.state_dict()[key], b.state_dict()[key])
    assert not torch.equal(a.state_dict()[key], other.state_dict()[key])
