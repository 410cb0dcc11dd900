import dataclasses
import hashlib
import json
import re

import pytest
import safetensors.torch
import torch
from copies import assert_same_output, assert_same_weights

import e2style
from e2style.checkpoints import shipped
from e2style.checkpoints.tensor_files import TensorFile
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.model import ModelCard
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import fit_quantizer

CARD = ModelCard("tiny", "a test", "none", 3, "none", {"psnr": 1.0}, "none", "tests", "all")


@pytest.fixture
def network(tiny):
    torch.manual_seed(3)
    built = InversionNetwork(tiny)
    built.generator.seed_noise(3)
    return built.eval()


@pytest.fixture
def stored(network, tmp_path):
    codes = torch.randn(4, 6, 512, generator=torch.Generator().manual_seed(1)).numpy() * 3
    path = tmp_path / "tiny.safetensors"
    e2style.save(
        path,
        network,
        quantizers=[fit_quantizer(codes)],
        card=CARD,
        accept_psnr=12.5,
        accept_bits=99.0,
    )
    return path


def test_the_fingerprints_that_are_listed_are_those_of_the_files():
    for name, (file, digest) in shipped.SHIPPED.items():
        found = TensorFile(shipped.weights_file(file)).fingerprint()
        assert found.hex() == shipped.FINGERPRINTS[digest], name


def test_a_model_file_brings_everything_back(stored, network, tiny):
    model = e2style.load(stored)
    assert model.config == tiny
    assert model.card == CARD
    assert model.accept_psnr == 12.5
    assert model.accept_bits == 99.0
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = network.invert(x)
    torch.testing.assert_close(model.invert(x), wanted, rtol=0.02, atol=0.02)


def test_the_fingerprint_covers_generator_and_quantizer_only(stored, tmp_path):
    before = e2style.load(stored).fingerprint
    for key, changes in (
        ("network.encoders.0.stem.0.weight", False),
        ("network.generator.const", True),
        ("network.generator.first.noise", True),
        ("quantizer.step", True),
    ):
        with safetensors.safe_open(stored, "pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        tensors[key] = tensors[key] * 2
        changed = tmp_path / "changed.safetensors"
        safetensors.torch.save_file(tensors, changed, header)
        assert (e2style.load(changed).fingerprint != before) == changes, key


def test_damaged_and_foreign_files_are_refused(stored, tmp_path, monkeypatch):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(stored.read_bytes()[:-100])
    text = tmp_path / "text.pt"
    text.write_text("hello")
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, foreign)
    other = tmp_path / "other.pt"
    torch.save({"state_dict": {}}, other)
    for path in (cut, text, foreign, other, tmp_path / "missing.safetensors", "no-such-name"):
        with pytest.raises(CheckpointError):
            e2style.load(path)
    monkeypatch.setitem(shipped.SHIPPED, "tiny", (str(stored), "0" * 64))
    with pytest.raises(CheckpointError, match="hash"):
        e2style.load("tiny")


def test_a_file_that_lacks_a_tensor_names_it(stored, tmp_path):
    with safetensors.safe_open(stored, "pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    del tensors["network.generator.const"]
    safetensors.torch.save_file(tensors, tmp_path / "less.safetensors", header)
    with pytest.raises(CheckpointError, match=r"generator\.const"):
        e2style.load(tmp_path / "less.safetensors")
    header["config"] = json.dumps({"stages": 7})
    safetensors.torch.save_file(tensors, tmp_path / "wrong.safetensors", header)
    with pytest.raises(CheckpointError, match="stages"):
        e2style.load(tmp_path / "wrong.safetensors")


def test_a_file_may_share_the_generator_of_a_shipped_model(stored, network, tmp_path, monkeypatch):
    digest = hashlib.sha256(stored.read_bytes()).hexdigest()
    monkeypatch.setitem(shipped.SHIPPED, "tiny", (str(stored), digest))
    torch.manual_seed(9)
    other = InversionNetwork(network.config).eval()
    other.generator = network.generator
    path = tmp_path / "encoder.safetensors"
    e2style.save(path, other, generator="tiny")
    assert path.stat().st_size < stored.stat().st_size
    model = e2style.load(path)
    codes = torch.randn(2, 6, 512, generator=torch.Generator().manual_seed(2))
    tiny = e2style.load("tiny")
    assert_same_weights(tiny.network.generator, model.network.generator)
    assert_same_output(model.synthesize(codes), tiny.synthesize(codes))
    assert model.fingerprint == e2style.fingerprint_of(path) != e2style.load("tiny").fingerprint
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model.invert(x), other.invert(x), rtol=0.02, atol=0.02)

    foreign = InversionNetwork(network.config)
    wide = dataclasses.replace(network.config.generator, channel_max=4)
    smaller = InversionNetwork(dataclasses.replace(network.config, generator=wide))
    refused = "not that of tiny"
    for wrong, name, match in (
        (foreign, "tiny", refused),
        (smaller, "tiny", refused),
        (other, "none", "allowed"),
    ):
        with pytest.raises(ConfigError, match=match):
            e2style.save(path, wrong, generator=name)
    with pytest.raises(ConfigError, match="whole"):
        e2style.save(path, other, generator="tiny", quantizers=e2style.load(stored).quantizers)
    monkeypatch.setitem(shipped.RESTORERS, "changed", (str(path), "0" * 64))
    for read in (e2style.load, e2style.fingerprint_of):
        with pytest.raises(CheckpointError, match="hash"):
            read("changed")
    # A file from anywhere may name no path, and no generator but the one that it was made with.
    with safetensors.safe_open(path, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    for key, value in (("generator", str(stored)), ("generator_fingerprint", "00" * 32)):
        safetensors.torch.save_file(tensors, path, header | {key: value})
        with pytest.raises(CheckpointError, match="generator"):
            e2style.load(path)


def test_models_are_found_in_the_model_folder(stored, monkeypatch):
    monkeypatch.setenv("DEEPHIDE_MODEL_DIR", str(stored.parent))
    assert e2style.load(stored.name).name == "tiny"


def test_wrong_shapes_are_refused(stored):
    model = e2style.load(stored)
    with pytest.raises(DataError, match="images"):
        model.invert(torch.zeros(1, 1, 16, 16))
    with pytest.raises(DataError, match="stages"):
        model.invert(torch.zeros(1, 3, 16, 16), stages=2)
    with pytest.raises(DataError, match="codes"):
        model.synthesize(torch.zeros(1, 5, 512))


def test_what_restores_paints_with_the_generator_of_a_model_that_hides():
    assert shipped.RESTORER in shipped.RESTORERS
    for name, (file, digest) in shipped.RESTORERS.items():
        assert file.endswith(".safetensors") and re.fullmatch("[0-9a-f]{64}", digest)
        model = e2style.load_model(name)
        whole = e2style.load(e2style.header_of(name)["generator"])
        assert model.name == name and model.quantizer is None
        assert model.card is not None and model.card.images_seen > 0
        assert model.card.metrics
        own, others = (m.network.generator.state_dict() for m in (model, whole))
        assert all(torch.equal(own[key], others[key]) for key in others)
        assert torch.equal(model.network.w_avg, whole.network.w_avg)


def test_shipped_models_load_by_name():
    for name in e2style.names():
        assert re.fullmatch("[0-9a-f]{64}", shipped.SHIPPED[name][1])
        model = e2style.load(name)
        assert model.name == name
        assert model.quantizer is not None
        assert model.card is not None
        assert model.card.images_seen > 0
