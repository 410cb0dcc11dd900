"""Files of other programs at a small size: what loads, what is named, what is kept."""

import argparse
import dataclasses
import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors
import torch
from copies import assert_same_output, assert_same_weights

import e2style
from e2style.calibration import calibrate, calibrate_file
from e2style.checkpoints import layout, official
from e2style.checkpoints.convert import convert
from e2style.checkpoints.networks import LPIPS_HEADS, load_generator, load_network
from e2style.checkpoints.tensors import read_tensors
from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.data.faces import FaceSet, evenly
from e2style.errors import CheckpointError, ConfigError, DataError, OutputError
from e2style.evaluation.sets import encode_set, quantizer_of
from e2style.images import to_uint8
from e2style.metrics.agreement import likeness
from e2style.model import DEFAULT_LIKENESS
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork
from e2style.models.ops import blur_kernel

SMALL = InversionConfig(
    generator=GeneratorConfig(size=16, style_dim=8, channel_base=128, channel_max=8),
    encoder=EncoderConfig(
        image_size=256, widths=(8, 8, 8), units=(3, 4, 14), pools=(7, 7, 7), split=(1, 1, 4)
    ),
)


def _generator_state(generator):
    state = {}
    for key, value in generator.state_dict().items():
        theirs = official.generator_key(key)
        if theirs.endswith("conv.weight"):
            state[theirs] = value[None]
        elif theirs.startswith("to_rgb") and theirs.endswith(".bias"):
            state[theirs] = value.reshape(1, -1, 1, 1) if "modulation" not in theirs else value
        else:
            state[theirs] = value
    for k in range(0, 2 * len(generator.up_convs), 2):
        state[f"convs.{k}.conv.blur.kernel"] = blur_kernel(4.0)
    return state


@pytest.fixture
def network():
    torch.manual_seed(7)
    built = InversionNetwork(SMALL.__class__(**{**vars(SMALL), "stages": 3})).eval()
    built.generator.seed_noise(7)
    built.w_avg.normal_()
    return built


@pytest.fixture
def content(network):
    """A small three-stage file in the official format, with units that never run."""
    state = {f"decoder.{k}": v for k, v in _generator_state(network.generator).items()}
    for stage, encoder in enumerate(network.encoders):
        prefix = f"encoder_refinestage_list.{stage - 1}." if stage else "encoder_firststage."
        state |= {prefix + official.encoder_key(k): v for k, v in encoder.state_dict().items()}
        state[f"{prefix}body.21.res_layer.1.weight"] = torch.ones(2, 2)
    opts = {"training_stage": 3, "start_from_latent_avg": True, "device": "cuda:0"}
    return {"state_dict": state, "opts": opts, "latent_avg": network.w_avg}


def test_an_official_file_of_three_stages_computes_the_same(network, content, tmp_path):
    torch.save(content, tmp_path / "e2style.pt")
    model = e2style.load(tmp_path / "e2style.pt")
    assert model.config.stages == 3
    x = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        torch.testing.assert_close(model.invert(x), network.invert(x), rtol=1e-4, atol=1e-4)
    assert convert(tmp_path / "e2style.pt", tmp_path / "e2style.safetensors") == "inversion"
    converted = e2style.load(tmp_path / "e2style.safetensors")
    assert converted.fingerprint == model.fingerprint
    for name in ("e2style.pt", "e2style.safetensors"):
        assert e2style.fingerprint_of(tmp_path / name) == model.fingerprint
    assert_same_weights(model.network, converted.network)
    assert_same_output(converted.invert(x), model.invert(x))
    convert(tmp_path / "e2style.pt", tmp_path / "half.safetensors", half=True)
    # Of the weights: graphs are as large in either file.
    stored = [read_tensors(tmp_path / f"{name}.safetensors")[1] for name in ("half", "e2style")]
    sizes = [sum(value.nbytes for value in tensors.values()) for tensors in stored]
    assert sizes[0] < 0.7 * sizes[1]


def test_keys_of_official_files_name_themselves(content, tmp_path):
    path = tmp_path / "e2style.pt"
    known = content["state_dict"]
    for key, value, message in (
        ("encoder_refinestage_list.1.output_layer_4.3.bias", None, "is missing"),
        ("encoder_firststage.output_layer_3.0.weight", None, "is missing"),
        ("encoder_firststage.body.2.res_layer.5.fc1.weight", torch.zeros(9, 9), "has shape"),
        ("decoder.convs.1.conv.modulation.bias", None, "is missing"),
        ("decoder.convs.0.conv.blur.kernel", torch.ones(4, 4), "usual"),
        ("encoder_firststage.styles.0.weight", torch.ones(1), "is not known"),
    ):
        state = dict(known)
        state.pop(key, None)
        if value is not None:
            state[key] = value
        torch.save({**content, "state_dict": state}, path)
        with pytest.raises(CheckpointError) as caught:
            e2style.load(path)
        assert key in str(caught.value)
        assert message in str(caught.value)


