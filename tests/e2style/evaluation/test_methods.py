"""Optimising methods beside forward networks, under one interface, and what is measured of them."""

import csv
import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from e2style.errors import ConfigError, DataError
from e2style.evaluation.measure import measure, parameters, runtime
from e2style.evaluation.methods import METHODS, Inverter, autocorrelation
from e2style.evaluation.report import as_json, as_markdown, write_report
from e2style.metrics.features import load_metrics
from e2style.models import counting
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import WholeNumbers

SHORT = {name: dataclasses.replace(m, steps=min(m.steps, 30)) for name, m in METHODS.items()}


@pytest.fixture
def network(tiny):
    torch.manual_seed(4)
    network = InversionNetwork(tiny).eval().requires_grad_(False)
    network.generator.seed_noise(4)
    for name, value in network.generator.named_parameters():
        if name.endswith("noise_gain"):
            value.fill_(0.3)
    return network


def _error(inverter, x):
    generated = inverter.generate(inverter(x))
    return (generated - x).square().mean((1, 2, 3)).detach()


@pytest.mark.parametrize("name", ["idgi", "dni", "i2s"])
def test_optimising_brings_the_painting_nearer(network, name):
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    method = dataclasses.replace(SHORT[name], lr=0.05)
    start = dataclasses.replace(method, steps=0)
    assert (_error(Inverter(network, method), x) < _error(Inverter(network, start), x)).all()


def test_methods_change_what_they_say(network):
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    forward = Inverter(network)(x)
    assert not forward.noise
    torch.testing.assert_close(forward.codes, network.invert(x))
    dni = Inverter(network, SHORT["dni"])(x)
    assert torch.equal(dni.codes, forward.codes)
    stored = dict(network.generator.named_buffers())
    assert set(dni.noise) == {name for name in stored if name.endswith("noise")}
    assert all(not torch.equal(m[0], stored[name][0]) for name, m in dni.noise.items())
    i2s = Inverter(network, dataclasses.replace(SHORT["i2s"], steps=1))(x)
    moved = (i2s.codes - network.w_avg).abs()
    assert 0 < moved.max() <= METHODS["i2s"].lr * 1.01  # one step of Adam away from the mean
    idgi = Inverter(network, dataclasses.replace(SHORT["idgi"], steps=1))(x)
    assert 0 < (idgi.codes - forward.codes).abs().max() <= METHODS["idgi"].lr * 1.01


