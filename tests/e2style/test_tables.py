"""The scripts of the paper's tables: their rows have the paper's sizes, and a small one runs."""

import argparse
import contextlib
import dataclasses
import importlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from e2style_vectors import SHARED

from e2style import count_parameters
from e2style.applications import directions
from e2style.architectures import ROWS
from e2style.checkpoints.loading import load_model
from e2style.checkpoints.saving import save
from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.model import InversionModel
from e2style.models.inversion import InversionNetwork
from e2style.settings import from_dict
from e2style.training.loop import train

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Import a script by name."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


def _options(scale, **changes):
    plain = {
        "scale": scale, "data": "d", "features": Path("f"), "runs": Path("r"), "threads": 0,
        "device": "cpu", "generator": "g", "images": None, "backbone": "",
    }  # fmt: skip
    return argparse.Namespace(**(plain | changes))


def _millions(shared, row, size):
    config = shared.settings_of(row, _options("full"), GeneratorConfig(size))
    assert config.optimizer == "ranger"
    return round(count_parameters(config.model)["counted"] / 1e6)


@pytest.mark.parametrize(("table", "number"), [("table1", "I"), ("table3", "III")])
def test_full_rows_have_the_paper_s_sizes_and_settings(script, table, number):
    wanted = {row.row: row.millions for row in ROWS if row.table == number}
    wanted["(d)+FPN"] = 98  # in the text
    shared, rows = script("inversion_tables"), script(table).ROWS
    assert {row.name for row in rows} <= set(wanted)
    for row in rows:
        if row.encoder != "idgi":  # the paper's is of a generator of side 256
            assert _millions(shared, row, 1024) == wanted[row.name], row.name


@pytest.mark.parametrize("domain", ["cats", "horses", "cars"])
def test_other_domains_build_at_the_paper_s_sizes(script, domain):
    wanted = {row.row: row.millions for row in ROWS if row.table == "IV"}
    shared, module = script("inversion_tables"), script("table4")
    for row in module.rows_of(domain):
        names = [n for n in wanted if n.startswith(row.name.removesuffix("-1Stage"))]
        name = next(n for n in names if domain in n)
        assert _millions(shared, row, module.SIDES[domain]) == wanted[name]
        config = shared.settings_of(row, _options("full"), GeneratorConfig(module.SIDES[domain]))
        assert (config.loss.identity, config.loss.parsing) == (0, 0)
        assert config.images == module.IMAGES[domain]


def test_rows_of_a_table_differ_in_nothing_but_what_they_are_about(script, monkeypatch):
    shared = script("inversion_tables")
    monkeypatch.setattr(shared, "data_of", lambda options, fit: Path("d"))
    monkeypatch.setattr(shared, "latents_of", lambda options: Path("l"))
    equal = ("data", "images", "batch", "optimizer", "lr", "schedule", "seed", "precision", "noise")
    for table, about in (("table1", ()), ("table3", ("loss",))):
        rows = script(table).ROWS
        for scale in ("small", "full"):
            generator = GeneratorConfig(64 if scale == "small" else 1024, mapping_layers=0)
            configs = [shared.settings_of(row, _options(scale), generator) for row in rows]
            for name in equal:
                assert len({getattr(config, name) for config in configs}) == 1, name
            losses = {(c.loss.l2, c.loss.lpips, c.loss.identity, c.loss.parsing) for c in configs}
            assert (len(losses) == 1) == ("loss" not in about)


