"""Faces of nobody, labels, tuned generators, and generation by another one."""

import dataclasses

import numpy as np
import pytest
import torch

import e2style
from e2style.applications import directions, offsets
from e2style.applications.labels import read_labels, sides
from e2style.applications.mixing import mix
from e2style.applications.sampling import sample
from e2style.applications.second_generator import second_generator
from e2style.checkpoints.networks import save_network
from e2style.checkpoints.saving import save
from e2style.data import align
from e2style.data.detect import load_detector
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.inference.interface import generate
from e2style.model import InversionModel
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import fit_quantizer


def _model(config, seed=0, **settings):
    torch.manual_seed(seed)
    network = InversionNetwork(config).eval()
    network.w_avg += torch.randn(network.w_avg.shape)
    return InversionModel(network, fingerprint=bytes([seed]) * 32, **settings)


@pytest.fixture
def mapped(tiny):
    generator = dataclasses.replace(tiny.generator, mapping_layers=2)
    return _model(dataclasses.replace(tiny, generator=generator))


@pytest.fixture
def tabled(tiny):
    codes = np.random.default_rng(0).normal(3, 2, (500, 6, 512)).astype(np.float32)
    return _model(tiny, quantizers=[fit_quantizer(codes)])


@pytest.fixture(params=["mapped", "tabled"])
def model(request):
    return request.getfixturevalue(request.param)


def test_a_seed_gives_the_same_code_in_any_company(model):
    whole = sample(model, [3, 4, 5])
    assert whole.shape == (3, 6, 512)
    assert np.array_equal(whole[1:2], sample(model, [4]))
    assert not np.array_equal(whole[0], whole[1])


def test_truncation_goes_from_the_mean_face_to_the_code(model):
    whole, half, none = (sample(model, [1], share)[0] for share in (1.0, 0.5, 0.0))
    mean = model.quantizer.w_avg if model.quantizer else model.network.w_avg.numpy()
    np.testing.assert_allclose(none, mean, atol=1e-6)
    np.testing.assert_allclose(half, (whole + none) / 2, atol=1e-4)