@pytest.mark.parametrize("name", ["idgi", "dni", "i2s"])
def test_no_picture_sees_the_others(network, name):
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    inverter = Inverter(network, dataclasses.replace(SHORT[name], steps=3))
    together = inverter.generate(inverter(x))
    alone = torch.cat([inverter.generate(inverter(part)) for part in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


def test_in_domain_codes_are_those_that_the_encoder_finds_again(network):
    x = torch.rand(1, 3, 16, 16) * 2 - 1

    def apart(weight):
        method = dataclasses.replace(SHORT["idgi"], lr=0.05, in_domain=weight)
        inverter = Inverter(network, method)
        found = inverter(x)
        return float((network.invert(inverter.generate(found)) - found.codes).square().mean())

    assert apart(20.0) < apart(0.0)


def test_a_perceptual_distance_is_used_where_there_is_one(network):
    seen = []

    def distance(a, b):
        seen.append(a.shape)
        return (a - b).abs().mean((1, 2, 3))

    x = torch.rand(2, 3, 16, 16) * 2 - 1
    method = dataclasses.replace(SHORT["i2s"], steps=2)
    Inverter(network, method, distance=distance)(x)
    assert seen == [(2, 3, 16, 16)] * 2
    with pytest.raises(ConfigError, match="no encoder"):
        Inverter(network, METHODS["i2s"], stages=1)


def test_codes_are_edited_before_they_are_painted(network):
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    edited = Inverter(network, edit=lambda codes: codes + 1)(x).codes
    torch.testing.assert_close(edited, network.invert(x) + 1)


def test_white_noise_has_no_autocorrelation():
    torch.manual_seed(0)
    white = torch.randn(1, 1, 64, 64)
    smooth = torch.nn.functional.avg_pool2d(white, 3, 1, 1) * 3
    assert autocorrelation(white) < 0.1 * autocorrelation(smooth)


@pytest.fixture
def archive(tmp_path, faces_zip):
    """The same images beside an index that puts each into one of two groups."""
    with zipfile.ZipFile(faces_zip) as file:
        names = file.namelist()
    lines = ["file,split,set,folder"]
    lines += [f"{name},val,{'ab'[k % 2]},x" for k, name in enumerate(names)]
    (tmp_path / "index.csv").write_text("\n".join(lines))
    return faces_zip


def test_every_picture_is_measured_once_whatever_the_batch(network, archive):
    found = [
        measure(Inverter(network), archive, load_metrics(None), side=16, batch=batch)
        for batch in (1, 5, 50)
    ]
    for other in found[1:]:
        assert [row["file"] for row in other.rows] == [row["file"] for row in found[0].rows]
        for a, b in zip(found[0].rows, other.rows, strict=True):
            assert a["psnr"] == pytest.approx(b["psnr"], abs=0.1)
    one = found[0]
    assert len(one.rows) == 11
    assert one.skipped == ["f07.png"]
    assert set(one.groups) == {"a/x", "b/x"}
    of_a = [row["psnr"] for row in one.rows if row["group"] == "a/x"]
    assert one.groups["a/x"]["psnr"].mean == pytest.approx(np.mean(of_a))
    ordered = sorted((row["psnr"] for row in one.rows), reverse=True)
    best, median, worst = (
        [shown.values["psnr"] for shown in one.grid[kind]] for kind in ("best", "median", "worst")
    )
    assert (best, worst) == (ordered[:4], ordered[-4:])
    assert median[0] >= np.median(ordered) >= median[-1]
    assert one.missing["fid"].startswith("needs pt_inception")
    fewer = measure(Inverter(network), archive, load_metrics(None), side=16, limit=3)
    assert len(fewer.rows) == 3


def test_images_that_are_not_square_are_fitted_as_in_training(network, tmp_path):
    rng = np.random.default_rng(3)
    wide = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    (tmp_path / "wide").mkdir()
    wide.save(tmp_path / "wide" / "a.png")
    shown = {}
    for fit in (None, "stretch", "letterbox", "crop"):
        found = measure(Inverter(network), tmp_path / "wide", load_metrics(None), side=32, fit=fit)
        shown[found.about["fit"], fit] = found.grid["best"][0].original
    assert np.array_equal(shown["stretch", None], shown["stretch", "stretch"])
    assert np.array_equal(shown["letterbox", "letterbox"][4:28], np.asarray(wide))
    assert not shown["letterbox", "letterbox"][:4].any()
    middle = wide.crop((4, 0, 28, 24)).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(shown["crop", "crop"], np.asarray(middle))
    network.config = dataclasses.replace(network.config, fit="letterbox")
    assert (
        measure(Inverter(network), tmp_path / "wide", load_metrics(None), side=32).about["fit"]
        == "letterbox"
    )


@pytest.mark.parametrize("rounding", ["nearest", "floor", "truncate"])
def test_whole_numbers_are_those_of_algorithm_1(network, archive, rounding):
    by_hand = {"nearest": torch.round, "floor": torch.floor, "truncate": torch.trunc}[rounding]
    edited = Inverter(network, edit=lambda codes: by_hand(codes * 3))
    wanted = measure(edited, archive, load_metrics(None), side=16)
    inverter = Inverter(network, edit=lambda codes: codes * 3)
    found = measure(
        inverter, archive, load_metrics(None), side=16, quantizer=WholeNumbers(rounding)
    )
    assert [row["psnr"] for row in found.rows] == [row["psnr"] for row in wanted.rows]
    assert found.means["bits"].mean == 9 * network.w_avg.numel()
    assert rounding in found.about["codes"]
    with pytest.raises(DataError, match="nine bits hold"):
        WholeNumbers(rounding).quantise(np.float32([[-257]]))
    with pytest.raises(ConfigError, match="rounding: got 'up'"):
        WholeNumbers("up")


def test_reports_hold_the_same_numbers(network, archive, tmp_path):
    found = measure(Inverter(network), archive, load_metrics(None), side=16)
    paths = write_report(found, tmp_path / "report")
    values = json.loads(paths[0].read_text())
    assert values == json.loads(json.dumps(as_json(found)))
    with paths[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    mean = np.mean([float(row["psnr"]) for row in rows])
    assert values["means"]["psnr"]["mean"] == pytest.approx(mean)
    text = as_markdown(found)
    assert paths[2].read_text() == text
    assert f"| PSNR, dB | {mean:.2f}" in text or f"| PSNR, dB | {mean:.3f}" in text
    page = paths[3].read_text()
    assert page.count("data:image/png;base64,") == 2 * 12
    assert "not measured: needs CurricularFace_Backbone.pth" in page
    assert "f07.png" in page
    assert f"PSNR {found.grid['best'][0].values['psnr']:.2f}" in page


def test_names_of_pictures_cannot_leave_their_place_in_the_page(network, tmp_path, archive):
    found = measure(Inverter(network), archive, load_metrics(None), side=16, limit=2)
    found.about["data"] = "<script>alert(1)</script>"
    page = write_report(found, tmp_path / "report")[3].read_text()
    assert "<script>" not in page


def test_runtime_and_parameters(network):
    assert 0 < runtime(Inverter(network), runs=3) < 5
    assert 0 < runtime(Inverter(network, SHORT["i2s"])) < 60
    wanted = counting.count_parameters(network.config)["encoder"]
    assert parameters(Inverter(network))["encoder"] == wanted
    assert parameters(Inverter(network, METHODS["i2s"]))["encoder"] == 0


def test_a_set_without_a_readable_picture_is_refused(network, tmp_path):
    (tmp_path / "faces").mkdir()
    Path(tmp_path / "faces" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="no image could be read"):
        measure(Inverter(network), tmp_path / "faces", load_metrics(None))