def test_a_table_of_other_domains_has_no_identity_whatever_networks_are_at_hand(script, capsys):
    shared = script("inversion_tables")
    mean = {"mean": 0.5, "low": 0.4, "high": 0.6, "count": 7}
    values = {
        "asked": [800], "means": dict.fromkeys(("ssim", "psnr", "ids_dlib"), mean), "s": 0.1,
        "parameters": {"counted": 10**6}, "groups": {"real": {"ssim": mean, "psnr": mean}},
    }  # fmt: skip
    for paper, shown in (({}, "–"), ({"ids": 0.7}, "0.500 (0.400–0.600) 0.7")):
        line = shared._line("IV", "pSp", {"ssim": 0.39, "psnr": 18.1, **paper}, values)
        assert line["identity"] == ("ids_dlib" if paper else "")
        assert f"0.50 (0.40–0.60) 18.1 {shown:>22} " in capsys.readouterr().out


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "weights").is_dir(), reason="no weights")
def test_a_small_table_is_trained_and_printed_again(script, faces_zip, tmp_path):
    shared = script("inversion_tables")
    generator = GeneratorConfig(64, mapping_layers=0, channel_base=512, channel_max=8)
    settings = shared.encoder_settings("single2", generator.n_codes, shared.SCALES["small"])
    torch.manual_seed(0)
    config = InversionConfig("small", generator, from_dict(EncoderConfig, settings))
    save(tmp_path / "generator.safetensors", InversionNetwork(config))

    def run(*more, start=()):
        command = [
            sys.executable, *start, SCRIPTS / "table1.py",
            "--data", faces_zip, "--validation", faces_zip, "--features", SHARED / "weights",
            "--generator", tmp_path / "generator.safetensors",
            "--runs", tmp_path / "runs", "--images", "8", "--json", tmp_path / "table.json",
            "--threads", "1", "--few", "1", "--rows", "IDGI-Encoder", "E2Style-1Stage-C", *more,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads((tmp_path / "table.json").read_text())["rows"]

    two = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    text, rows = run(start=two)
    assert [row["row"] for row in rows] == ["IDGI-Encoder", "E2Style-1Stage-C", "IDGI"]
    assert rows[0]["about"]["pictures"] == 11
    assert (rows[2]["about"]["pictures"], rows[2]["about"]["steps"]) == (1, 100)
    again, same = run("--print")
    assert same == rows
    figures = [line for line in text.splitlines() if not line.endswith(": 8 images")]
    assert again.splitlines() == figures


def test_a_file_of_directions_edits_all_networks_alike(script, tiny, tmp_path):
    table = script("table2")
    model = InversionModel(InversionNetwork(tiny), fingerprint=bytes(32))
    official = np.random.default_rng(0).normal(size=(6, 512)).astype(np.float32)
    np.save(tmp_path / "age.npy", official)
    (tmp_path / "e.csv").write_text("direction,strength,rows\nage.npy,-20,0-3\nage.npy,5,\n")
    codes = torch.zeros(2, 6, 512)
    (first, younger), (second, older) = table.edits_of(
        model, argparse.Namespace(directions=tmp_path / "e.csv")
    )
    assert (first, second) == ("age -20", "age +5")
    wanted = torch.from_numpy(official)
    torch.testing.assert_close(younger(codes)[0, :4], -20 * wanted[:4])
    assert not younger(codes)[:, 4:].any()
    torch.testing.assert_close(older(codes)[1], 5 * wanted)
    for text in ("direction\nage.npy\n", "direction,strength\n", "direction,strength\na,x\n"):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(SystemExit, match=r"bad\.csv"):
            table.read_edits(tmp_path / "bad.csv")


def test_the_edits_of_a_file_are_measured_for_each_network(script, config, faces_zip, tmp_path):
    table = script("table2")
    train(dataclasses.replace(config, images=8), tmp_path / "runs" / "psp")
    model = load_model(config.generator)
    vector = np.random.default_rng(0).normal(size=(6, 512)).astype(np.float32)
    own = directions.Direction("d", vector, "all", "tiny", model.fingerprint.hex())
    (tmp_path / "d.safetensors").write_bytes(own.to_bytes())
    (tmp_path / "e.csv").write_text("direction,strength\nd.safetensors,0\n")
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", [
            "table2.py", "--data", str(faces_zip), "--validation", str(faces_zip),
            "--features", str(tmp_path), "--generator", config.generator, "--rows", "pSp", "e4e",
            "--runs", str(tmp_path / "runs"), "--directions", str(tmp_path / "e.csv"),
        ])  # fmt: skip
        table.main()
    lines = shown.getvalue().splitlines()
    assert lines[1].split()[:3] == ["pSp", "d", "+0"]
    assert lines[1].endswith("FID not measured; identity not measured")
    assert "8 images" in lines[2] and lines[3].endswith("not trained yet")