def test_a_missing_mean_is_estimated_and_said(network, content, tmp_path, caplog):
    del content["latent_avg"]
    torch.save(content, tmp_path / "e2style.pt")
    with caplog.at_level(logging.WARNING):
        model = e2style.load(tmp_path / "e2style.pt")
    assert f"mean of {official.MEAN_SAMPLES} mapped z" in caplog.text
    z = torch.randn(4096, 8, generator=torch.Generator().manual_seed(99))
    mean = network.generator.mapping(z).mean(0)
    spread = network.generator.mapping(z).std(0)
    assert ((model.network.w_avg - mean).abs() < 5 * spread / 4096**0.5).all()
    assert torch.equal(model.network.w_avg[0], model.network.w_avg[-1])
    # Codes of files that never used the mean start from zero.
    content["opts"]["start_from_latent_avg"] = False
    torch.save(content, tmp_path / "e2style.pt")
    assert not e2style.load(tmp_path / "e2style.pt").network.w_avg.any()


def test_a_generator_without_a_mean_gets_one_and_it_is_said(tmp_path, caplog):
    torch.manual_seed(5)
    generator = Generator(GeneratorConfig(8, style_dim=8, channel_base=128, channel_max=8))
    torch.save({"g_ema": _generator_state(generator)}, tmp_path / "g.pt")
    with caplog.at_level(logging.WARNING):
        mean = load_generator(tmp_path / "g.pt")[1]
    assert f"mean of {official.MEAN_SAMPLES} mapped z" in caplog.text
    z = torch.randn(65_536, 8, generator=torch.Generator().manual_seed(99))
    with torch.no_grad():
        mapped = generator.mapping(z)
    assert ((mean - mapped.mean(0)).abs() < 8 * mapped.std(0) / 65_536**0.5).all()
    caplog.clear()
    assert convert(tmp_path / "g.pt", tmp_path / "g.safetensors") == "generator"
    assert "latent_avg is missing" in caplog.text
    with safetensors.safe_open(tmp_path / "g.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("latent_avg"), mean)
    bare = Generator(GeneratorConfig(8, 8, mapping_layers=0, channel_base=128, channel_max=8))
    torch.save({"g_ema": _generator_state(bare)}, tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match="no mapping network"):
        load_generator(tmp_path / "bare.pt")
    assert e2style.load_generator(tmp_path / "bare.pt").mapping is None


def test_files_are_known_by_their_first_bytes(content, tmp_path):
    torch.save(content, tmp_path / "model.safetensors")
    model = e2style.load(tmp_path / "model.safetensors")
    convert(tmp_path / "model.safetensors", tmp_path / "model.pt")
    assert e2style.load(tmp_path / "model.pt").fingerprint == model.fingerprint
    assert e2style.fingerprint_of(tmp_path / "model.pt") == model.fingerprint
    assert e2style.header_of(tmp_path / "model.pt")["format"] == layout.FORMAT
    assert e2style.header_of(tmp_path / "model.safetensors") == {}
    generator = {"g_ema": _generator_state(model.network.generator), "latent_avg": torch.zeros(8)}
    torch.save(generator, tmp_path / "old", _use_new_zipfile_serialization=False)
    assert load_generator(tmp_path / "old")[0].config == model.config.generator


def test_options_may_be_a_namespace(content, tmp_path):
    del content["latent_avg"]
    content["opts"] = argparse.Namespace(start_from_latent_avg=False)
    torch.save(content, tmp_path / "e2style.pt")
    assert not e2style.load(tmp_path / "e2style.pt").network.w_avg.any()


@pytest.mark.parametrize("size", [8, 32, 64])
def test_generators_of_any_size_keep_their_mean(size, tmp_path):
    torch.manual_seed(size)
    generator = Generator(GeneratorConfig(size, style_dim=8, channel_base=128, channel_max=8))
    mean = torch.randn(8)
    stored = {
        "g_ema": _generator_state(generator),
        "latent_avg": mean,
        "args": argparse.Namespace(size=size),
    }
    torch.save(stored, tmp_path / "g.pt")
    assert convert(tmp_path / "g.pt", tmp_path / "g.safetensors") == "generator"
    codes = torch.randn(1, generator.config.n_codes, 8)
    with torch.no_grad():
        wanted = generator(codes)
        for name in ("g.pt", "g.safetensors"):
            loaded, found = load_generator(tmp_path / name)
            assert torch.equal(found, mean)
            others = e2style.load(tmp_path / name), e2style.load_generator(tmp_path / name)
            for copy in (loaded, *others):
                assert_same_weights(generator, copy)
                assert_same_output(copy(codes), wanted)
            with pytest.raises(CheckpointError, match="cannot invert"):
                e2style.load_model(tmp_path / name)


def test_unknown_files_are_not_converted(tmp_path):
    torch.save({"weight": torch.ones(1)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="no network that is known"):
        convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def _random_model(tiny, spread):
    torch.manual_seed(3)
    # The seed was chosen for this network: one that steps can be searched for at every spread.
    narrow = dataclasses.replace(tiny.encoder, widths=(4, 6, 8))
    network = InversionNetwork(dataclasses.replace(tiny, encoder=narrow)).eval()
    network.generator.seed_noise(3)
    for head in network.encoders[0].heads.values():
        head.linear.weight.data *= spread
    return e2style.InversionModel(network, fingerprint=bytes(32))


@pytest.mark.parametrize("spread", [0.1, 1.0, 300.0])
def test_searched_steps_cost_the_picture_what_was_asked(tiny, faces_zip, spread):
    model = _random_model(tiny, spread)
    faces = FaceSet(faces_zip, 256)
    found = calibrate(model, faces, target_db=30.0, probes=2)
    assert 30.0 <= found.psnr < 34.0
    codes = np.concatenate(
        [model.network.invert(faces.batch(torch.tensor([k]))).numpy() for k in range(len(faces))]
    )
    rounded = found.quantizer.dequantise(found.quantizer.quantise(codes))
    a, b = (model.network.synthesize(torch.from_numpy(c)).numpy() for c in (codes, rounded))
    assert 10 * np.log10(4 / np.square(a - b).mean()) > 27.0
    assert found.bits < found.limits.accept_bits
    # Rows that matter more to the image get finer steps.
    assert len(np.unique(found.quantizer.step)) > 1


def test_a_calibrated_file_can_be_hidden(content, faces_zip, tmp_path):
    torch.save(content, tmp_path / "e2style.pt")
    target = tmp_path / "calibrated.safetensors"
    with pytest.raises(DataError, match="two faces"):
        calibrate(e2style.load(tmp_path / "e2style.pt"), FaceSet(faces_zip, 256, every=12))
    # The codes of this file have 8 and not 512 columns: the quantizer follows the model.
    totals = []
    found = calibrate_file(
        tmp_path / "e2style.pt", faces_zip, target, images=7, step=0.25,
        progress=lambda done, total: totals.append((done, total)),
    )  # fmt: skip
    # Seven of twelve, one of them damaged: six are inverted, and six generated for the limits.
    assert totals[-1] == (12, 12)
    model = e2style.load(target)
    assert model.quantizer.step.shape == (6, 8)
    assert (model.quantizer.step == np.float32(0.25)).all()
    assert model.accept_bits == found.limits.accept_bits
    # Every face of the fit keeps the limits, and the worst one only just.
    faces = FaceSet(faces_zip, 256, limit=7)
    integers = quantizer_of(model).quantise(encode_set(model, faces))
    codes = torch.from_numpy(quantizer_of(model).dequantise(integers))
    generated = to_uint8(model.synthesize(codes))
    alike = [likeness(a, b) for a, b in zip(faces.images, generated, strict=True)]
    assert model.accept_likeness == pytest.approx(min(alike), abs=0.03)
    assert model.accept_likeness != DEFAULT_LIKENESS
    with safetensors.safe_open(target, "pt") as file:
        assert json.loads(file.metadata()["config"])["stages"] == 3


def test_faces_are_spread_evenly():
    for total, count in ((12, 7), (5, 5), (100, 2), (70_000, 256)):
        places = evenly(total, count)
        assert len(set(places.tolist())) == count
        assert (places[0], places[-1]) == (0, total - 1)
        assert np.diff(places).max() - np.diff(places).min() <= 1


def test_models_of_other_pictures_or_fewer_stages_are_refused(tiny, faces_zip):
    sketch = dataclasses.replace(tiny, encoder=dataclasses.replace(tiny.encoder, in_channels=1))
    model = e2style.InversionModel(InversionNetwork(sketch), fingerprint=bytes(32))
    faces = FaceSet(faces_zip, 256)
    with pytest.raises(DataError, match=r"needs \(B, 1, S, S\)"):
        calibrate(model, faces, step=1.0)
    model = e2style.InversionModel(InversionNetwork(tiny), fingerprint=bytes(32))
    with pytest.raises(DataError, match="stages: got 3, allowed 1 to 1"):
        encode_set(model, faces, stages=3)


def test_batches_follow_the_size_of_the_picture(tiny):
    model = e2style.InversionModel(InversionNetwork(tiny), fingerprint=bytes(32))
    for size, count in ((16, 16), (128, 16), (256, 4), (512, 1), (1024, 1)):
        generator = dataclasses.replace(tiny.generator, size=size, channel_base=1 << 14)
        model.config = SimpleNamespace(generator=generator)
        assert model.batch_size == count


def test_outputs_and_devices_are_refused_before_any_work(content, faces_zip, tmp_path):
    source = tmp_path / "e2style.pt"
    torch.save(content, source)
    for target in (tmp_path / "none" / "x.safetensors", tmp_path):
        with pytest.raises(OutputError, match="the output"):
            convert(source, target)
        with pytest.raises(OutputError, match="the output"):
            calibrate_file(source, tmp_path / "no-data", target)
    network = e2style.load(source).network
    with pytest.raises(OutputError, match="cannot be written"):
        e2style.save(tmp_path / "none" / "x.safetensors", network)
    for device in ("nonsense", "cuda:99", "meta"):
        with pytest.raises(ConfigError, match="device"):
            e2style.load(source, device)
        with pytest.raises(ConfigError, match="device"):
            load_network(LPIPS_HEADS, device)