def test_a_mapped_style_is_the_same_in_every_row(mapped):
    (code,) = sample(mapped, [9])
    assert (code == code[0]).all()
    z = torch.randn(1, 512, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        wanted = mapped.network.generator.mapping(z)[0].numpy()
    np.testing.assert_allclose(code[0], wanted, atol=1e-5)


def test_drawn_integers_are_as_frequent_as_the_tables_say(tabled):
    codes = sample(tabled, range(40))
    integers = tabled.quantizer.quantise(codes)
    assert np.array_equal(tabled.quantizer.dequantise(integers), codes)
    assert codes.mean() == pytest.approx(3, abs=0.05)
    assert codes.std() == pytest.approx(2, abs=0.1)


def test_a_model_without_either_is_refused(tiny):
    with pytest.raises(ConfigError, match="neither a mapping network"):
        sample(_model(tiny), [0])
    with pytest.raises(ConfigError, match="seeds"):
        sample(_model(tiny), [-1])


def test_mixing_at_the_ends_copies_to_the_last_bit():
    rng = np.random.default_rng(1)
    content = (rng.normal(size=(2, 6, 8)) * 1e4).astype(np.float32)
    style = rng.normal(size=(6, 8)).astype(np.float32)
    whole = mix(content, style, slice(2, 5))
    assert np.array_equal(whole[:, 2:5], np.broadcast_to(style[2:5], (2, 3, 8)))
    assert np.array_equal(whole[:, :2], content[:, :2])
    assert np.array_equal(mix(content, style, slice(2, 5), 0.0), content)
    # What it was before: the difference of numbers of unlike size loses digits.
    lossy = content + (style - content)
    assert not np.array_equal(lossy[:, 2:5], whole[:, 2:5])


def test_sefa_directions_can_be_seen(tiny):
    model = _model(tiny)
    for direction in directions.amplified(model, "2-", 2):
        mean = model.network.w_avg
        moved = mean + torch.from_numpy(direction.vector)
        change = model.synthesize(moved[None]) - model.synthesize(mean[None])
        assert float(change.square().mean().sqrt()) == pytest.approx(0.1, rel=0.06)


def test_sefa_of_the_default_model_takes_the_rows_that_carry():
    model = e2style.load()
    generator = model.network.generator
    found = directions.amplified(model, "all", 3)
    assert [each.rows for each in found] == ["0-2"] * 3
    mean = model.network.w_avg
    before = model.synthesize(mean[None])
    for each in found:
        assert not each.vector[3:].any()
        moved = model.synthesize((mean + 2 * torch.from_numpy(each.vector))[None])
        assert float((moved - before).square().mean().sqrt()) > 0.05
    # What leads is what faces spread along, by one standard deviation.
    lengths = [float(np.linalg.norm(each.vector)) for each in found]
    spread = generator.mapping.spread.flatten().sort(descending=True).values
    assert lengths == pytest.approx(spread[:3].tolist())
    # The layers' own rows, which are never sent, are left out or refused.
    assert directions.amplified(model, "2-9", 1)[0].rows == "2-2"
    with pytest.raises(ConfigError, match="rows 0-2 of face256 carry everything"):
        directions.amplified(model, "4-7", 1)
    with pytest.raises(ConfigError, match="components: got 2000, allowed 1 to"):
        directions.amplified(model, "all", 2000)


def test_sefa_of_a_plain_base_is_seen_as_far_as_of_layers(tiny):
    generator = dataclasses.replace(tiny.generator, size=32, base_side=8, base_rows=2)
    encoder = dataclasses.replace(tiny.encoder, split=(1, 1, 6))
    torch.manual_seed(3)
    network = InversionNetwork(dataclasses.replace(tiny, generator=generator, encoder=encoder))
    base = network.generator.base
    base.weight.data.normal_()
    base.patches.data.normal_()
    base.weight.data[2] = 0  # a spare one
    model = InversionModel(network, fingerprint=bytes(32))
    first, _, third = directions.amplified(model, "0-1", 3)
    assert np.flatnonzero(first.vector).tolist() == [0]
    assert np.flatnonzero(third.vector).tolist() == [3]
    mean = network.w_avg
    moved = model.synthesize((mean + torch.from_numpy(first.vector))[None])
    change = float((moved - model.synthesize(mean[None])).square().mean().sqrt())
    assert change == pytest.approx(0.1, rel=0.06)


# Labels.


@pytest.mark.parametrize("name", ["file", "image_id", "Filename", "whatever"])
def test_labels_of_any_csv_are_read_by_the_name_of_the_file(tmp_path, name):
    (tmp_path / "l.csv").write_text(
        f"{name},Smiling,age\nx/1.jpg,1,20\n2.png,-1,30\n3,yes,40\n4.webp,no,\n", "utf-8"
    )
    assert read_labels(tmp_path / "l.csv", "Smiling") == {"1": 1, "2": 0, "3": 1, "4": 0}
    assert read_labels(tmp_path / "l.csv", "age") == {"1": 20, "2": 30, "3": 40}
    with pytest.raises(DataError, match=r"no column 'x'; there are .*Smiling, age"):
        read_labels(tmp_path / "l.csv", "x")


def test_sides_are_the_two_values_or_the_outer_thirds():
    yes_no = {str(k): float(k % 2) for k in range(8)}
    positive, negative = sides(yes_no, [f"a/{k}.png" for k in range(10)])
    assert positive == [f"a/{k}.png" for k in (1, 3, 5, 7)]
    assert negative == [f"a/{k}.png" for k in (0, 2, 4, 6)]
    ages = {str(k): float(k) for k in range(10)}
    positive, negative = sides(ages, [f"{k}.png" for k in range(10)])
    assert positive == ["6.png", "7.png", "8.png", "9.png"]
    assert negative == ["0.png", "1.png", "2.png", "3.png"]
    for labels in ({}, {"1": 1.0, "2": 1.0}, {"1": 1.0, "2": 0.0}):
        with pytest.raises(DataError, match="two of each"):
            sides(labels, ["1.png", "2.png"])


# Tuning, and a second generator.


def test_tuned_offsets_are_small_and_bring_the_image_nearer(tiny, tmp_path):
    model = _model(tiny)
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    code = model.invert(image)[0].numpy()
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    found = offsets.tune(model, image, code, steps=60, rank=2, rate=2e-2)
    assert all(torch.equal(v, before[k]) for k, v in model.network.state_dict().items())
    tuned = offsets.applied(model, found)
    errors = [
        float((m.synthesize(torch.from_numpy(code)[None]) - image).square().mean())
        for m in (model, tuned)
    ]
    assert errors[1] < 0.7 * errors[0]
    path = tmp_path / "o.safetensors"
    path.write_bytes(offsets.to_bytes(found, model))
    again, said = second_generator(str(path), model)
    assert torch.equal(
        again.synthesize(torch.from_numpy(code)[None]),
        tuned.synthesize(torch.from_numpy(code)[None]),
    )
    assert "offsets" in said
    with pytest.raises(CheckpointError, match="offsets"):
        offsets.load_offsets(path, _model(tiny, 1))


@pytest.mark.parametrize("setting", [{"steps": 0}, {"rank": 0}, {"rate": 0.0}])
def test_settings_of_tuning_out_of_range_are_refused(tiny, setting):
    model = _model(tiny)
    with pytest.raises(ConfigError, match=next(iter(setting))):
        offsets.tune(model, torch.zeros(1, 3, 16, 16), np.zeros((6, 512), np.float32), **setting)


def test_another_generator_generates_the_codes_and_is_named(tiny, tmp_path):
    model, other = _model(tiny), _model(tiny, 1)
    save_network(tmp_path / "g.safetensors", other.network.generator)
    save(tmp_path / "m.safetensors", other.network)
    codes = torch.randn(1, 6, 512)
    for name, error in (("g", 0), ("m", 5e-3)):  # a model is stored in half precision
        second, said = second_generator(str(tmp_path / f"{name}.safetensors"), model)
        assert float((second.synthesize(codes) - other.synthesize(codes)).abs().max()) <= error
        assert model.fingerprint.hex()[:12] in said
    assert not torch.equal(model.synthesize(codes), other.synthesize(codes))


def test_a_generator_of_another_shape_is_refused(tiny, tmp_path):
    larger = dataclasses.replace(tiny.generator, size=32, channel_base=256)
    encoder = dataclasses.replace(tiny.encoder, split=(1, 2, 5))
    other = _model(dataclasses.replace(tiny, generator=larger, encoder=encoder))
    save_network(tmp_path / "g.safetensors", other.network.generator)
    with pytest.raises(CheckpointError, match=r"shape \(8, 512\)"):
        second_generator(str(tmp_path / "g.safetensors"), _model(tiny))


def test_the_default_model_generates_faces_of_nobody():
    model = e2style.load()
    detector = load_detector()
    for image in generate(model, sample(model, [1, 5, 6, 8], truncation=0.8)):
        found = detector.find(image)
        assert found and align.fills(image, found[0])


def test_the_shipped_model_draws_from_its_tables_since_its_styles_come_from_rows():
    model = e2style.load()
    codes = sample(model, [0, 1])
    assert codes.shape == (2, model.n_codes, model.config.generator.style_dim)
    assert not np.array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(sample(model, [1]), codes[1:])
